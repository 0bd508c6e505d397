"""Sets of addresses as sorted disjoint intervals of integers.

The algebra is that of one number line from 0 to 2**128. IPv4 and IPv6 are never mixed in one
set; a complement of an IPv4 set holds numbers that are no IPv4 address, which does no harm,
because it is only ever intersected with sets that hold none of them.
"""

from __future__ import annotations

import heapq
import ipaddress
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

LINE_END = 1 << 128


@dataclass(frozen=True, slots=True)
class AddressSet:
    """A set of addresses of one family.

    ``bounds`` is flat and strictly increasing: start, end, start, end, ...; each start belongs
    to the set, each end does not.
    """

    bounds: tuple[int, ...] = ()

    @classmethod
    def of(cls, intervals: Iterable[tuple[int, int]]) -> AddressSet:
        """The union of intervals ``(first, last)``, both ends included, in any order."""
        bounds: list[int] = []
        end = -1
        for first, last in sorted(intervals):
            if last < end:
                continue
            if first <= end:
                bounds[-1] = last + 1
            else:
                bounds += (first, last + 1)
            end = last + 1
        return cls(tuple(bounds))

    @classmethod
    def network(cls, text: str) -> AddressSet:
        """One address or prefix, such as ``192.0.2.0/24``.

        Raises:
            ValueError: the text is neither.
        """
        network = ipaddress.ip_network(text, strict=False)
        first = int(network.network_address)
        return cls((first, first + network.num_addresses))

    @classmethod
    def union_of(cls, sets: Iterable[AddressSet]) -> AddressSet:
        """The union of many sets, in n log n."""
        return cls.of(interval for each in sets for interval in each.intervals())

    def __bool__(self) -> bool:
        return bool(self.bounds)

    def __contains__(self, address: int) -> bool:
        return bisect_right(self.bounds, address) % 2 == 1

    def intervals(self) -> Iterator[tuple[int, int]]:
        """Each interval as ``(first, last)``, both included, ascending."""
        ends = iter(self.bounds)
        return ((start, end - 1) for start, end in zip(ends, ends, strict=True))

    def count(self) -> int:
        """How many addresses the set holds."""
        return sum(self.bounds[1::2]) - sum(self.bounds[::2])

    def share_of(self, space: AddressSet) -> float:
        """The part of ``space`` that this set, a subset of it, makes up: 0.0 to 1.0."""
        whole = space.count()
        return self.count() / whole if whole else 0.0

    def complement(self) -> AddressSet:
        """Everything on the line that is not in this set."""
        bounds = self.bounds
        inner = bounds[1:] if bounds[:1] == (0,) else (0, *bounds)
        return AddressSet(inner[:-1] if inner[-1:] == (LINE_END,) else (*inner, LINE_END))

    def __and__(self, other: AddressSet) -> AddressSet:
        if self is EVERYWHERE or not other.bounds:
            return other
        if other is EVERYWHERE or not self.bounds:
            return self
        few, many = sorted((self.bounds, other.bounds), key=len)
        bounds: list[int] = []
        for at in range(0, len(few), 2):
            _clip(many, few[at], few[at + 1], bounds)
        result = tuple(bounds)
        return self if result == self.bounds else AddressSet(result)

    def __sub__(self, other: AddressSet) -> AddressSet:
        return self & other.complement() if other.bounds and self.bounds else self

    def __or__(self, other: AddressSet) -> AddressSet:
        if not other.bounds or self is other:
            return self
        if not self.bounds:
            return other
        return (self.complement() & other.complement()).complement()

    def networks(self, family_bits: int) -> Iterator[str]:
        """The set as prefixes, ascending; ``family_bits`` is 32 or 128."""
        kind = ipaddress.IPv4Address if family_bits == 32 else ipaddress.IPv6Address
        for first, last in self.intervals():
            for network in ipaddress.summarize_address_range(kind(first), kind(last)):
                yield str(network)


def _clip(bounds: tuple[int, ...], start: int, end: int, into: list[int]) -> None:
    """Append to ``into`` what of ``bounds`` lies in [start, end)."""
    low = bisect_right(bounds, start)
    high = bisect_left(bounds, end)
    if low % 2:
        into.append(start)
    into += bounds[low:high]
    if high % 2:
        into.append(end)


EVERYWHERE = AddressSet((0, LINE_END))
NOWHERE = AddressSet()


def share_out(space: AddressSet, claims: list[AddressSet]) -> tuple[list[AddressSet], AddressSet]:
    """Give each claim, in order, what of ``space`` no earlier claim took.

    Returns what each got, and what is left. n log n in the number of intervals.
    """
    intervals = sorted(
        (first, last, index)
        for index, claim in enumerate(claims)
        for first, last in claim.intervals()
    )
    if _disjoint(intervals):
        shares = [claim & space for claim in claims]
        bounds = tuple(bound for first, last, _ in intervals for bound in (first, last + 1))
        return shares, space - _merged(bounds)
    return _share_out_overlapping(space, claims, intervals)


def _disjoint(intervals: list[tuple[int, int, int]]) -> bool:
    return all(before[1] < after[0] for before, after in pairwise(intervals))


def _merged(bounds: tuple[int, ...]) -> AddressSet:
    """Ascending bounds in which one interval may end where the next starts."""
    ends = iter(bounds)
    return AddressSet.of((start, end - 1) for start, end in zip(ends, ends, strict=True))


def _share_out_overlapping(
    space: AddressSet, claims: list[AddressSet], intervals: list[tuple[int, int, int]]
) -> tuple[list[AddressSet], AddressSet]:
    """Sweep the line; the earliest claim that is open at a point gets it."""
    pieces: list[list[tuple[int, int]]] = [[] for _ in claims]
    points = sorted({p for first, last, _ in intervals for p in (first, last + 1)})
    open_claims: list[tuple[int, int]] = []
    at = 0
    for start, end in pairwise(points):
        while at < len(intervals) and intervals[at][0] <= start:
            heapq.heappush(open_claims, (intervals[at][2], intervals[at][1]))
            at += 1
        while open_claims and open_claims[0][1] < start:
            heapq.heappop(open_claims)
        if open_claims:
            pieces[open_claims[0][0]].append((start, end - 1))
    shares = [AddressSet.of(piece) & space for piece in pieces]
    return shares, space - AddressSet.union_of(claims)
