"""One explanation as a whole, for every way of writing it down."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from mailfix.facts import Listener, MailUser
from mailfix.firewall import Direction, Journey
from mailfix.firewall.cure import Command, ListedSetting
from mailfix.model import Fact, Family, Unknown

SOME = 0.0005
"""Less than this share is neither told as undecided nor missed in "the whole Internet"."""


class Answer(StrEnum):
    OPEN = "open"
    BLOCKED = "blocked"
    UNDECIDED = "undecided"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Asked:
    """What the administrator wants to know.

    ``far`` is the one address that the packets come from or go to; None: the whole Internet.
    """

    direction: Direction
    protocol: str
    port: int
    far: str | None = None


@dataclass(frozen=True, slots=True)
class RemedyStep:
    """One step of a cure; its texts are from outside.

    ``settings`` are made in the files of the rules' ``owner`` first ("" is the administrator),
    then its ``commands`` are run. ``undo`` takes the step back while no later one is made. They
    are empty where they are not known beforehand. ``why_not`` says why no program should do it.
    """

    summary: str
    owner: str = ""
    settings: tuple[ListedSetting, ...] = ()
    commands: tuple[Command, ...] = ()
    undo: tuple[Command, ...] = ()
    why_not: str = ""


@dataclass(frozen=True, slots=True)
class Remedy:
    """The smallest change that opens the port, in the order of its steps.

    An ``automatic`` one opens all of it and changes nothing else; ``why_not`` says, from outside,
    what is wrong with another.
    """

    steps: tuple[RemedyStep, ...]
    automatic: bool
    why_not: str = ""


@dataclass(frozen=True, slots=True)
class Way:
    """What is known about one family.

    ``listeners`` are those of the family on the ports where the packets may arrive, ``sender`` is
    as whom they are sent; None where that does not matter.
    """

    family: Family
    journey: Fact[Journey]
    listeners: Fact[tuple[Listener, ...]] | None = None
    sender: Fact[MailUser] | None = None
    cure: Remedy | None = None

    @property
    def answer(self) -> Answer:
        """Blocked where a broad share of what was asked about is."""
        if isinstance(self.journey, Unknown):
            return Answer.UNKNOWN
        verdict = self.journey.value.verdict
        if verdict.faults:
            return Answer.BLOCKED
        return Answer.UNDECIDED if verdict.undecided_share > SOME else Answer.OPEN


@dataclass(frozen=True, slots=True)
class Explanation:
    """The answer for each family that was asked about; ``started`` is in UTC."""

    version: str
    started: datetime
    duration_s: float
    asked: Asked
    ways: tuple[Way, ...]

    @property
    def answer(self) -> Answer:
        """The worst of the families'."""
        answers = {way.answer for way in self.ways}
        worst_first = (Answer.BLOCKED, Answer.UNKNOWN, Answer.UNDECIDED, Answer.OPEN)
        return next((each for each in worst_first if each in answers), Answer.UNKNOWN)

    @property
    def exit_code(self) -> int:
        """0 open; 1 blocked; 2 undecided or unknown."""
        return {Answer.OPEN: 0, Answer.BLOCKED: 1}.get(self.answer, 2)
