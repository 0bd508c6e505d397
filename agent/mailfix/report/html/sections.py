"""The findings of a report in the order of the page, as many as a page can hold."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby, islice
from typing import TypeVar

from mailfix.comparison.news import News, Standing
from mailfix.model import Finding, FixOffer, Status, Subject
from mailfix.report.advice import Paragraph, paragraphs
from mailfix.report.escape import clip, escape
from mailfix.report.html.marks import Mark, mark_of, mark_of_severity
from mailfix.report.summary import Report

T = TypeVar("T")

MAX_OF_A_RULE = 12
MAX_EVIDENCE = 12
MAX_ADVICE = 4
MAX_ADVICE_LENGTH = 6000
MAX_UNKNOWN = 24
MAX_IGNORED = 50
MAX_NEWS = 25
MAX_PASSES = 200
MAX_LINE = 400


@dataclass(frozen=True, slots=True)
class Listed:
    """One line of a list; ``anchor`` is its own, or where more is told of it."""

    text: str
    anchor: str = ""


@dataclass(frozen=True, slots=True)
class Card:
    """The failures of one rule: each in a line, and what they have in common once."""

    anchor: str
    mark: Mark
    rule: str
    title: str
    severity: str
    why: str
    failures: tuple[Listed, ...]
    more: int
    evidence: tuple[str, ...]
    more_evidence: int
    fixes: tuple[FixOffer, ...]
    advice: tuple[tuple[Paragraph, ...], ...]


@dataclass(frozen=True, slots=True)
class Doubt:
    """What was not found out for one reason."""

    anchor: str
    reason: str
    evidence: tuple[str, ...]
    rules: str


@dataclass(frozen=True, slots=True)
class Turn:
    """One failure in the news; ``days`` are whole ones between ``since`` and the report."""

    mark: Mark
    title: str
    text: str
    since: datetime
    days: int
    doubt: str
    anchor: str


@dataclass(frozen=True, slots=True)
class Chapter:
    """One kind of news."""

    kind: str
    heading: str
    turns: tuple[Turn, ...]
    more: int


@dataclass(frozen=True, slots=True)
class Sections:
    """What a page lists."""

    cards: tuple[Card, ...]
    doubts: tuple[Doubt, ...]
    more_doubts: int
    ignored: tuple[Listed, ...]
    more_ignored: int
    passes: tuple[str, ...]
    more_passes: int


class Anchors:
    """Where on the page each finding is told."""

    def __init__(self) -> None:
        self._of: dict[tuple[str, tuple[tuple[str, str | int], ...]], str] = {}

    def put(self, finding: Finding, anchor: str) -> None:
        self._of[_identity(finding.rule, finding.subject)] = anchor

    def of(self, finding: Finding | Standing) -> str:
        """The anchor; "" where the page does not tell it."""
        return self._of.get(_identity(finding.rule, finding.subject), "")


def _identity(rule: str, subject: Subject) -> tuple[str, tuple[tuple[str, str | int], ...]]:
    return rule, tuple(sorted(subject.items()))


def sections(report: Report, anchors: Anchors) -> Sections:
    """List what the report found, and enter where each finding is told."""
    failures = groupby(report.of(Status.FAIL), lambda finding: finding.rule)
    cards = tuple(
        _card(number, list(group), anchors) for number, (_, group) in enumerate(failures, 1)
    )
    doubts, more_doubts = _doubts(report, anchors)
    ignored = report.of(Status.IGNORED)
    passes = tuple(_line(each.message) for each in islice(report.passes(), MAX_PASSES))
    return Sections(
        cards=cards,
        doubts=doubts,
        more_doubts=more_doubts,
        ignored=tuple(_ignored(ignored, anchors)),
        more_ignored=max(0, len(ignored) - MAX_IGNORED),
        passes=passes,
        more_passes=max(0, report.passed - len(passes)),
    )


def _card(number: int, failures: list[Finding], anchors: Anchors) -> Card:
    first, shown = failures[0], failures[:MAX_OF_A_RULE]
    anchor = f"rule-{number}"
    for place, failure in enumerate(failures):
        own = f"{anchor}-{place + 1}" if place < MAX_OF_A_RULE else anchor
        anchors.put(failure, own)
    evidence = _distinct(line for finding in shown for line in finding.evidence)
    advice = _distinct(finding.advice for finding in shown if finding.advice)
    return Card(
        anchor=anchor,
        mark=mark_of(first),
        rule=first.rule,
        title=first.title,
        severity=first.severity.value,
        why=first.why,
        failures=tuple(Listed(_line(each.message), anchors.of(each)) for each in shown),
        more=len(failures) - len(shown),
        evidence=tuple(_line(line) for line in evidence[:MAX_EVIDENCE]),
        more_evidence=max(0, len(evidence) - MAX_EVIDENCE),
        fixes=tuple(_distinct(finding.fix for finding in shown if finding.fix)),
        advice=tuple(tuple(paragraphs(_clipped(text))) for text in advice[:MAX_ADVICE]),
    )


def _line(text: str) -> str:
    return clip(escape(text), MAX_LINE)


def _clipped(advice: str) -> str:
    return clip(advice, MAX_ADVICE_LENGTH)


def _distinct(things: Iterable[T]) -> list[T]:
    return list(dict.fromkeys(things))


def _doubts(report: Report, anchors: Anchors) -> tuple[tuple[Doubt, ...], int]:
    """Checks that share a reason are told together."""
    together: dict[str, list[Finding]] = {}
    for finding in report.of(Status.UNKNOWN):
        together.setdefault(finding.message, []).append(finding)
    doubts = []
    for number, (reason, findings) in enumerate(together.items(), 1):
        anchor = f"unknown-{number}" if number <= MAX_UNKNOWN else "unknown"
        for finding in findings:
            anchors.put(finding, anchor)
        rules = ", ".join(_distinct(finding.rule for finding in findings))
        evidence = tuple(_line(line) for line in findings[0].evidence[:MAX_EVIDENCE])
        doubts.append(Doubt(anchor, _line(reason), evidence, rules))
    return tuple(doubts[:MAX_UNKNOWN]), max(0, len(doubts) - MAX_UNKNOWN)


def _ignored(findings: tuple[Finding, ...], anchors: Anchors) -> Iterator[Listed]:
    for finding in findings:
        anchors.put(finding, "ignored")
    for finding in findings[:MAX_IGNORED]:
        yield Listed(_line(finding.message))


def chapters(news: News, now: datetime, anchors: Anchors) -> tuple[Chapter, ...]:
    """The news that there are; ``now`` is the report's own time."""
    kinds = (
        ("new", "New", news.new),
        ("better", "Better", news.better),
        ("still", "Still there", news.still),
        ("wavering", "Comes and goes", news.wavering),
        ("unclear", "Can no longer be told", news.unclear),
    )
    return tuple(
        Chapter(
            kind,
            heading,
            tuple(_turn(each, kind, now, anchors) for each in standings[:MAX_NEWS]),
            max(0, len(standings) - MAX_NEWS),
        )
        for kind, heading, standings in kinds
        if standings
    )


def _turn(standing: Standing, kind: str, now: datetime, anchors: Anchors) -> Turn:
    return Turn(
        mark=_TURNED.get(kind) or mark_of_severity(standing.severity),
        title=standing.title,
        text=_line(standing.message),
        since=standing.since,
        days=max(0, (now - standing.since).days),
        doubt=_line(standing.doubt or ""),
        anchor=anchors.of(standing),
    )


_TURNED = {"better": Mark.FINE, "unclear": Mark.UNKNOWN}
