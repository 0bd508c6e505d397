"""The findings of a report in the order of the page, as many as a page can hold."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby, islice
from typing import TypeVar

from mailfix.model import Finding, FixOffer, Status
from mailfix.report.advice import Paragraph, paragraphs
from mailfix.report.escape import clip, escape
from mailfix.report.html.anchors import Anchors
from mailfix.report.html.limits import Limits
from mailfix.report.html.marks import Mark, mark_of
from mailfix.report.summary import Report
from mailfix.report.wrapping import MAX_LINE

T = TypeVar("T")

MAX_ADVICE_LENGTH = 8000
"""Longer advice is left out: cut short, its records would be wrong."""


@dataclass(frozen=True, slots=True)
class Listed:
    """One line of a list; ``anchor`` is its own, or where more is told of it."""

    text: str
    anchor: str = ""


@dataclass(frozen=True, slots=True)
class Repair:
    """What ``mailfix fix`` can do."""

    text: str
    automatic: bool


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
    fixes: tuple[Repair, ...]
    advice: tuple[tuple[Paragraph, ...], ...]
    more_advice: int


@dataclass(frozen=True, slots=True)
class Doubt:
    """What was not found out for one reason."""

    anchor: str
    reason: str
    evidence: tuple[str, ...]
    rules: str


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


def sections(report: Report, limits: Limits, anchors: Anchors) -> Sections:
    """List what the report found, and enter where each finding is told."""
    failures = groupby(report.of(Status.FAIL), lambda finding: finding.rule)
    cards = tuple(
        _card(number, list(group), limits, anchors) for number, (_, group) in enumerate(failures, 1)
    )
    doubts, more_doubts = _doubts(report, limits, anchors)
    ignored = report.of(Status.IGNORED)
    passes = tuple(_line(each.message) for each in islice(report.passes(), limits.others))
    return Sections(
        cards=cards,
        doubts=doubts,
        more_doubts=more_doubts,
        ignored=tuple(_ignored(ignored, limits, anchors)),
        more_ignored=max(0, len(ignored) - limits.others),
        passes=passes,
        more_passes=max(0, report.passed - len(passes)),
    )


def _card(number: int, failures: list[Finding], limits: Limits, anchors: Anchors) -> Card:
    first, shown = failures[0], failures[: limits.of_a_rule]
    anchor = f"rule-{number}"
    for place, failure in enumerate(failures, 1):
        anchors.put(failure, f"{anchor}-{place}" if place <= len(shown) else anchor)
    evidence = _distinct(line for finding in shown for line in finding.evidence)
    advice = _distinct(finding.advice for finding in shown if finding.advice)
    told = [text for text in advice if len(text) <= MAX_ADVICE_LENGTH][: limits.advice]
    return Card(
        anchor=anchor,
        mark=mark_of(first),
        rule=first.rule,
        title=first.title,
        severity=first.severity.value,
        why=first.why,
        failures=tuple(Listed(_line(each.message), anchors.of(each)) for each in shown),
        more=len(failures) - len(shown),
        evidence=tuple(_line(line) for line in evidence[: limits.evidence]),
        more_evidence=max(0, len(evidence) - limits.evidence),
        fixes=tuple(_distinct(_repair(finding.fix) for finding in shown if finding.fix)),
        advice=tuple(tuple(paragraphs(text)) for text in told),
        more_advice=len(advice) - len(told),
    )


def _line(text: str) -> str:
    return clip(escape(text), MAX_LINE)


def _repair(fix: FixOffer) -> Repair:
    return Repair(_line(fix.preview), fix.automatic)


def _distinct(things: Iterable[T]) -> list[T]:
    return list(dict.fromkeys(things))


def _doubts(report: Report, limits: Limits, anchors: Anchors) -> tuple[tuple[Doubt, ...], int]:
    """Checks that share a reason are told together."""
    together: dict[str, list[Finding]] = {}
    for finding in report.of(Status.UNKNOWN):
        together.setdefault(finding.message, []).append(finding)
    doubts = []
    for number, (reason, findings) in enumerate(together.items(), 1):
        anchor = f"unknown-{number}" if number <= limits.unknown else "unknown"
        for finding in findings:
            anchors.put(finding, anchor)
        rules = ", ".join(_distinct(finding.rule for finding in findings))
        evidence = tuple(_line(line) for line in findings[0].evidence[: limits.evidence])
        doubts.append(Doubt(anchor, _line(reason), evidence, rules))
    return tuple(doubts[: limits.unknown]), max(0, len(doubts) - limits.unknown)


def _ignored(findings: tuple[Finding, ...], limits: Limits, anchors: Anchors) -> Iterator[Listed]:
    for finding in findings:
        anchors.put(finding, "ignored")
    for finding in findings[: limits.others]:
        yield Listed(_line(finding.message))
