"""How a finding is marked, by shape and by word as well as by colour."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from mailfix.model import Finding, Severity, Status


class Mark(StrEnum):
    """The worst first. ``IDLE`` is not in use, or not published, and nothing is wrong with that."""

    BROKEN = "broken"
    WEAK = "weak"
    UNKNOWN = "unknown"
    IGNORED = "ignored"
    FINE = "fine"
    IDLE = "idle"

    @property
    def label(self) -> str:
        """The mark in words, for the legend and for those who do not see it."""
        return LABELS[self]


LABELS = {
    Mark.BROKEN: "broken",
    Mark.WEAK: "needs attention",
    Mark.UNKNOWN: "not found out",
    Mark.IGNORED: "ignored by choice",
    Mark.FINE: "nothing wrong",
    Mark.IDLE: "not in use",
}
ORDER = tuple(Mark)
NOTHING_WRONG = "nothing wrong was found here"


@dataclass(frozen=True, slots=True)
class Sign:
    """A mark at a place: what it is about, in words from outside, and where that is told."""

    mark: Mark
    text: str
    anchor: str = ""


def fine() -> Sign:
    """What is marked where nothing else is told."""
    return Sign(Mark.FINE, NOTHING_WRONG)


def mark_of(finding: Finding) -> Mark:
    """The mark of one finding."""
    match finding.status:
        case Status.FAIL:
            return mark_of_severity(finding.severity)
        case Status.UNKNOWN:
            return Mark.UNKNOWN
        case Status.IGNORED:
            return Mark.IGNORED
        case Status.PASS:
            return Mark.FINE


def mark_of_severity(severity: Severity) -> Mark:
    """The mark of a failure."""
    return Mark.BROKEN if severity in (Severity.CRITICAL, Severity.ERROR) else Mark.WEAK


def worst(signs: list[Sign]) -> Sign | None:
    """The first of the worst; ``None`` of none."""
    return min(signs, key=lambda sign: ORDER.index(sign.mark), default=None)
