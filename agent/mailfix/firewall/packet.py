"""The packet on its way, and how a match sees it."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, replace

from mailfix.firewall.matches import ALWAYS, Decision, Match, Side, Tracking, both
from mailfix.firewall.protocols import PROTOCOLS
from mailfix.firewall.question import Direction, Question
from mailfix.firewall.ruleset import CopyMark, Enlist, ForgetMark, Hook, SetMark, Step, Untrack
from mailfix.model import Family

SYN, ACK = 0x02, 0x10


@dataclass(frozen=True, slots=True)
class Packet:
    """What rules may change on the packet, and which of a connection's it is.

    ``port`` is the server's. A mark of None is not known. ``translated``: the near address is
    no longer the question's but ``target`` (None: not known), which with ``onward`` is another
    host's. ``answer`` is the second packet of the connection, SYN and ACK, ``later`` the third,
    an ACK, which all that follow are like; with ``orphaned`` nobody has tracked the first, with
    ``forgotten`` nobody has tracked the answer. ``turned``: the hook that it is on has translated
    it by what is known of its connection. ``enlisted`` are the sets that packets of the connection
    have put themselves into, each with whether that was an answer.
    """

    port: int
    tracking: Tracking = Tracking.NOT_YET
    mark: int | None = 0
    connection_mark: int | None = 0
    translated: bool = False
    target: int | None = None
    onward: bool = False
    answer: bool = False
    later: bool = False
    orphaned: bool = False
    forgotten: bool = False
    turned: bool = False
    enlisted: frozenset[tuple[Enlist, bool]] = frozenset()

    def answered(self) -> Packet:
        """The answer to this packet as it sets out, when it has arrived in this condition."""
        return replace(
            self,
            tracking=Tracking.NOT_YET,
            mark=0,
            answer=True,
            orphaned=not self.tracking.has_connection,
        )

    def continued(self) -> Packet:
        """The packet that follows this answer as it sets out."""
        return replace(
            self,
            tracking=Tracking.NOT_YET,
            mark=0,
            answer=False,
            later=True,
            forgotten=not self.tracking.has_connection,
        )

    def tracked(self, protocol: str) -> Packet:
        """The packet as connection tracking leaves it, which does not look at exempted ones.

        The answer to a packet that was not tracked belongs to no connection: a SYN with ACK is
        INVALID then, a datagram a connection's first, and so is an ACK. An ACK that follows an
        answer that was not tracked is INVALID (net/netfilter/nf_conntrack_proto_tcp.c).
        """
        if self.tracking is not Tracking.NOT_YET:
            return self
        return replace(self, tracking=self._state(protocol))

    def _state(self, protocol: str) -> Tracking:
        if not self.answer and not self.later:
            return Tracking.NEW
        if self.orphaned:
            lost = self.answer and protocol == "tcp"
            return Tracking.INVALID if lost else Tracking.NEW
        if self.later and self.forgotten:
            return Tracking.INVALID if protocol == "tcp" else Tracking.NEW
        return Tracking.ESTABLISHED

    def turned_over(self, turned: bool = True) -> Packet:
        """As the hook leaves it that translates all but the first packet of a connection."""
        return replace(self, turned=turned) if self.translated else self

    def changed(self, step: Step) -> Packet:
        """The packet after a step that marks it, enlists it or exempts it from tracking."""
        if _of_connection(step) and not self.tracking.has_connection:
            return self
        match step:
            case SetMark(value, mask, True):
                mark = _marked(self.connection_mark, value, mask)
                return replace(self, connection_mark=mark)
            case SetMark(value, mask):
                return replace(self, mark=_marked(self.mark, value, mask))
            case ForgetMark(True):
                return replace(self, connection_mark=None)
            case ForgetMark():
                return replace(self, mark=None)
            case CopyMark(True, taken, replaced):
                mark = _marked(self.connection_mark, _bits(self.mark, taken), replaced)
                return replace(self, connection_mark=mark)
            case CopyMark(_, replaced, taken):
                mark = _marked(self.mark, _bits(self.connection_mark, taken), replaced)
                return replace(self, mark=mark)
            case Enlist():
                return replace(self, enlisted=self.enlisted | {(step, self.answer)})
            case Untrack() if self.tracking in (Tracking.NOT_YET, Tracking.INVALID):
                return replace(self, tracking=Tracking.UNTRACKED)
        return self


def _of_connection(step: Step) -> bool:
    return isinstance(step, CopyMark) or (
        isinstance(step, (SetMark, ForgetMark)) and step.connection
    )


def _marked(mark: int | None, value: int | None, mask: int) -> int | None:
    if mask == 0xFFFFFFFF:
        return value
    return None if mark is None or value is None else (mark & ~mask & 0xFFFFFFFF) ^ value


def _bits(mark: int | None, mask: int) -> int | None:
    return None if mark is None else mark & mask


_SIDES = {
    Direction.IN: (Side.SOURCE, Side.DESTINATION),
    Direction.OUT: (Side.DESTINATION, Side.SOURCE),
}
_BEFORE_ROUTING = (Hook.INGRESS, Hook.PREROUTING, Hook.INPUT)


class View:
    """The packet at one hook. Remembers each match's decision, for rules share matches.

    ``far_side`` is where the packet has the Internet's address, ``asking_side`` where the
    connection's first packet has it. ``near_address`` is on the other side, None where it is not
    known. ``server_side`` has ``port``, the other side the client's. An interface is ""
    where there is none and None where it is not known.
    """

    __slots__ = (
        "_decisions",
        "_together",
        "asking_side",
        "far_side",
        "interface_in",
        "interface_out",
        "ipv6",
        "near_address",
        "packet",
        "port",
        "protocol",
        "question",
        "server_side",
        "tcp_flags",
    )

    def __init__(self, question: Question, packet: Packet, hook: Hook) -> None:
        first_side, other_side = _SIDES[question.direction]
        self.question = question
        self.packet = packet
        self.far_side = other_side if packet.answer else first_side
        opens = packet.answer and packet.tracking is Tracking.NEW
        self.asking_side = self.far_side if opens else first_side
        self.server_side = Side.SOURCE if packet.answer else Side.DESTINATION
        self.interface_in, self.interface_out = _interfaces(question, packet, hook)
        self.ipv6 = question.family is Family.IPV6
        self.near_address = _near_address(question, packet, hook)
        self.protocol = PROTOCOLS.get(question.protocol, -1)
        self.tcp_flags = _tcp_flags(packet) if question.protocol == "tcp" else 0
        self.port = _server_port(question, packet, hook)
        self._decisions: dict[int, Decision] = {}
        self._together: dict[int, Decision] = {}

    def decide(self, match: Match) -> Decision:
        """``match.decide(self)``, worked out once."""
        known = self._decisions.get(id(match))
        if known is None:
            known = self._decisions[id(match)] = match.decide(self)
        return known

    def decide_all(self, matches: tuple[Match, ...]) -> Decision:
        """Whether all of a row of matches hold, worked out once for each row."""
        known = self._together.get(id(matches))
        if known is None:
            known = ALWAYS
            for match in matches:
                known = both(known, self.decide(match))
            self._together[id(matches)] = known
        return known


def _interfaces(question: Question, packet: Packet, hook: Hook) -> tuple[str | None, str | None]:
    """By which interfaces the packet comes in and goes out."""
    outside = question.interface or None
    inside: str | None = ""
    if packet.onward and packet.target is not None:
        inside = question.interface_to(packet.target) or None
    from_outside = (question.direction is Direction.IN) is not packet.answer
    comes, goes = (outside, inside) if from_outside else (inside, outside)
    return comes, "" if hook in _BEFORE_ROUTING else goes


def _tcp_flags(packet: Packet) -> int:
    if packet.later:
        return ACK
    return SYN | ACK if packet.answer else SYN


_ON_THE_WAY = tuple(Hook)


def _shows_translation(question: Question, packet: Packet, hook: Hook) -> bool:
    """Whether the packet has the near address and the port that translation has given it.

    The first packet has them as soon as it is translated. Later ones are translated on the same
    hook, before its chains of a later priority than NAT's; answers are translated back when they
    leave for the client, or when they come in to it.
    """
    if not packet.translated or not (packet.answer or packet.later):
        return packet.translated
    inward = (question.direction is Direction.IN) is packet.later
    translating = Hook.PREROUTING if inward else Hook.POSTROUTING
    passed = packet.turned or _ON_THE_WAY.index(hook) > _ON_THE_WAY.index(translating)
    changed = passed and packet.tracking.has_connection
    return changed if packet.later else not changed


def _near_address(question: Question, packet: Packet, hook: Hook) -> int | None:
    if _shows_translation(question, packet, hook):
        return packet.target
    return int(ipaddress.ip_address(question.local_address.partition("%")[0]))


def _server_port(question: Question, packet: Packet, hook: Hook) -> int:
    if packet.translated and not _shows_translation(question, packet, hook):
        return question.port
    return packet.port
