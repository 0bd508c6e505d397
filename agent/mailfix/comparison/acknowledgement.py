"""Findings that the administrator knows of and has taken for a while."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from mailfix.model import Subject


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """``rule``'s findings whose subject has all of ``subject`` are as wanted through ``until``.

    ``until`` is the last day (local time) that it holds. An empty ``subject`` is every subject of
    the rule.
    """

    rule: str
    subject: Subject
    until: date
    why: str

    def holds_on(self, day: date) -> bool:
        """Whether it has not ended yet."""
        return day <= self.until

    @property
    def entry(self) -> Subject:
        """What the audit ignores."""
        return {**self.subject, "rule": self.rule}
