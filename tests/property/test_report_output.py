"""Whatever comes from outside, the reports are printable, bounded and as the schema says."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from mailfix.model import Finding, FixOffer, Part, Severity, Status
from mailfix.predicates.reverse import is_generic
from mailfix.report import document, text
from mailfix.report.escape import clip, escape
from mailfix.report.html import page
from mailfix.report.summary import Report
from tests.property.hostile import ANY_TEXT, text_of

SCHEMA = Draft202012Validator(json.loads(document.SCHEMA_FILE.read_text("utf-8")))
OUTSIDE = text_of("\x1b[31m", "\r", "\n", "\x07", "\x9b", "\u202e", "220 mail", "\t", "x" * 300)
SAID = OUTSIDE.map(lambda outside: "heard: " + outside)
RULE = st.sampled_from(["ptr-missing", "banner-mismatch", "smtp-not-listening"])
FINDING = st.builds(
    Finding,
    rule=RULE,
    title=st.just("A title"),
    status=st.sampled_from(Status),
    severity=st.sampled_from(Severity),
    subject=st.dictionaries(st.sampled_from(["port", "address", "helo"]), OUTSIDE),
    message=SAID,
    why=st.just("It matters."),
    part=st.sampled_from(Part),
    evidence=st.lists(OUTSIDE, max_size=20).map(tuple),
    advice=st.none() | SAID,
    fix=st.none()
    | st.builds(FixOffer, action=st.just("open-port"), automatic=st.booleans(), preview=SAID),
)
REPORT = st.builds(
    Report,
    version=st.just("0.1.0"),
    host=OUTSIDE,
    started=st.just(datetime(2026, 11, 22, 10, tzinfo=UTC)),
    duration_s=st.floats(0, 10),
    findings=st.lists(FINDING, max_size=4).map(tuple),
)


def unprintable(text: str) -> set[str]:
    return {character for character in text if not (character.isprintable() or character == "\n")}


@given(ANY_TEXT)
def test_escaped_text_is_printable_in_one_line(outside: str) -> None:
    shown = escape(outside)
    assert shown.isprintable()
    assert len(shown) <= 10 * len(outside)
    shown.encode("utf-8")


@given(st.text().filter(str.isprintable))
def test_what_is_printable_stays_as_it_is(outside: str) -> None:
    assert escape(outside) == outside


@given(ANY_TEXT, st.integers(1, 50))
def test_clipped_text_is_no_longer_than_asked(outside: str, limit: int) -> None:
    assert len(clip(outside, limit)) <= limit
    assert clip(outside, len(outside)) == outside


@given(REPORT, st.booleans())
def test_the_text_report_has_no_control_characters(report: Report, every: bool) -> None:
    shown = text.write(report, every=every, colour=False)
    assert unprintable(shown) == set()
    shown.encode("utf-8")
    assert shown.endswith("\n")


@given(REPORT)
def test_colour_adds_nothing_but_colour(report: Report) -> None:
    shown = text.write(report, every=True, colour=True)
    for code in ("0", "1", "31", "32", "33", "36"):
        shown = shown.replace(f"\x1b[{code}m", "")
    assert shown == text.write(report, every=True, colour=False)


@settings(max_examples=25, deadline=None)
@given(REPORT)
def test_the_page_is_valid_html_whatever_was_heard(report: Report) -> None:
    import html5lib

    whole = page.write(report)
    html5lib.HTMLParser(strict=True).parse(whole)
    assert unprintable(whole) == set()


@given(REPORT)
def test_the_document_is_as_the_schema_says_and_printable(report: Report) -> None:
    written = "".join(document.write(report))
    told = json.loads(written)
    SCHEMA.validate(told)
    assert unprintable(written) == set()
    assert [finding["rule"] for finding in told["findings"]] == [
        finding.rule for finding in report.findings
    ]
    hidden = [
        *(finding["message"] for finding in told["findings"]),
        *(line for finding in told["findings"] for line in finding["evidence"]),
        *(str(value) for finding in told["findings"] for value in finding["subject"].values()),
    ]
    assert all(each.isprintable() for each in hidden)


@given(text_of("203", "113", "10", "-", ".", "static", "pool"), st.ip_addresses())
def test_a_name_is_generic_or_not(name: str, address: object) -> None:
    assert is_generic(name, str(address)) in (True, False)


@given(st.ip_addresses(v=4), st.sampled_from([".", "-", "_"]), st.booleans())
def test_a_name_made_from_its_address_is_generic(
    address: object, separator: str, backwards: bool
) -> None:
    octets = str(address).split(".")
    if backwards:
        octets.reverse()
    assert is_generic(f"host{separator}{separator.join(octets)}.isp.example.net", str(address))
