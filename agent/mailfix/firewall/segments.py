"""A chain cut into what packets meet, so that long chains are quick to walk for many questions.

A firewall of 50,000 rules is a list of addresses with some rules around it. Rules on ports that
nobody asks about are left out. Between two rules on broad addresses, those on single ones may
change places as long as they have no address in common; so those that are the same but for their
address are put together to one item, whose addresses are united once for all questions.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import groupby, islice
from typing import TYPE_CHECKING, Any, TypeAlias

from mailfix.firewall.addresses import AddressSet
from mailfix.firewall.matches import Address, Match, Ports, Side
from mailfix.firewall.ruleset import Accept, Block, Goto, Jump, Return, Rule, Step

if TYPE_CHECKING:
    from mailfix.firewall.packet import View

SHORTEST_RUN = 8
"""Rules; fewer are quicker taken one by one."""
LARGE = 2000
"""Bounds of a set of addresses that is cut out of another one at once."""
REMEMBERED = 4
"""Cuts that a run remembers: the ports of one direction and family mostly make the same."""
SMALL_IPV4 = 1 << 20
"""Addresses; a rule on more is told by itself."""
SMALL_IPV6 = 1 << 100
FEW = 64
"""Rules of a chain that is not worth cutting up."""


Verdict: TypeAlias = Accept | Block | Return | Jump | Goto
_VERDICTS = (Accept, Block, Return, Jump, Goto)


class Single:
    """A rule on one address, a small network or a list, what else it asks, and what it does."""

    __slots__ = ("addresses", "conditions", "rule", "side", "verb")

    def __init__(self, rule: Rule, conditions: tuple[Match, ...], verb: Verdict) -> None:
        first = rule.steps[0]
        assert isinstance(first, Address)
        self.rule = rule
        self.side = first.side
        self.addresses = first.addresses
        self.conditions = conditions
        self.verb = verb

    @property
    def shape(self) -> tuple[int, Verdict]:
        """The same for rules that are the same but for their address."""
        return id(self.conditions), self.verb


class Run:
    """Rules of a chain that are the same but for one address or small network."""

    def __init__(self, singles: Sequence[Single]) -> None:
        self.singles = tuple(singles)
        self.side = singles[0].side
        self.conditions = singles[0].conditions
        self.verb = singles[0].verb
        self._cuts: dict[int, tuple[AddressSet, AddressSet, AddressSet]] = {}
        self._others: dict[int, tuple[AddressSet, set[int]]] = {}

    @cached_property
    def addresses(self) -> AddressSet:
        """All their addresses together."""
        return AddressSet.union_of(each.addresses for each in self.singles)

    @cached_property
    def is_large(self) -> bool:
        """Whether it is worth while to cut all addresses at once, and to remember that."""
        return _is_large(self.addresses)

    def cut(self, stream: AddressSet) -> tuple[AddressSet, AddressSet]:
        """What of ``stream`` the run takes, and what it leaves; remembered for the next port."""
        known = self._cuts.get(id(stream))
        if known is None:
            taken = stream & self.addresses
            left = stream - self.addresses if taken else stream
            _make_room(self._cuts)
            known = self._cuts[id(stream)] = (stream, taken, left)
        return known[1], known[2]

    def concerned(self, addresses: AddressSet) -> Sequence[Single]:
        """Those on any of ``addresses``, which are all among the run's."""
        others = self._unconcerned(addresses)
        if not others:
            return self.singles
        return [each for place, each in enumerate(self.singles) if place not in others]

    def count(self, addresses: AddressSet) -> int:
        """How many are on any of ``addresses``, which are all among the run's."""
        return len(self.singles) - len(self._unconcerned(addresses))

    def _unconcerned(self, addresses: AddressSet) -> set[int]:
        """The places of those that are on none of ``addresses``."""
        known = self._others.get(id(addresses))
        if known is None:
            _make_room(self._others)
            known = self._others[id(addresses)] = (addresses, self._found_apart_from(addresses))
        return known[1]

    def _found_apart_from(self, addresses: AddressSet) -> set[int]:
        others: set[int] = set()
        if len(self.singles) == 1:
            return others
        for first, last in (self.addresses - addresses).intervals():
            low = bisect_left(self._starts, (first, 0))
            high = bisect_left(self._starts, (last + 1, 0))
            others |= {
                place
                for _, place in self._starts[low:high]
                if not self.singles[place].addresses & addresses
            }
        return others

    @cached_property
    def _starts(self) -> list[tuple[int, int]]:
        """Where each one's intervals begin, and its place."""
        return sorted(
            (start, place)
            for place, each in enumerate(self.singles)
            for start in each.addresses.bounds[::2]
        )


def _make_room(remembered: dict[int, Any]) -> None:
    if len(remembered) == REMEMBERED:
        del remembered[next(iter(remembered))]


Ranges: TypeAlias = tuple[tuple[int, int], ...]
Item: TypeAlias = Rule | Single | Run


class Items:
    """Items that are made when the first packet comes to them, and kept for the next.

    The answers of most firewalls end at the first rule of a long chain.
    """

    def __init__(self, making: Iterator[Item]) -> None:
        self._made: list[Item] = []
        self._making = making

    def __iter__(self) -> Iterator[Item]:
        at = 0
        while at < len(self._made) or self._makes_one():
            yield self._made[at]
            at += 1

    def _makes_one(self) -> bool:
        """Make one more; whether there is one."""
        before = len(self._made)
        self._made += islice(self._making, 1)
        return len(self._made) > before


class Segments:
    """One chain's rules, and what of them packets meet."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._rules = rules
        self._met: dict[tuple[Side, frozenset[int]], Items] = {}
        self._together: dict[tuple[int, ...], Items] = {}

    def met(self, view: View, asked: frozenset[int]) -> Iterable[Item]:
        """The items in order for packets to or from the ports that are ``asked`` about."""
        if len(self._rules) < FEW:
            return self._in_order
        ports = asked if view.port in asked else frozenset({view.port})
        key = (view.server_side, ports)
        if key not in self._met:
            self._met[key] = self._put_together(self._places(view.server_side, ports))
        return self._met[key]

    def _put_together(self, places: tuple[int, ...]) -> Items:
        """The same for questions and answers where no rule tells them apart."""
        if places not in self._together:
            chosen = (self._singles[place] for place in places)
            self._together[places] = Items(_put_together(chosen))
        return self._together[places]

    @cached_property
    def _in_order(self) -> Sequence[Item]:
        return tuple(_item(each) for each in self._singles)

    @cached_property
    def _singles(self) -> Sequence[Rule | Single]:
        return tuple(_with_singles(self._rules))

    def _places(self, side: Side, ports: frozenset[int]) -> tuple[int, ...]:
        asked = sorted(ports)
        return tuple(
            place
            for place, ranges in enumerate(self._ranges[side])
            if ranges is None or any(_between(asked, *each) for each in ranges)
        )

    @cached_property
    def _ranges(self) -> dict[Side, Sequence[Ranges | None]]:
        """The ports on each side that each rule is on; None: any."""
        steps = [
            each.conditions if isinstance(each, Single) else each.steps for each in self._singles
        ]
        return {side: [_ports_on(side, each) for each in steps] for side in Side}


def _between(asked: Sequence[int], low: int, high: int) -> bool:
    """Whether any of the sorted ports is in a range, both ends included."""
    return bisect_left(asked, low) < bisect_right(asked, high)


def _ports_on(side: Side, steps: tuple[Step, ...]) -> Ranges | None:
    for step in steps:
        if not isinstance(step, Match):
            return None
        if isinstance(step, Ports) and step.side is side:
            return step.ranges
    return None


def _put_together(items: Iterable[Rule | Single]) -> Iterator[Item]:
    for side, stretch in groupby(items, _side_of_few):
        if side is None:
            yield from map(_item, stretch)
        else:
            yield from _runs([each for each in stretch if isinstance(each, Single)])


def _runs(stretch: list[Single]) -> Iterator[Item]:
    """Those that share no address with a rule of another shape, by their shapes; then the rest."""
    by_shape: dict[object, list[int]] = {}
    staying: list[int] = []
    tied = _tied(stretch)
    for place, single in enumerate(stretch):
        if place in tied:
            staying.append(place)
        else:
            by_shape.setdefault(single.shape, []).append(place)
    for places in sorted(by_shape.values(), key=lambda each: _has_ports(stretch[each[0]])):
        if len(places) < SHORTEST_RUN:
            staying += places
        else:
            yield Run([stretch[place] for place in places])
    for place in sorted(staying):
        yield _item(stretch[place])


def _side_of_few(item: Rule | Single) -> Side | None:
    """The side of a few addresses, None for what must keep its place."""
    few = isinstance(item, Single) and _is_few(item.addresses)
    return item.side if few and isinstance(item, Single) else None


def _item(each: Rule | Single) -> Item:
    """A rule on thousands of addresses is as good as a run of rules."""
    return Run([each]) if isinstance(each, Single) and _is_large(each.addresses) else each


def _has_ports(single: Single) -> bool:
    return any(isinstance(each, Ports) for each in single.conditions)


def _tied(stretch: list[Single]) -> set[int]:
    """The places of those that share an address with one of another shape."""
    spans = sorted(
        (bounds[at], bounds[at + 1], place)
        for place, bounds in enumerate(each.addresses.bounds for each in stretch)
        for at in range(0, len(bounds), 2)
    )
    tied: set[int] = set()
    cluster: list[int] = []
    end = -1
    for first, last, place in spans:
        if first >= end:
            tied |= _differing(cluster, stretch)
            cluster = []
        cluster.append(place)
        end = max(end, last)
    return tied | _differing(cluster, stretch)


def _differing(cluster: list[int], stretch: list[Single]) -> set[int]:
    if len(cluster) < 2 or len({stretch[place].shape for place in cluster}) == 1:
        return set()
    return set(cluster)


def _with_singles(rules: Iterable[Rule]) -> Iterator[Rule | Single]:
    """All that do something; those that ask the same beside their address share their row."""
    rows: dict[tuple[Match, ...], tuple[Match, ...]] = {}
    known: dict[tuple[int, ...], tuple[Match, ...]] = {}
    for rule in rules:
        steps = rule.steps
        if not _is_single(steps):
            if any(not isinstance(step, Match) for step in steps):
                yield rule
            continue
        *conditions, verb = steps[1:]
        key = tuple(map(id, conditions))
        if key not in known:
            row = tuple(each for each in conditions if isinstance(each, Match))
            known[key] = rows.setdefault(row, row)
        assert isinstance(verb, _VERDICTS)
        yield Single(rule, known[key], verb)


def _is_single(steps: tuple[Step, ...]) -> bool:
    """Whether the steps are few or listed addresses, other matches, and one verdict."""
    if len(steps) < 2 or not isinstance(steps[0], Address) or steps[0].of_connection:
        return False
    if not isinstance(steps[-1], _VERDICTS):
        return False
    if not all(isinstance(each, Match) for each in steps[1:-1]):
        return False
    return _is_few(steps[0].addresses) or _is_large(steps[0].addresses)


def _is_large(addresses: AddressSet) -> bool:
    return len(addresses.bounds) >= LARGE


def _is_few(addresses: AddressSet) -> bool:
    size = addresses.count()
    return size < SMALL_IPV4 or (addresses.bounds[0] >= 1 << 32 and size < SMALL_IPV6)
