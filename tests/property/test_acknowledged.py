"""Whatever is asked to be ignored, or stands in the file of it, is understood or refused."""

from __future__ import annotations

import json
import tempfile
from datetime import date
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from mailfix.acknowledged.book import Book, Damaged
from mailfix.acknowledged.request import LONGEST, read_request
from mailfix.comparison.acknowledgement import Acknowledgement
from mailfix.model import Refusal
from mailfix.report.news.acknowledged import told, write_list
from tests.property.hostile import ANY_TEXT, text_of
from tests.property.test_comparison import PLAIN
from tests.rules.cases import book as shipped

TODAY = date(2026, 11, 23)
NAMES = st.sampled_from(["ptr-generic", "mx-alias", "hostname-not-qualified"]) | ANY_TEXT
SUBJECTS = st.lists(text_of("family=ipv4", "mx=", "domain=", "=", "a.example"), max_size=3)
UNTIL = text_of("2026", "-", "11", "30", "d", "w") | st.dates().map(str)


@given(NAMES, SUBJECTS, st.none() | UNTIL, st.none() | ANY_TEXT)
def test_a_request_is_understood_or_refused(
    name: str, subject: list[str], until: str | None, why: str | None
) -> None:
    try:
        asked = read_request(name, subject, until, why, rules=shipped(), today=TODAY)
    except Refusal:
        return
    assert TODAY <= asked.until <= TODAY + LONGEST
    assert told(asked).isprintable()


@given(
    st.lists(
        st.builds(
            Acknowledgement, ANY_TEXT, st.dictionaries(ANY_TEXT, ANY_TEXT), st.dates(), ANY_TEXT
        )
    )
)
def test_what_is_written_is_read_again_and_listed_harmlessly(
    entries: list[Acknowledgement],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        book = Book(str(Path(folder) / "acknowledged.json"))
        book.write(entries)
        assert list(book.read()) == entries
    assert all(line.isprintable() for line in write_list(entries, TODAY).splitlines())


ENTRY = st.fixed_dictionaries(
    {}, optional={"rule": PLAIN, "subject": PLAIN, "until": PLAIN, "why": PLAIN}
)
CONTENT = PLAIN | st.fixed_dictionaries(
    {"schema": st.just("mailfix.acknowledged/1"), "entries": st.lists(ENTRY, max_size=2) | PLAIN}
)


@given(CONTENT.map(json.dumps) | ANY_TEXT)
def test_any_file_is_read_or_called_damaged(text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "acknowledged.json"
        file.write_bytes(text.encode("utf-8", "surrogatepass"))
        try:
            found = Book(str(file)).read()
        except Damaged:
            return
    assert all(each.holds_on(each.until) for each in found)
