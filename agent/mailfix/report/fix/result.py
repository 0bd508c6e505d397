"""What a fix did, for every way of writing it down."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from mailfix.model import Finding


@dataclass(frozen=True, slots=True)
class Cure:
    """What is done about a finding; ``preview`` holds the lines of the difference."""

    finding: Finding
    summary: str
    preview: tuple[str, ...]
    proof: str
    risk: str
    manual: str = ""
    besides: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Left:
    """A failure that stays: why, and what the administrator can do."""

    finding: Finding
    reason: str
    advice: str = ""


class End(StrEnum):
    """How it ended; ``UNTOUCHED``: nothing was begun."""

    UNTOUCHED = "untouched"
    MADE = "made"
    TAKEN_BACK = "taken back"
    STUCK = "stuck"


@dataclass(frozen=True, slots=True)
class FixResult:
    """``applied`` are cured by the audit after it, ``failed`` were chosen and are not.

    ``transaction`` is None where nothing was begun. ``guard_s`` is the time in seconds after which
    it is taken back unless it is confirmed, 0 where that is not so (any more). ``before`` and
    ``after`` count the failures. ``worse`` are failures that were not there before.
    """

    host: str
    end: End
    dry_run: bool = False
    transaction: int | None = None
    applied: tuple[Cure, ...] = ()
    failed: tuple[Left, ...] = ()
    left: tuple[Left, ...] = ()
    worse: tuple[Finding, ...] = ()
    before: int = 0
    after: int | None = None
    guard_s: int = 0
    reason: str = ""
    problems: tuple[str, ...] = ()
    outside: str = ""

    @property
    def exit_code(self) -> int:
        """0 all that was chosen is applied and verified; 1 something is left."""
        unharmed = self.end in (End.MADE, End.UNTOUCHED) and not self.failed
        return 0 if unharmed and not self.left and not self.worse else 1
