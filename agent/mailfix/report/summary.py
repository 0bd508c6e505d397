"""One audit as a whole, for every way of writing it down."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from mailfix.model import Finding, Status
from mailfix.overview import Overview


def _none() -> Iterator[Finding]:
    return iter(())


@dataclass(frozen=True, slots=True)
class Report:
    """One audit; ``started`` is in UTC, ``duration_s`` in seconds.

    ``findings`` are all but the passes, failures first. Those may be many and are made when they
    are read: ``passed`` is their number, and ``passes`` yields them. ``overview`` is the mail host
    that all of them are about.
    """

    version: str
    host: str
    started: datetime
    duration_s: float
    findings: tuple[Finding, ...]
    passed: int = 0
    passes: Callable[[], Iterator[Finding]] = _none
    overview: Overview = field(default_factory=Overview)

    def of(self, status: Status) -> tuple[Finding, ...]:
        """The findings with a status other than pass."""
        return tuple(finding for finding in self.findings if finding.status is status)

    @property
    def counts(self) -> dict[Status, int]:
        counted = Counter(finding.status for finding in self.findings)
        return {status: counted[status] for status in Status} | {Status.PASS: self.passed}

    @property
    def exit_code(self) -> int:
        """0 nothing wrong; 1 something wrong; 2 nothing wrong, but something not found out."""
        counts = self.counts
        if counts[Status.FAIL]:
            return 1
        return 2 if counts[Status.UNKNOWN] else 0
