"""A chain cut into what a packet meets: single rules, and runs of rules that differ in an address.

A firewall of 50,000 rules is a ban list with some rules around it. Of a run, everything but the
addresses is asked once, and their union is made once for all questions. Rules on ports that a
packet does not have are passed over without looking at them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import chain as chained
from typing import TypeAlias

from mailfix.firewall.addresses import AddressSet
from mailfix.firewall.matches import Address, Match, Ports, Side
from mailfix.firewall.ruleset import Accept, Block, Return, Rule, Step

SHORTEST_RUN = 8
SMALL_IPV4 = 1 << 20
"""Addresses; a rule on more is told by itself."""
SMALL_IPV6 = 1 << 100
FEW_PORTS = 64

Ending: TypeAlias = Accept | Block | Return
Shape: TypeAlias = tuple[Side, tuple[Step, ...]]


class Run:
    """Consecutive rules of a chain that are the same but for one address or small network.

    ``conditions`` are what each asks besides its address on ``side``, ``verb`` what each does.
    """

    def __init__(self, rules: Sequence[Rule], side: Side, tail: tuple[Step, ...]) -> None:
        self.rules = tuple(rules)
        self.side = side
        *conditions, verb = tail
        self.conditions = tuple(each for each in conditions if isinstance(each, Match))
        assert isinstance(verb, (Accept, Block, Return))
        self.verb: Ending = verb
        self._cuts: dict[int, tuple[AddressSet, AddressSet, AddressSet]] = {}
        self._concerned: dict[int, tuple[AddressSet, Sequence[Rule]]] = {}

    @cached_property
    def addresses(self) -> AddressSet:
        """All their addresses together."""
        return AddressSet.union_of(map(_address, self.rules))

    def cut(self, stream: AddressSet) -> tuple[AddressSet, AddressSet]:
        """What of ``stream`` the run takes, and what it leaves; remembered for the next port."""
        known = self._cuts.get(id(stream))
        if known is None:
            taken = stream & self.addresses
            left = stream - self.addresses if taken else stream
            known = self._cuts[id(stream)] = (stream, taken, left)
        return known[1], known[2]

    def concerned(self, addresses: AddressSet) -> Sequence[Rule]:
        """The rules on any of ``addresses``."""
        if addresses.bounds == self.addresses.bounds:
            return self.rules
        known = self._concerned.get(id(addresses))
        if known is None:
            found = [rule for rule in self.rules if _address(rule) & addresses]
            known = self._concerned[id(addresses)] = (addresses, found)
        return known[1]


Item: TypeAlias = Rule | Run


def _address(rule: Rule) -> AddressSet:
    first = rule.steps[0]
    assert isinstance(first, Address)
    return first.addresses


class Segments:
    """The items of one chain in order, and which of them a packet to or from a port may meet."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self.items: tuple[Item, ...] = tuple(_items(rules))
        self._met: dict[tuple[Side, frozenset[int]], Sequence[Item]] = {}

    def met(self, side: Side, ports: frozenset[int]) -> Sequence[Item]:
        """All items but those on other ports, for a packet with one of ``ports`` on ``side``."""
        if len(self.items) < FEW_PORTS:
            return self.items
        key = (side, ports)
        if key not in self._met:
            always, by_port = self._by_port[side]
            places = sorted(chained(always, *(by_port.get(port, ()) for port in ports)))
            self._met[key] = [self.items[place] for place in dict.fromkeys(places)]
        return self._met[key]

    @cached_property
    def _by_port(self) -> dict[Side, tuple[list[int], dict[int, list[int]]]]:
        return {side: _indexed(self.items, side) for side in Side}


def _indexed(items: Iterable[Item], side: Side) -> tuple[list[int], dict[int, list[int]]]:
    """The places of items on any port, and of those on a few ports by port."""
    always: list[int] = []
    by_port: dict[int, list[int]] = {}
    for place, item in enumerate(items):
        ports = _few_ports(item, side)
        if ports is None:
            always.append(place)
        else:
            for port in ports:
                by_port.setdefault(port, []).append(place)
    return always, by_port


def _few_ports(item: Item, side: Side) -> set[int] | None:
    """The only ports on ``side`` that an item can concern; None where they are not few."""
    for step in item.conditions if isinstance(item, Run) else item.steps:
        if not isinstance(step, Match):
            return None
        if isinstance(step, Ports) and step.side is side:
            if sum(high - low + 1 for low, high in step.ranges) > FEW_PORTS:
                return None
            return {port for low, high in step.ranges for port in range(low, high + 1)}
    return None


def _items(rules: Iterable[Rule]) -> Iterator[Item]:
    alike: list[Rule] = []
    shape: Shape | None = None
    for rule in rules:
        own = _shape(rule)
        if own is None or own != shape:
            yield from _grouped(alike, shape)
            alike, shape = [], own
        if own is None:
            yield rule
        else:
            alike.append(rule)
    yield from _grouped(alike, shape)


def _grouped(rules: list[Rule], shape: Shape | None) -> Iterable[Item]:
    if shape is None or len(rules) < SHORTEST_RUN:
        return rules
    return (Run(rules, *shape),)


def _shape(rule: Rule) -> Shape | None:
    """The side of its leading address and what follows it; None for a rule that fits no run."""
    steps = rule.steps
    if len(steps) < 2 or not isinstance(steps[0], Address):
        return None
    if not isinstance(steps[-1], (Accept, Block, Return)):
        return None
    first = steps[0]
    if first.of_connection or not _is_small(first.addresses):
        return None
    return first.side, steps[1:]


def _is_small(addresses: AddressSet) -> bool:
    size = addresses.count()
    return size < SMALL_IPV4 or (addresses.bounds[0] >= 1 << 32 and size < SMALL_IPV6)
