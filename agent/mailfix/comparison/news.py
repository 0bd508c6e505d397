"""What one audit says that the one before did not."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from mailfix.model import Finding, Severity, Subject

MAX_MESSAGE = 600


@dataclass(frozen=True, slots=True)
class Standing:
    """One failure as it stands; ``rule`` and ``subject`` identify it from run to run.

    ``since`` (UTC) is the start of the first audit that found it; what was only unknown or not
    judged meanwhile goes on. ``message`` is of the audit that found it last, from outside, cut and
    not escaped. ``doubt`` is ``None`` where today's audit found it, and otherwise what that says
    instead: why it could not tell, or that it passes.
    """

    rule: str
    title: str
    severity: Severity
    subject: Subject
    message: str
    since: datetime
    doubt: str | None = None


def standing_of(finding: Finding, since: datetime) -> Standing:
    """A finding as it stands since then."""
    return Standing(
        rule=finding.rule,
        title=finding.title,
        severity=finding.severity,
        subject=dict(finding.subject),
        message=finding.message[:MAX_MESSAGE],
        since=since,
    )


@dataclass(frozen=True, slots=True)
class News:
    """The failures of one audit, set against those of the audits before.

    ``new`` and ``better`` are told for the first time. ``still`` was told before. ``wavering``
    comes and goes: it is told again as new or better once it has lasted. ``unclear`` are checks
    that could not be made for some runs in a row, and failures of which no rule spoke for longer,
    told once. Each worst first.
    """

    new: tuple[Standing, ...] = ()
    better: tuple[Standing, ...] = ()
    still: tuple[Standing, ...] = ()
    wavering: tuple[Standing, ...] = ()
    unclear: tuple[Standing, ...] = ()

    @property
    def is_change(self) -> bool:
        """Whether there is something that an administrator has not been told."""
        return bool(self.new or self.better or self.unclear)
