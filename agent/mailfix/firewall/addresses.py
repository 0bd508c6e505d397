"""Sets of addresses as sorted disjoint intervals of integers.

The algebra is that of one number line from 0 to 2**128. IPv4 and IPv6 are never mixed in one
set; a complement of an IPv4 set holds numbers that are no IPv4 address, which does no harm,
because it is only ever intersected with sets that hold none of them.
"""

from __future__ import annotations

import ipaddress
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

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
        """The union of intervals ``(first, last)``, both ends included, in any order.

        One that ends before it begins holds nothing.
        """
        bounds: list[int] = []
        end = -1
        for first, last in sorted(intervals):
            if last < end or last < first:
                continue
            if first <= end and bounds:
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
        address, slash, length = text.partition("/")
        number = _plain_number(address)
        if number is None or (slash and length not in _LENGTHS):
            network = ipaddress.ip_network(text, strict=False)
            first = int(network.network_address)
            return cls((first, first + network.num_addresses))
        bits = 128 if ":" in address else 32
        free = bits - int(length) if slash else 0
        if free < 0:
            raise ValueError(f"{text!r} is no network")
        first = number >> free << free
        return cls((first, first + (1 << free)))

    @classmethod
    def union_of(cls, sets: Iterable[AddressSet]) -> AddressSet:
        """The union of many sets, in n log n."""
        sets = tuple({id(each): each for each in sets}.values())
        if len(sets) == 1:
            return sets[0]
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
        if len(self.bounds) == 2:
            return self.bounds[1] - self.bounds[0]
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
        less, more = (self, other) if len(self.bounds) <= len(other.bounds) else (other, self)
        few, many = less.bounds, more.bounds
        bounds: list[int] = []
        ends = iter(few)
        for start, end in zip(ends, ends, strict=True):
            low = bisect_right(many, start)
            high = bisect_left(many, end, low)
            if low % 2:
                bounds.append(start)
            if low < high:
                bounds += many[low:high]
            if high % 2:
                bounds.append(end)
        result = tuple(bounds)
        return less if result == few else more if result == many else AddressSet(result)

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


_LENGTHS = frozenset(map(str, range(129)))
_PLAIN_IPV4 = re.compile(r"\.".join(["(0|[1-9][0-9]{0,2})"] * 4))
_PLAIN_IPV6 = re.compile(r"[0-9a-f]{1,4}(?::[0-9a-f]{1,4}){7}")


def address_number(text: str) -> int:
    """An address as a number.

    Raises:
        ValueError: the text is no address.
    """
    number = _plain_number(text)
    return int(ipaddress.ip_address(text)) if number is None else number


def _plain_number(text: str) -> int | None:
    """As ipaddress would read it, many times as fast: rulesets hold 50,000 of them.

    None for what is not in the one form that tools write addresses in.
    """
    plain = _PLAIN_IPV4.fullmatch(text)
    if plain is not None:
        a, b, c, d = map(int, plain.groups())
        return None if a > 255 or b > 255 or c > 255 or d > 255 else a << 24 | b << 16 | c << 8 | d
    if "::" in text:
        text = _in_full(text)
    if _PLAIN_IPV6.fullmatch(text) is None:
        return None
    return int("".join([group.zfill(4) for group in text.split(":")]), 16)


def _in_full(text: str) -> str:
    """An IPv6 address with the zeros that its :: stands for."""
    head, _, tail = text.partition("::")
    before = head.split(":") if head else []
    after = tail.split(":") if tail else []
    missing = 8 - len(before) - len(after)
    return ":".join([*before, *["0"] * missing, *after]) if missing > 0 else text


EVERYWHERE = AddressSet((0, LINE_END))
NOWHERE = AddressSet()
