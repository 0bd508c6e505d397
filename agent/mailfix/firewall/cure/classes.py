"""Classes of packets that a ruleset cannot tell apart: one of each stands for all of them."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from mailfix.firewall.cure.traffic import PortRange
from mailfix.firewall.matches import (
    AllOf,
    AnyOf,
    Exceptions,
    Match,
    Not,
    OriginalPort,
    Owner,
    Ports,
    Protocol,
)
from mailfix.firewall.protocols import HIGHEST_PORT
from mailfix.firewall.ruleset import Choice, Rule, Ruleset, SendOn, Step, Translate, Untrack

SOMEBODY_ELSE = 65_533
"""A user and group that no rule is likely to name."""
MAX_USERS = 8


def rules_of(ruleset: Ruleset) -> Iterator[Rule]:
    for table in ruleset.tables:
        for chain in table.chains.values():
            yield from chain.rules


def matches_in(rules: Iterable[Rule]) -> Iterator[Match]:
    """Every condition in the rules, those within others included."""
    waiting: list[Step] = [step for rule in rules for step in rule.steps]
    while waiting:
        match waiting.pop():
            case Choice(branches):
                waiting += (match for match, _ in branches)
            case Not(inner):
                waiting.append(inner)
            case AllOf(matches) | AnyOf(matches):
                waiting += matches
            case Exceptions(layers):
                waiting += (match for _, match in layers)
            case Match() as single:
                yield single


@dataclass(frozen=True, slots=True)
class PortClasses:
    """The 65,536 ports in ranges, each beginning at one of ``starts``, the first of them 0."""

    starts: tuple[int, ...]

    @classmethod
    def of(cls, ranges: Iterable[PortRange]) -> PortClasses:
        """Each of the ranges (both ends included) is made up of whole classes."""
        starts = {0}
        for low, high in ranges:
            starts |= {low, high + 1}
        return cls(tuple(sorted(each for each in starts if 0 <= each <= HIGHEST_PORT)))

    def within(self, low: int, high: int) -> Iterator[PortRange]:
        """The classes, as ranges, that ``low`` to ``high`` falls into, cut to it."""
        first = bisect_right(self.starts, low) - 1
        last = bisect_left(self.starts, high + 1)
        for at in range(first, last):
            end = self.starts[at + 1] - 1 if at + 1 < len(self.starts) else HIGHEST_PORT
            yield max(low, self.starts[at]), min(high, end)

    def __iter__(self) -> Iterator[PortRange]:
        return self.within(0, HIGHEST_PORT)


def port_ranges(matches: Iterable[Match]) -> frozenset[PortRange]:
    """The ranges of ports that matches ask for, on whichever side."""
    return frozenset(
        span for each in matches if isinstance(each, (Ports, OriginalPort)) for span in each.ranges
    )


def protocols(matches: Iterable[Match]) -> frozenset[int]:
    """The numbers of the protocols that matches name."""
    found: frozenset[int] = frozenset()
    for each in matches:
        if isinstance(each, Protocol):
            found |= each.numbers
    return found


def users(matches: Iterable[Match]) -> tuple[int, ...]:
    """One user (or group) of each kind that the rules tell apart; none where they do not."""
    bounds = {
        bound
        for each in matches
        if isinstance(each, Owner)
        for low, high in each.ranges
        for bound in (low, high + 1)
    }
    return (*sorted(bounds)[:MAX_USERS], SOMEBODY_ELSE) if bounds else ()


@dataclass(frozen=True, slots=True)
class Habits:
    """What a ruleset does with packets beyond letting them through or not.

    ``redirects`` are the ports that it sends packets on to, ``sends_on`` whether to other hosts;
    ``users`` stand for those that it
    tells apart.
    """

    redirects: frozenset[int]
    sends_on: bool
    untracks: bool
    users: tuple[int, ...]
    ports: frozenset[PortRange]

    @classmethod
    def of(cls, ruleset: Ruleset) -> Habits:
        matches = tuple(matches_in(rules_of(ruleset)))
        verbs = [step for rule in rules_of(ruleset) for step in rule.steps]
        redirects = frozenset(
            step.port
            for step in verbs
            if isinstance(step, (Translate, SendOn)) and step.port is not None
        )
        untracks = any(isinstance(step, Untrack) for step in verbs)
        sends_on = any(isinstance(step, SendOn) for step in verbs)
        return cls(redirects, sends_on, untracks, users(matches), port_ranges(matches))
