"""What a door is given, and what it says became of a report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from mailfix.report.bulletin import Bulletin
from mailfix.report_settings import ReportSettings

Outcome: TypeAlias = Literal["delivered", "skipped", "failed"]
STATE_FOLDER = "/var/lib/mailfix"


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of a report at one door.

    ``skipped`` is a door that is shut, or that had nothing to tell. ``detail`` says where it went
    or what is in the way, in words; it may come from outside and is not escaped.
    """

    door: str
    outcome: Outcome
    detail: str


@dataclass(frozen=True, slots=True)
class Places:
    """Where the doors of this host are; ``journal`` is the socket of systemd-journald(8)."""

    state: str = STATE_FOLDER
    journal: str = "/run/systemd/journal/socket"

    @property
    def page(self) -> str:
        return f"{self.state}/reports/latest.html"

    @property
    def outbox(self) -> str:
        return f"{self.state}/outbox"

    @property
    def unsent(self) -> str:
        """What the webhook did not take."""
        return f"{self.state}/unsent"


THIS_HOST = Places()


@dataclass(frozen=True, slots=True)
class Errand:
    """One report on its way, with what became of it at the doors before."""

    bulletin: Bulletin
    settings: ReportSettings
    places: Places
    before: tuple[Delivery, ...] = ()


Door: TypeAlias = Callable[[Errand], Delivery]
"""Bounded in time; an OSError that it raises means that it failed."""
