"""Whatever the audits find from run to run, nothing is told twice, and unknown is never better."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailfix.comparison.codec import Unreadable, decode, encode
from mailfix.comparison.compare import compare
from mailfix.comparison.following import UNJUDGED_RUNS
from mailfix.comparison.news import News
from mailfix.comparison.records import Standings
from mailfix.comparison.sighting import Today
from mailfix.model import Finding, Part, Severity, Status
from tests.property.hostile import ANY_TEXT

START = datetime(2026, 11, 1, tzinfo=UTC)
SUBJECTS = ({"domain": "a.example", "mx": "mx"}, {"domain": "b.example", "mx": "mx"})
Run: TypeAlias = Sequence[Status | None]
"""For each of SUBJECTS what the rule says of it; None is silence."""
RUNS = st.lists(
    st.tuples(*[st.none() | st.sampled_from(Status) for _ in SUBJECTS]), min_size=1, max_size=40
)
STEADY = st.integers(1, 4)


def found(run: Run, message: str = "in words") -> tuple[Finding, ...]:
    return tuple(
        Finding("mx-alias", "A title", status, Severity.ERROR, subject, message, "", Part.DNS)
        for status, subject in zip(run, SUBJECTS, strict=True)
        if status is not None
    )


def audited(number: int, findings: tuple[Finding, ...]) -> Today:
    def passes(rules: Collection[str]) -> Iterator[Finding]:
        return (each for each in findings if each.status is Status.PASS and each.rule in rules)

    others = tuple(each for each in findings if each.status is not Status.PASS)
    return Today(START + timedelta(days=number), others, passes)


def history(runs: Sequence[Run], steady_runs: int) -> Iterator[tuple[Run, News]]:
    kept = Standings()
    for number, run in enumerate(runs):
        kept, news = compare(kept, audited(number, found(run)), steady_runs)
        yield run, news


def under(news: News, at: int) -> set[str]:
    """The headings under which one of SUBJECTS stands."""
    headings = ("new", "better", "still", "wavering")
    return {
        name
        for name in headings
        if any(each.subject == SUBJECTS[at] for each in getattr(news, name))
    }


@given(RUNS, STEADY)
def test_nothing_is_new_twice_without_being_better_in_between(
    runs: list[Run], steady_runs: int
) -> None:
    for at in range(len(SUBJECTS)):
        told, silent = False, 0
        for run, news in history(runs, steady_runs):
            silent = silent + 1 if run[at] is None else 0
            headings = under(news, at)
            assert len(headings) <= 1
            assert not (told and "new" in headings)
            assert told or not headings & {"better", "still"}
            told = (told or "new" in headings) and "better" not in headings
            told = told and run[at] is not Status.IGNORED and silent <= UNJUDGED_RUNS


@given(RUNS, STEADY)
def test_better_needs_a_pass_and_new_a_failure(runs: list[Run], steady_runs: int) -> None:
    for run, news in history(runs, steady_runs):
        for at, status in enumerate(run):
            headings = under(news, at)
            assert "better" not in headings or status is Status.PASS
            assert "new" not in headings or status is Status.FAIL
            assert status is not Status.FAIL or headings & {"new", "still", "wavering"}


@given(RUNS, STEADY, st.lists(ANY_TEXT, min_size=1))
def test_the_text_of_a_finding_changes_nothing(
    runs: list[Run], steady_runs: int, texts: list[str]
) -> None:
    kept = Standings()
    for number, (run, news) in enumerate(history(runs, steady_runs)):
        today = audited(number, found(run, texts[number % len(texts)]))
        kept, otherwise = compare(kept, today, steady_runs)
        assert all(under(news, at) == under(otherwise, at) for at in range(len(SUBJECTS)))


@given(RUNS, STEADY, ANY_TEXT)
def test_what_is_kept_survives_as_json(runs: list[Run], steady_runs: int, text: str) -> None:
    kept = Standings()
    for number, run in enumerate(runs):
        kept, _ = compare(kept, audited(number, found(run, text)), steady_runs)
        assert decode(json.loads(json.dumps(encode(kept)))) == kept


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
(KEPT, _) = compare(Standings(), audited(0, found((Status.FAIL, Status.UNKNOWN))), 2)


@given(PLAIN)
def test_what_is_not_of_our_making_is_called_so(content: object) -> None:
    with pytest.raises(Unreadable):
        decode(content)


@given(st.data())
def test_one_damaged_value_is_read_or_called_so(data: st.DataObject) -> None:
    content = encode(KEPT)
    entry = data.draw(st.sampled_from([content["failures"][0], content["doubts"][0]]))
    entry[data.draw(st.sampled_from(sorted(entry)))] = data.draw(PLAIN)
    try:
        decoded = decode(content)
    except Unreadable:
        return
    compare(decoded, audited(1, found((Status.UNKNOWN, Status.PASS))), 2)
    assert decode(encode(decoded)) == decoded
