"""What was left of a set at many moments, none of them written out before somebody asks.

Thousands of rules that cannot be decided each concern all the addresses that are still on their
way. Written out that would be thousands of bounds for each rule; but the later ones lie within
the earlier ones, and what has been taken out in between tells them apart.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

from mailfix.firewall.addresses import NOWHERE, AddressSet


class Log:
    """What a set began as, and the parts of it that have been ``taken`` out since, in order."""

    __slots__ = ("start", "taken")

    def __init__(self, start: AddressSet) -> None:
        self.start = start
        self.taken: list[AddressSet] = []


class Snapshot:
    """What a set holds now, with all that its ``log`` tells taken out; never nothing."""

    __slots__ = ("_written", "log", "moment")

    def __init__(self, log: Log, written: AddressSet | None = None) -> None:
        self.log = log
        self.moment = len(log.taken)
        self._written = written

    def written(self) -> AddressSet:
        """The addresses, in n log n when they are asked for first."""
        if self._written is None:
            gone = AddressSet.union_of(self.log.taken[: self.moment])
            self._written = self.log.start - gone
        return self._written

    def beyond(self, later: Snapshot) -> AddressSet:
        """What has been taken out before ``later``, which is of the same log."""
        return AddressSet.union_of(self.log.taken[self.moment : later.moment])

    def __sub__(self, other: AddressSet) -> Found:
        return self.written() - other if other else self


Found: TypeAlias = AddressSet | Snapshot
"""The addresses that a rule concerns: some, or all that are left at the moment."""


def written(found: Found) -> AddressSet:
    return found.written() if isinstance(found, Snapshot) else found


def origin(found: Found) -> int:
    """The same for the snapshots of one log, and for the very same set."""
    return id(found.log if isinstance(found, Snapshot) else found)


def united(several: Iterable[Found]) -> AddressSet:
    """The union, in n log n: of the snapshots of one log the first holds the others."""
    widest: dict[int, Found] = {}
    for found in several:
        known = widest.setdefault(origin(found), found)
        if isinstance(found, Snapshot) and isinstance(known, Snapshot):
            widest[origin(found)] = min(known, found, key=lambda each: each.moment)
    return AddressSet.union_of(written(each) for each in widest.values())


class Backwards:
    """Goes from the last of what was found to the first, so that each costs what is new in it."""

    def __init__(self) -> None:
        self._later: dict[int, Found] = {}

    def news(self, found: Found) -> AddressSet:
        """What ``found`` holds beyond those of the same origin that came before in this order."""
        later = self._later.get(origin(found))
        self._later[origin(found)] = found
        if isinstance(found, Snapshot) and isinstance(later, Snapshot):
            return found.beyond(later)
        return written(found) if later is None else NOWHERE
