"""Matches: what a rule asks of a packet, answered for a question with all but the far address.

An answer is a pair of address sets: the far addresses for which the match holds for certain, and
those for which it may hold. Where the two are the same the match is decided.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import TYPE_CHECKING, TypeAlias

from mailfix.firewall.addresses import EVERYWHERE, NOWHERE, AddressSet
from mailfix.firewall.question import Direction

if TYPE_CHECKING:
    from mailfix.firewall.packet import Packet, View


@dataclass(frozen=True, slots=True)
class Decision:
    """``certain`` is a subset of ``possible``; ``reason`` says why they differ, if they do."""

    certain: AddressSet
    possible: AddressSet
    reason: str = ""

    @property
    def decided(self) -> bool:
        return self.certain is self.possible


ALWAYS = Decision(EVERYWHERE, EVERYWHERE)
NEVER = Decision(NOWHERE, NOWHERE)


def decided(holds: bool) -> Decision:
    return ALWAYS if holds else NEVER


def within(addresses: AddressSet) -> Decision:
    """Holds exactly for these far addresses."""
    return Decision(addresses, addresses)


def undecided(reason: str) -> Decision:
    return Decision(NOWHERE, EVERYWHERE, reason)


def opposite(decision: Decision) -> Decision:
    if decision is ALWAYS:
        return NEVER
    if decision is NEVER:
        return ALWAYS
    if decision.decided:
        return within(decision.certain.complement())
    return Decision(decision.possible.complement(), decision.certain.complement(), decision.reason)


def both(one: Decision, other: Decision) -> Decision:
    if one is ALWAYS or other is NEVER:
        return other
    if other is ALWAYS or one is NEVER:
        return one
    if one.decided and other.decided:
        return within(one.certain & other.certain)
    return Decision(
        one.certain & other.certain, one.possible & other.possible, one.reason or other.reason
    )


def any_of(decisions: Iterable[Decision]) -> Decision:
    """Holds where one of them does; n log n for many."""
    open_ones = [each for each in decisions if each is not NEVER]
    if not open_ones:
        return NEVER
    if len(open_ones) == 1:
        return open_ones[0]
    certain = AddressSet.union_of(each.certain for each in open_ones)
    if all(each.decided for each in open_ones):
        return within(certain)
    reason = next(each.reason for each in open_ones if not each.decided)
    possible = AddressSet.union_of(each.possible for each in open_ones)
    return within(certain) if certain == possible else Decision(certain, possible, reason)


class Match:
    """One condition of a rule."""

    __slots__ = ()

    def decide(self, view: View) -> Decision:
        """For which far addresses the condition holds."""
        raise NotImplementedError


Span: TypeAlias = tuple[int, int]
"""The first and the last of a range of numbers."""


@dataclass(frozen=True, slots=True)
class Enlisted(Match):
    """A look by ``key`` into a set that packets on their way put themselves into."""

    name: str
    key: str
    match: Match

    def decide(self, view: View) -> Decision:
        packet = view.packet
        own = [(done, answer) for done, answer in packet.enlisted if done.name == self.name]
        if not own:
            return view.decide(self.match)
        if any(done.leaves for done, _ in own) or (self.key, packet.answer) not in [
            (done.key, answer) for done, answer in own
        ]:
            return undecided("an earlier rule has changed the set for this packet")
        return ALWAYS


class Side(StrEnum):
    SOURCE = "source"
    DESTINATION = "destination"


@dataclass(frozen=True, slots=True)
class Undecidable(Match):
    reason: str

    def decide(self, view: View) -> Decision:
        return undecided(self.reason)


@dataclass(frozen=True, slots=True)
class Constant(Match):
    """A condition whose answer is the same for every packet that is asked about."""

    holds: bool

    def decide(self, view: View) -> Decision:
        return decided(self.holds)


@dataclass(frozen=True, slots=True)
class Not(Match):
    match: Match

    def decide(self, view: View) -> Decision:
        return opposite(view.decide(self.match))


@dataclass(frozen=True, slots=True)
class AnyOf(Match):
    matches: tuple[Match, ...]

    def decide(self, view: View) -> Decision:
        return any_of(each.decide(view) for each in self.matches)


@dataclass(frozen=True, slots=True)
class AllOf(Match):
    matches: tuple[Match, ...]

    def decide(self, view: View) -> Decision:
        decision = ALWAYS
        for each in self.matches:
            decision = both(decision, each.decide(view))
            if decision is NEVER:
                break
        return decision


def one_of(matches: Iterable[Match]) -> Match:
    """AnyOf, or the match itself where there is only one."""
    found = tuple(matches)
    return found[0] if len(found) == 1 else AnyOf(found)


def all_of(matches: Iterable[Match]) -> Match:
    """AllOf, or the match itself where there is only one."""
    found = tuple(matches)
    return found[0] if len(found) == 1 else AllOf(found)


_HOLDS = Constant(True)


def conditions(matches: Iterable[Match]) -> Iterator[Match]:
    """The single conditions that must all hold, each once, without those that always do."""
    seen: set[Match] = set()
    for match in matches:
        parts = conditions(match.matches) if isinstance(match, AllOf) else (match,)
        for part in parts:
            if part not in seen and part != _HOLDS:
                seen.add(part)
                yield part


@dataclass(frozen=True, slots=True)
class Exceptions(Match):
    """Networks and exceptions within them, the most specific one deciding.

    ``layers`` go from the least specific to the most specific; each says whether its match puts
    addresses in (True) or takes them out.
    """

    layers: tuple[tuple[bool, Match], ...]

    def decide(self, view: View) -> Decision:
        held = NEVER
        for inside, match in self.layers:
            layer = match.decide(view)
            held = any_of((held, layer)) if inside else both(held, opposite(layer))
        return held


@dataclass(frozen=True, slots=True)
class Address(Match):
    """The source or destination address is one of these.

    With ``of_connection`` it is that of the connection's first packet (``ctorigsrc``).
    """

    side: Side
    addresses: AddressSet
    of_connection: bool = False

    def decide(self, view: View) -> Decision:
        if self.side is (view.asking_side if self.of_connection else view.far_side):
            return within(self.addresses)
        if view.near_address is None:
            return undecided("the host's address was translated before")
        return decided(view.near_address in self.addresses)


@dataclass(frozen=True, slots=True)
class FamilyIs(Match):
    ipv6: bool

    def decide(self, view: View) -> Decision:
        return decided(self.ipv6 is view.ipv6)


@dataclass(frozen=True, slots=True)
class Protocol(Match):
    """The transport protocol is one of these numbers."""

    numbers: frozenset[int]

    def decide(self, view: View) -> Decision:
        return decided(view.protocol in self.numbers)


@dataclass(frozen=True, slots=True)
class Ports(Match):
    """The port is in one of these ranges, both ends included."""

    side: Side
    ranges: tuple[tuple[int, int], ...]

    def decide(self, view: View) -> Decision:
        if self.side is view.server_side:
            return decided(any(low <= view.port <= high for low, high in self.ranges))
        return anywhere_in(view.question.ephemeral, self.ranges, "it depends on the client's port")


def anywhere_in(span: Span, ranges: tuple[Span, ...], reason: str) -> Decision:
    """Whether a number from ``span``, which nobody knows more closely, is in ``ranges``."""
    low, high = span
    covered = AddressSet.of(ranges) & AddressSet.of([span])
    if not covered:
        return NEVER
    return ALWAYS if covered.count() == high - low + 1 else undecided(reason)


class Quantity(StrEnum):
    """What a sender chooses within bounds: the packet's length in bytes, and its hop limit."""

    LENGTH = "length"
    HOPS = "hop limit"

    def span(self, view: View) -> Span:
        """The least and the most that it can be.

        A SYN is its headers with 60 bytes of options at most (a frame may pad or prefix it); a
        packet from the Internet has passed a router, so that its hop limit is below 255.
        """
        if self is Quantity.HOPS:
            return (1, 254 if view.far_side is Side.SOURCE else 255)
        headers = 40 if view.ipv6 else 20
        first_ones = view.protocol == 6 and not view.packet.later
        return (headers + 20, headers + 120) if first_ones else (headers + 8, 65535)


@dataclass(frozen=True, slots=True)
class Chosen(Match):
    """What the sender chooses is in one of these ranges, both ends included."""

    quantity: Quantity
    ranges: tuple[tuple[int, int], ...]

    def decide(self, view: View) -> Decision:
        reason = f"the {self.quantity} of the packet is not known"
        return anywhere_in(self.quantity.span(view), self.ranges, reason)


@dataclass(frozen=True, slots=True)
class Interface(Match):
    """The name of the interface that the packet came in by (or goes out by)."""

    incoming: bool
    name: str
    prefix: bool = False

    def decide(self, view: View) -> Decision:
        name = view.interface_in if self.incoming else view.interface_out
        if name is None and self.name in ("", "lo"):
            return decided(self.prefix and not self.name)
        if name is None:
            return undecided("the interface that the packet takes is not known")
        return decided(name.startswith(self.name) if self.prefix else name == self.name)


@dataclass(frozen=True, slots=True)
class TcpFlags(Match):
    """Of the flags in ``mask``, those in ``value`` are set and the others are not."""

    mask: int
    value: int

    def decide(self, view: View) -> Decision:
        return decided(view.tcp_flags & self.mask == self.value)


class Tracking(Enum):
    """What connection tracking knows of the packet."""

    NOT_YET = "NOT_YET"
    NEW = "NEW"
    ESTABLISHED = "ESTABLISHED"
    INVALID = "INVALID"
    UNTRACKED = "UNTRACKED"

    @property
    def has_connection(self) -> bool:
        """Whether there is an entry for the packet that rules can look into."""
        return self in (Tracking.NEW, Tracking.ESTABLISHED)

    @property
    def state(self) -> str:
        """As ``ct state`` tells it."""
        return Tracking.INVALID.value if self is Tracking.NOT_YET else self.value


@dataclass(frozen=True, slots=True)
class State(Match):
    """The connection's state or status is one of these (NEW, UNTRACKED, DNAT, SEEN-REPLY...).

    Before connection tracking has seen the packet its state reads as INVALID
    (net/netfilter/xt_conntrack.c, nft_ct.c).
    """

    names: frozenset[str]

    def decide(self, view: View) -> Decision:
        return decided(not self.names.isdisjoint(_states(view.packet, view.question.direction)))


def _states(packet: Packet, direction: Direction) -> Iterator[str]:
    yield packet.tracking.state
    if packet.tracking.has_connection and packet.translated:
        yield "DNAT" if direction is Direction.IN else "SNAT"
    if packet.tracking is Tracking.ESTABLISHED:
        yield from ("CONFIRMED", "SEEN-REPLY")
        if packet.later:
            yield "ASSURED"


@dataclass(frozen=True, slots=True)
class Tracked(Match):
    """Connection tracking has seen the packet and knows its connection."""

    def decide(self, view: View) -> Decision:
        return decided(view.packet.tracking.has_connection)


@dataclass(frozen=True, slots=True)
class Answering(Match):
    """The packet goes from the connection's server to its client (``ctdir REPLY``)."""

    def decide(self, view: View) -> Decision:
        return decided(view.packet.answer and view.packet.tracking is not Tracking.NEW)


@dataclass(frozen=True, slots=True)
class OriginalPort(Match):
    """The connection's destination port before any translation is in one of these ranges."""

    ranges: tuple[tuple[int, int], ...]

    def decide(self, view: View) -> Decision:
        port = view.question.port
        return decided(any(low <= port <= high for low, high in self.ranges))


@dataclass(frozen=True, slots=True)
class Mark(Match):
    """mark & mask == value; with ``connection`` the connection's mark."""

    value: int
    mask: int
    connection: bool = False

    def decide(self, view: View) -> Decision:
        mark = view.packet.connection_mark if self.connection else view.packet.mark
        if mark is None:
            return undecided("the packet's mark is not known")
        return decided(mark & self.mask == self.value)


_NO_OWNER = "whose socket the packet belongs to is not known"


def _owner_is_unknown(view: View) -> bool:
    """Answers have a socket, and so has what comes in after them (tcp_v4_early_demux())."""
    incoming = view.question.direction is Direction.IN
    return view.packet.answer or (view.packet.later and incoming)


@dataclass(frozen=True, slots=True)
class LocallySent(Match):
    """A socket of this host has sent the packet."""

    def decide(self, view: View) -> Decision:
        if view.packet.onward:
            return NEVER
        if _owner_is_unknown(view):
            return undecided(_NO_OWNER)
        return decided(view.question.direction is Direction.OUT)


@dataclass(frozen=True, slots=True)
class Owner(Match):
    """The sending process's user (or with ``group`` group) id is in one of these ranges."""

    ranges: tuple[tuple[int, int], ...]
    group: bool = False

    def decide(self, view: View) -> Decision:
        if _owner_is_unknown(view):
            return undecided(_NO_OWNER)
        if view.question.direction is Direction.IN:
            return NEVER
        owner = view.question.gid if self.group else view.question.uid
        if owner is None:
            return undecided(f"the mail {'group' if self.group else 'user'} is not known")
        return decided(any(low <= owner <= high for low, high in self.ranges))


@dataclass(frozen=True, slots=True)
class AddressType(Match):
    """The kind of route to the source or destination address (LOCAL, UNICAST...)."""

    side: Side
    types: frozenset[str]

    def decide(self, view: View) -> Decision:
        kind = "LOCAL" if _is_local(self.side, view) else "UNICAST"
        return decided(kind in self.types)


def _is_local(side: Side, view: View) -> bool:
    return side is not view.far_side and not view.packet.onward


_LOOKED_UP = frozenset({"LOCAL", "ANYCAST", "PROHIBIT", "UNREACHABLE"})
_NOT_UNICAST = frozenset({"MULTICAST", "UNSPEC"})


@dataclass(frozen=True, slots=True)
class Addrtype(Match):
    """iptables' addrtype. For IPv6 it asks otherwise than for IPv4 (match_type6, xt_addrtype.c).

    There every address that is not multicast is UNICAST, also a local one, and types that are
    neither looked up nor part of the address itself always match.
    """

    side: Side
    types: frozenset[str]

    def decide(self, view: View) -> Decision:
        if not view.ipv6:
            return AddressType(self.side, self.types).decide(view)
        if self.types & _NOT_UNICAST:
            return NEVER
        if self.types & _LOOKED_UP:
            return decided(_is_local(self.side, view) and "LOCAL" in self.types)
        return ALWAYS
