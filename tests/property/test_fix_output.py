"""Whatever comes from outside, what a fix tells is printable and as the schema says."""

from __future__ import annotations

import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from mailfix import report
from mailfix.report.fix import document, history, text, undone
from mailfix.report.fix.result import Cure, End, FixResult, Left
from tests.property.test_report_output import FINDING, OUTSIDE, unprintable

FOLDER = Path(report.__file__).parent
SCHEMA = Draft202012Validator(json.loads((FOLDER / "fix.schema.json").read_text("utf-8")))
LINES = st.lists(OUTSIDE.map(lambda line: "+" + line), max_size=80).map(tuple)
CURE = st.builds(
    Cure,
    finding=FINDING,
    summary=OUTSIDE,
    preview=LINES,
    proof=OUTSIDE,
    risk=OUTSIDE,
    manual=OUTSIDE,
    besides=st.lists(OUTSIDE, max_size=2).map(tuple),
)
LEFT = st.builds(Left, finding=FINDING, reason=OUTSIDE, advice=OUTSIDE)
RESULT = st.builds(
    FixResult,
    host=OUTSIDE,
    end=st.sampled_from(End),
    dry_run=st.booleans(),
    transaction=st.none() | st.integers(1, 999),
    applied=st.lists(CURE, max_size=2).map(tuple),
    failed=st.lists(LEFT, max_size=2).map(tuple),
    left=st.lists(LEFT, max_size=2).map(tuple),
    worse=st.lists(FINDING, max_size=2).map(tuple),
    before=st.integers(0, 99),
    after=st.none() | st.integers(0, 99),
    guard_s=st.integers(0, 600),
    reason=OUTSIDE,
    problems=st.lists(OUTSIDE, max_size=2).map(tuple),
    outside=OUTSIDE,
)
UNDONE = st.builds(
    undone.Undone,
    undone=st.integers(1, 99),
    end=st.sampled_from(End),
    transaction=st.none() | st.integers(1, 99),
    reason=OUTSIDE,
    problems=st.lists(OUTSIDE, max_size=2).map(tuple),
    guard_s=st.integers(0, 600),
)
ENTRY = st.builds(
    history.Entry,
    number=st.integers(1, 99),
    started=st.just("2026-11-22T10:00:00Z"),
    state=st.just("applied"),
    titles=st.lists(OUTSIDE, max_size=2).map(tuple),
    undoes=st.none() | st.integers(1, 99),
    steps=st.lists(
        st.builds(history.Step, summary=OUTSIDE, preview=LINES, state=st.just("done")), max_size=2
    ).map(tuple),
    account=OUTSIDE,
)


@given(RESULT)
def test_the_document_of_a_fix_is_as_the_schema_says(result: FixResult) -> None:
    plain = json.loads(document.write(result))
    SCHEMA.validate(plain)
    assert not unprintable(json.dumps(plain, ensure_ascii=False))


@given(RESULT)
def test_the_text_of_a_fix_has_nothing_that_a_terminal_obeys(result: FixResult) -> None:
    assert not unprintable(text.write(result, colour=False))
    for cure in result.applied:
        assert not unprintable(text.offer(cure))
    assert not unprintable(text.summary(result.applied, cuts_off=True))


@given(UNDONE, st.lists(OUTSIDE, max_size=3), st.lists(LINES, max_size=2))
def test_the_text_of_an_undo_has_nothing_that_a_terminal_obeys(
    result: undone.Undone, titles: list[str], previews: list[tuple[str, ...]]
) -> None:
    assert not unprintable(undone.write(result, colour=False))
    assert not unprintable(undone.offer(titles, previews))
    assert not unprintable(undone.drifted([(title, titles) for title in titles]))
    assert json.loads(undone.document(result))["undone"] == result.undone


@given(st.lists(ENTRY, max_size=3))
def test_the_history_has_nothing_that_a_terminal_obeys(entries: list[history.Entry]) -> None:
    assert not unprintable(history.write_list(entries, colour=False))
    for entry in entries:
        assert not unprintable(history.write_entry(entry, colour=False))
    assert len(json.loads(history.document(entries))["transactions"]) == len(entries)
