"""Where on the page each finding is told, by its rule and subject."""

from __future__ import annotations

from mailfix.comparison.news import Standing
from mailfix.model import Finding, Subject


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
