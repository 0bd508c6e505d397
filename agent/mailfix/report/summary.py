"""One audit as a whole, for every way of writing it down."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime

from mailfix.model import Finding, Status


@dataclass(frozen=True, slots=True)
class Report:
    """The findings of one audit; ``started`` is in UTC, ``duration_s`` in seconds."""

    version: str
    host: str
    started: datetime
    duration_s: float
    findings: tuple[Finding, ...]

    def of(self, status: Status) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.status is status)

    @property
    def counts(self) -> dict[Status, int]:
        counted = Counter(finding.status for finding in self.findings)
        return {status: counted[status] for status in Status}

    @property
    def exit_code(self) -> int:
        """0 nothing wrong; 1 something wrong; 2 nothing wrong, but something not found out."""
        counts = self.counts
        if counts[Status.FAIL]:
            return 1
        return 2 if counts[Status.UNKNOWN] else 0
