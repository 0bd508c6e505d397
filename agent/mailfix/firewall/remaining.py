"""The addresses that are still on their way through a chain: a set from which much is taken.

Thousands of rules take one address each out of all of the Internet. So the bounds are kept in
lists short enough that cutting one costs the same however many there are.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from itertools import chain

from mailfix.firewall.addresses import EVERYWHERE, AddressSet
from mailfix.firewall.snapshots import Found, Log, Snapshot

CHUNK = 512
"""Bounds in a list when it is made; at twice as many it is cut in two."""
MANY = 2000
"""Bounds; a set of so many is taken out as a whole."""


class Remaining:
    """A set of addresses that changes; ``whole`` is None while it lies in pieces."""

    __slots__ = ("_log", "_pieces", "_starts", "_whole")
    _log: Log
    _whole: AddressSet | None

    def __init__(self, addresses: AddressSet) -> None:
        self._pieces: list[list[int]] = []
        self._starts: list[int] = []
        self.become(addresses)

    def __bool__(self) -> bool:
        return bool(self._pieces if self._whole is None else self._whole.bounds)

    def whole(self) -> AddressSet:
        """What there is now."""
        if self._whole is None:
            self._whole = AddressSet(tuple(chain.from_iterable(self._pieces)))
        return self._whole

    def become(self, addresses: AddressSet) -> None:
        self._whole = addresses
        self._log = Log(addresses)

    def shared_with(self, addresses: AddressSet) -> AddressSet:
        """What of ``addresses`` is in the set."""
        if self._whole is not None or addresses is EVERYWHERE or len(addresses.bounds) >= MANY:
            return self.whole() & addresses
        return self._each_span(addresses, take=False)

    def found(self, addresses: AddressSet) -> Found:
        """The same, but all that there is now as a snapshot, which costs nothing."""
        if addresses is EVERYWHERE and self:
            return Snapshot(self._log, self._whole)
        return self.shared_with(addresses)

    def take(self, addresses: AddressSet) -> AddressSet:
        """Take ``addresses`` out; those of them that were in the set."""
        taken = self._taken(addresses)
        if taken:
            self._log.taken.append(taken)
        return taken

    def _taken(self, addresses: AddressSet) -> AddressSet:
        if not addresses:
            return addresses
        if addresses is EVERYWHERE or len(addresses.bounds) >= MANY:
            whole = self.whole()
            self._whole = whole - addresses
            return whole & addresses
        if self._whole is not None:
            self._break(self._whole)
        return self._each_span(addresses, take=True)

    def _break(self, whole: AddressSet) -> None:
        bounds = whole.bounds
        self._pieces = [list(bounds[at : at + CHUNK]) for at in range(0, len(bounds), CHUNK)]
        self._starts = [piece[0] for piece in self._pieces]
        self._whole = None

    def _each_span(self, addresses: AddressSet, *, take: bool) -> AddressSet:
        bounds = addresses.bounds
        found: list[int] = []
        for at in range(0, len(bounds), 2):
            self._span(bounds[at], bounds[at + 1], found, take)
        return AddressSet(tuple(found))

    def _span(self, start: int, end: int, found: list[int], take: bool) -> None:
        """Find, and ``take`` out, what lies in [start, end)."""
        at = max(bisect_right(self._starts, start) - 1, 0)
        while at < len(self._pieces) and self._starts[at] < end:
            piece = self._pieces[at]
            low, high = _reach(piece, start, end)
            before, after = low % 2, high % 2
            if low < high or before:
                found += (*((start,) * before), *piece[low:high], *((end,) * after))
                if take:
                    piece[low:high] = (*((start,) * before), *((end,) * after))
                    at -= self._mend(at)
            at += 1

    def _mend(self, at: int) -> int:
        """Put a changed piece in order; how many pieces there are less."""
        piece = self._pieces[at]
        if not piece:
            del self._pieces[at], self._starts[at]
            return 1
        self._starts[at] = piece[0]
        if len(piece) <= 2 * CHUNK:
            return 0
        self._pieces[at : at + 1] = [piece[:CHUNK], piece[CHUNK:]]
        self._starts[at : at + 1] = [piece[0], piece[CHUNK]]
        return -1


def _reach(piece: list[int], start: int, end: int) -> tuple[int, int]:
    """Where in a piece [start, end) begins and ends; odd where that is within an interval."""
    low, high = bisect_right(piece, start), bisect_left(piece, end)
    if low % 2 and piece[low - 1] == start:
        low -= 1
    if high % 2 and piece[high] == end:
        high += 1
    return low, high
