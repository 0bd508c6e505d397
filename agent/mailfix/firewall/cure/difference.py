"""What an edit changes: the verdicts before and after, over all ports and all addresses.

Every kind of packet that a changed rule can see is judged twice: both directions, both families,
every protocol, one port of each class that the rules tell apart, clients' ports and users where
the edit asks for them. What comes by another interface than the question's is not judged.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from mailfix.firewall.addresses import AddressSet
from mailfix.firewall.cure import classes
from mailfix.firewall.cure.calls import Calls
from mailfix.firewall.cure.classes import Habits, PortClasses
from mailfix.firewall.cure.edits import ChainRef, Edit, applied
from mailfix.firewall.cure.sight import may_see, may_see_transit
from mailfix.firewall.cure.traffic import PortRange
from mailfix.firewall.judging import judge
from mailfix.firewall.matches import Match
from mailfix.firewall.protocols import HIGHEST_PORT, PROTOCOLS
from mailfix.firewall.question import Direction, Question
from mailfix.firewall.ruleset import Hook, Rule, Ruleset
from mailfix.firewall.verdict import Verdict
from mailfix.model import Family, percent

MAX_JUDGED = 512
"""Kinds of packets that are judged for one edit; of the others nothing is known."""
MAX_CHANGES = 32
"""Changes after which it no longer matters how many there are."""

FEW = 1000
"""Addresses that are counted rather than told as a share."""

_WITH_PORTS = ("tcp", "udp", "sctp", "dccp", "udplite")
_ANY_OTHER = "gre"
_NAMES = {number: name for name, number in reversed(PROTOCOLS.items())}
_SOME_ADDRESS = {Family.IPV4: "192.0.2.1", Family.IPV6: "2001:db8::1"}
_EVERYWHERE = {
    Family.IPV4: AddressSet.network("0.0.0.0/0") - AddressSet.network("127.0.0.0/8"),
    Family.IPV6: AddressSet.network("::/0") - AddressSet.network("::1"),
}
Seen = tuple[tuple[ChainRef, Rule], ...]


class Effect(StrEnum):
    OPENS = "opens"
    CLOSES = "closes"
    UNSETTLES = "makes uncertain"


@dataclass(frozen=True, slots=True)
class Change:
    """Something else that an edit does, to these ports (ranges, both ends included).

    ``user`` is the sender's where that matters; ``share`` the part of the whole address space.
    """

    effect: Effect
    direction: Direction
    family: Family
    protocol: str
    ports: tuple[PortRange, ...]
    addresses: AddressSet
    share: float
    user: int | None = None

    def describe(self) -> str:
        """For example ``opens tcp/80,443 in over IPv4 for 100 % of all addresses``."""
        ports = ",".join(f"{low}" if low == high else f"{low}-{high}" for low, high in self.ports)
        what = f"{self.protocol}/{ports}" if self.protocol in _WITH_PORTS else self.protocol
        user = "" if self.user is None else f" for user {self.user}"
        return (
            f"{self.effect} {what} {self.direction} over {self.family.label}{user} "
            f"for {self._whom()}"
        )

    def _whom(self) -> str:
        count = self.addresses.count()
        if count < FEW:
            return "1 address" if count == 1 else f"{count} addresses"
        return f"{percent(self.share)} of all addresses"


@dataclass(frozen=True, slots=True)
class Difference:
    """What an edit does.

    ``before`` and ``after`` are the verdicts on what was asked; ``changes`` is what else changes,
    ``transit`` whether that may be packets between other hosts. ``judged`` counts the kinds of
    packets that were judged; with ``at_least`` there may be more changes than were found.
    """

    before: Verdict
    after: Verdict
    changes: tuple[Change, ...] = ()
    transit: bool = False
    judged: int = 0
    at_least: bool = False

    @property
    def is_clean(self) -> bool:
        """Whether it is known to change nothing but what was asked."""
        return not self.changes and not self.transit and not self.at_least

    @property
    def completes(self) -> bool:
        """Whether nothing that was asked about stays blocked or becomes uncertain."""
        more = self.after.undecided_addresses - self.before.undecided_addresses
        return not self.after.faults and not more

    @property
    def damage(self) -> tuple[bool, float]:
        """How much else changes, for ranking: the less the better."""
        ports = sum(
            each.share * sum(high - low + 1 for low, high in each.ports) for each in self.changes
        )
        return self.transit or self.at_least, ports + len(self.changes)


@dataclass(slots=True)
class Comparison:
    """A ruleset against what edits make of it.

    ``ideal`` is the ruleset without what is to be cured: what passes there is what was asked for.
    ``asked`` are questions of which the first is to be cured and all may be.
    """

    ruleset: Ruleset
    ideal: Ruleset
    asked: tuple[Question, ...]
    habits: Habits
    _known: dict[tuple[int, Question, bool], Verdict] = field(default_factory=dict)

    def of(self, edits: Sequence[Edit]) -> Difference:
        """What the edits, made in this order, change.

        Raises:
            Drifted: the ruleset is not what they were made for.
        """
        after = applied(self.ruleset, edits)
        question = self.asked[0]
        found = Difference(self._judged(self.ruleset, question), judge(after, question))
        return self._with_changes(
            found, after, tuple(each for edit in edits for each in edit.rules)
        )

    def _with_changes(self, found: Difference, after: Ruleset, seen: Seen) -> Difference:
        changes: list[_Changed] = []
        judged = 0
        at_least = False
        for asked, ports in self._concerned(seen):
            if judged >= MAX_JUDGED or len(changes) >= MAX_CHANGES:
                at_least = True
                break
            judged += 1
            changes += self._changes(asked, ports, after)
        return replace(
            found,
            changes=tuple(_merged(changes)),
            transit=self._in_transit(seen),
            judged=judged,
            at_least=at_least,
        )

    def _changes(self, asked: Question, ports: PortRange, after: Ruleset) -> Iterator[_Changed]:
        """Of first packets by themselves, and of connections, which need the answer, too."""
        yield from self._changes_of(asked, ports, after, with_answer=False)
        if not self._is_asked_from_behind(asked):
            yield from self._changes_of(asked, ports, after, with_answer=True)

    def _changes_of(
        self, asked: Question, ports: PortRange, ruleset: Ruleset, *, with_answer: bool
    ) -> Iterator[_Changed]:
        before = self._judged(self.ruleset, asked, with_answer)
        after = judge(ruleset, asked, with_answer=with_answer)
        opened = after.passed - before.passed
        unsure = after.undecided_addresses - before.undecided_addresses
        if self._may_change(asked):
            wanted = self._judged(self.ideal, asked, with_answer)
            opened -= wanted.passed
            unsure -= wanted.undecided_addresses
        closed = before.passed - after.passed
        for effect, addresses in (
            (Effect.OPENS, opened),
            (Effect.CLOSES, closed),
            (Effect.UNSETTLES, unsure),
        ):
            if addresses:
                yield _Changed(effect, asked, ports, addresses, addresses.share_of(after.space))

    def _may_change(self, asked: Question) -> bool:
        return any(
            (one.direction, one.family, one.protocol, one.port, one.uid)
            == (asked.direction, asked.family, asked.protocol, asked.port, asked.uid)
            for one in self.asked
        )

    def _judged(self, ruleset: Ruleset, question: Question, with_answer: bool = True) -> Verdict:
        key = (id(ruleset), question, with_answer)
        if key not in self._known:
            self._known[key] = judge(ruleset, question, with_answer=with_answer)
        return self._known[key]

    def _in_transit(self, seen: Seen) -> bool:
        if self.asked[0].forwarding is False:
            return False
        return any(
            may_see_transit(rule, self._calls(place).hooks(place.chain)) for place, rule in seen
        )

    def _calls(self, place: ChainRef) -> Calls:
        return Calls.of(place.find(self.ruleset)[0])

    def _concerned(self, seen: Seen) -> Iterator[tuple[Question, PortRange]]:
        """Every kind of packet that one of the rules may see, with the ports it stands for."""
        matches = tuple(classes.matches_in(rule for _, rule in seen))
        named = classes.port_ranges(matches)
        fine = PortClasses.of(
            [*self.habits.ports, *named, *((port, port) for port in self._special_ports())]
        )
        hooks = {place: self._calls(place).hooks(place.chain) for place, _ in seen}
        for kind in self._kinds(matches, named):
            for low, high in _coarse(kind, named, self._special_ports()):
                one = replace(kind, port=low)
                if any(self._may_see(place, rule, hooks[place], one) for place, rule in seen):
                    for ports in fine.within(low, high):
                        yield replace(kind, port=ports[0]), ports

    def _may_see(self, place: ChainRef, rule: Rule, hooks: Iterable[Hook], one: Question) -> bool:
        with_answer = not self._is_asked_from_behind(one)
        return may_see(place, rule, hooks, one, self.habits, with_answer=with_answer)

    def _special_ports(self) -> Iterable[int]:
        return {*self.habits.redirects, *(each.port for each in self.asked)}

    def _kinds(self, matches: Sequence[Match], named: Iterable[PortRange]) -> Iterator[Question]:
        """All but the port: directions, families, protocols, users, clients' ports."""
        base = self.asked[0]
        for family in sorted(Family, key=lambda each: each is not base.family):
            local = local_address_of(base, family)
            for direction in sorted(Direction, key=lambda each: each is not base.direction):
                one = replace(
                    base,
                    family=family,
                    direction=direction,
                    local_address=local,
                    far=_EVERYWHERE[family],
                )
                for protocol in _protocols(family, matches):
                    for uid, gid in self._users(direction, matches):
                        of_user = replace(one, protocol=protocol, uid=uid, gid=gid)
                        yield from _client_ports(of_user, named)

    def _is_asked_from_behind(self, one: Question) -> bool:
        """Whether the asked port is the client's and the connection goes the other way.

        Its answers look like the packets that were asked for; only its first packets are new.
        """
        ports = {(each.port, each.port) for each in self.asked}
        return one.direction is not self.asked[0].direction and one.source_ports in ports

    def _users(
        self, direction: Direction, matches: Iterable[Match]
    ) -> Iterator[tuple[int | None, int | None]]:
        base = self.asked[0]
        yield base.uid, base.gid
        if direction is Direction.OUT:
            for each in sorted({*self.habits.users, *classes.users(matches)} - {base.uid}):
                yield each, each if each != base.gid else classes.SOMEBODY_ELSE


@dataclass(frozen=True, slots=True)
class _Changed:
    effect: Effect
    asked: Question
    ports: PortRange
    addresses: AddressSet
    share: float


def _merged(found: Iterable[_Changed]) -> Iterator[Change]:
    """The same change of several ports told once."""
    ports: dict[tuple[Effect, Question, AddressSet, float], list[PortRange]] = {}
    for each in found:
        kind = replace(each.asked, port=0, far=None, source_ports=None)
        known = ports.setdefault((each.effect, kind, each.addresses, each.share), [])
        if known and known[-1][1] + 1 == each.ports[0]:
            known[-1] = (known[-1][0], each.ports[1])
        elif each.ports not in known:
            known.append(each.ports)
    for (effect, kind, addresses, share), spans in ports.items():
        user = kind.uid if kind.direction is Direction.OUT else None
        yield Change(
            effect,
            kind.direction,
            kind.family,
            kind.protocol,
            tuple(spans),
            addresses,
            share,
            user,
        )


def _coarse(
    kind: Question, named: Iterable[PortRange], special: Iterable[int]
) -> Iterable[PortRange]:
    if kind.protocol not in _WITH_PORTS:
        return [(kind.port, kind.port)]
    return PortClasses.of([*named, *((port, port) for port in special)])


def local_address_of(base: Question, family: Family) -> str:
    """The host's own address in a family, or some address where it is not known."""
    if family is base.family:
        return base.local_address
    wants_colon = family is Family.IPV6
    own = [each for each in base.own_addresses if (":" in each) is wants_colon]
    return own[0] if own else _SOME_ADDRESS[family]


def _protocols(family: Family, matches: Iterable[Match]) -> list[str]:
    named = {_NAMES[number] for number in classes.protocols(matches) if number in _NAMES}
    echo = "icmp" if family is Family.IPV4 else "icmpv6"
    return list(dict.fromkeys(["tcp", "udp", echo, _ANY_OTHER, *sorted(named - {"ip", "all"})]))


def _client_ports(one: Question, named: Iterable[PortRange]) -> Iterator[Question]:
    """Any of the usual ones, and those that the edit asks for."""
    yield one
    if one.protocol in _WITH_PORTS:
        for low, high in sorted(named):
            if 0 < low <= high < HIGHEST_PORT:
                yield replace(one, source_ports=(low, low))
