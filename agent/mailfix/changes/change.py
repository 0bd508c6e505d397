"""What every change can do, whatever it is about."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import ClassVar, Protocol, Self, runtime_checkable


class Failed(Exception):
    """A change could not be made or does not show; its text is one line for the administrator."""


class Drift(Failed):
    """The present is neither what the change was made for nor what it makes."""


class Untouched(Drift):
    """A drift that was found before the change did anything: nothing of it is to be taken back."""


class Present(StrEnum):
    """The present held against a change.

    ``PARTLY`` is a change whose making was interrupted: what is there is its own doing and no one
    else's.
    """

    BEFORE = "before"
    AFTER = "after"
    PARTLY = "partly"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Seen:
    """``difference`` shows, line by line, what is there instead, for ``OTHER`` alone."""

    present: Present
    difference: tuple[str, ...] = ()


class Place(IntEnum):
    """The order in which changes are made; they are taken back the other way round.

    A server must take note of its files after they have changed, whichever way they change: so
    its restart stands at both ends, where it acts on the way forth or on the way back alone.

    A boot gives the kernel the name that /etc/hostname holds. So the name comes before the files:
    wherever a crash comes between the two, the recovery knows of it.

    A record in DNS comes before everything: no server signs with a key that is not published yet,
    and a name server that keeps silent delays the way back of nothing else.
    """

    RECORD_SET = 0
    RESTART_ON_THE_WAY_BACK = 1
    HOST_NAME = 2
    FILE = 3
    FIREWALL = 4
    UNIT = 5
    RESTART = 6


class Change(Protocol):
    """One change of the host, as it is written to the journal.

    Implementations are frozen dataclasses of plain values, so that
    :mod:`mailfix.changes.codec` can write and read them. All that stands in them may come from
    outside: escape it where it is printed.
    """

    kind: ClassVar[str]
    """Its name in the journal."""

    survives_boot: ClassVar[bool]
    """False for what lives in the kernel or in a process alone: a reboot takes it back."""

    @property
    def place(self) -> Place:
        """When it is made, among others."""

    @property
    def slot(self) -> str:
        """What it is about: of several changes of one slot in a transaction one is made."""

    def followed_by(self, later: Self) -> Self:
        """This and a later change of the same slot, as one."""

    @property
    def cuts_off(self) -> bool:
        """Whether it can cut the administrator's own connection."""

    @property
    def inverse(self) -> Self:
        """What takes it back."""

    def describe(self) -> str:
        """What it does, in one line, as an order: ``restart exim4``."""

    def preview(self) -> tuple[str, ...]:
        """What it does, as the lines of a unified diff or the commands that are run."""

    def look(self, *, interrupted: bool = False) -> Seen:
        """Look at the present.

        ``interrupted``: the change was begun and not finished, so that a state between the two is
        its own (``PARTLY``). Raises Failed where the present cannot be found out.
        """

    def make(self) -> None:
        """Make it, whether nothing, a part or all of it is made already; raises Failed or Drift.

        It need not be atomic, but making it again after an interruption must do. What an
        interrupted attempt left lying about is tidied up.
        """

    def verify(self) -> None:
        """Hold the world against what was planned; raises Failed."""


@runtime_checkable
class Forcible(Protocol):
    """A change that can be made whatever somebody else has made of its subject since."""

    @property
    def handle(self) -> str:
        """What the administrator names it by."""

    def force(self) -> None:
        """Make it whatever is there now; raises Failed."""

    def from_the_present(self, *, forced: bool) -> Self:
        """The same, made of what is there now where that is as expected, or where ``forced``.

        Raises Failed.
        """
