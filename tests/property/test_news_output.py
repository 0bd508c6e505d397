"""Whatever comes from outside, what a report tells is printable, bounded and as the schema says."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime

from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from mailfix.comparison.acknowledgement import Acknowledgement
from mailfix.comparison.news import News, Standing
from mailfix.model import Severity
from mailfix.report.bulletin import Bulletin
from mailfix.report.document import SCHEMA_FILE
from mailfix.report.news import document, text
from tests.property.test_report_output import OUTSIDE, REPORT, RULE, unprintable

SCHEMA = Draft202012Validator(
    json.loads(SCHEMA_FILE.with_name("news.schema.json").read_text("utf-8"))
)
SUBJECT = st.dictionaries(st.sampled_from(["port", "address", "domain"]), OUTSIDE | st.integers())
STANDING = st.builds(
    Standing,
    rule=RULE,
    title=OUTSIDE,
    severity=st.sampled_from(Severity),
    subject=SUBJECT,
    message=OUTSIDE,
    since=st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),
    doubt=st.none() | OUTSIDE,
)
STANDINGS = st.lists(STANDING, max_size=2).map(tuple)
NEWS = st.builds(
    News, new=STANDINGS, better=STANDINGS, still=STANDINGS, wavering=STANDINGS, unclear=STANDINGS
)
KNOWN = st.builds(
    Acknowledgement, rule=RULE, subject=SUBJECT, until=st.dates(date(2000, 1, 1)), why=OUTSIDE
)
BULLETIN = st.builds(
    Bulletin, report=REPORT, news=NEWS, acknowledged=st.lists(KNOWN, max_size=1).map(tuple)
)


@given(BULLETIN)
def test_the_document_is_as_its_schema_says(bulletin: Bulletin) -> None:
    written = document.write(document.document(bulletin))
    SCHEMA.validate(json.loads(written))
    assert unprintable(written) == set()


@given(BULLETIN, st.booleans())
def test_the_summary_is_printable(bulletin: Bulletin, colour: bool) -> None:
    told = text.write(bulletin, colour=colour)
    assert unprintable(told) <= ({"\x1b"} if colour else set())
    assert told.endswith("\n")
