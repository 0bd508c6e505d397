"""The packet on its way, and how a match sees it."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, replace

from mailfix.firewall.matches import Decision, Match, Side, Tracking
from mailfix.firewall.question import Direction, Question
from mailfix.firewall.ruleset import Hook
from mailfix.model import Family

PROTOCOL_NUMBERS = {"tcp": 6, "udp": 17}
SYN, ACK = 0x02, 0x10


@dataclass(frozen=True, slots=True)
class Packet:
    """What rules may change on the packet, and whether it asks or answers.

    ``port`` is the server's. A mark of None is not known. ``translated``: the near address is
    no longer the question's. ``answer`` is the second packet of the connection, SYN and ACK.
    """

    port: int
    tracking: Tracking = Tracking.NOT_YET
    mark: int | None = 0
    connection_mark: int | None = 0
    translated: bool = False
    answer: bool = False

    def answered(self) -> Packet:
        """The answer to this packet as it sets out, when it has arrived in this condition.

        The answer to a packet that was not tracked is INVALID to connection tracking, as would be
        any SYN with ACK that belongs to no connection (net/netfilter/nf_conntrack_proto_tcp.c).
        """
        known = self.tracking.has_connection
        return replace(
            self, tracking=Tracking.NOT_YET if known else Tracking.INVALID, mark=0, answer=True
        )


_SIDES = {
    Direction.IN: (Side.SOURCE, Side.DESTINATION),
    Direction.OUT: (Side.DESTINATION, Side.SOURCE),
}


class View:
    """The packet at one hook. Remembers each match's decision, for rules share matches.

    ``far_side`` is where the packet has the Internet's address, ``asking_side`` where the first
    packet has it. ``server_side`` has one of ``ports``, the other side the client's.
    """

    __slots__ = (
        "_decisions",
        "asking_side",
        "far_side",
        "interface_in",
        "interface_out",
        "ipv6",
        "local_address",
        "packet",
        "ports",
        "protocol",
        "question",
        "server_side",
        "tcp_flags",
    )

    def __init__(self, question: Question, packet: Packet, hook: Hook) -> None:
        sending = hook in (Hook.OUTPUT, Hook.POSTROUTING, Hook.EGRESS)
        self.question = question
        self.packet = packet
        self.asking_side, other_side = _SIDES[question.direction]
        self.far_side = other_side if packet.answer else self.asking_side
        self.server_side = Side.SOURCE if packet.answer else Side.DESTINATION
        self.interface_in = "" if sending else question.interface
        self.interface_out = question.interface if sending else ""
        self.ipv6 = question.family is Family.IPV6
        self.local_address = int(ipaddress.ip_address(question.local_address.partition("%")[0]))
        self.protocol = PROTOCOL_NUMBERS.get(question.protocol, -1)
        flags = SYN | ACK if packet.answer else SYN
        self.tcp_flags = flags if question.protocol == "tcp" else 0
        leaving = packet.answer and hook in (Hook.POSTROUTING, Hook.EGRESS)
        self.ports = {packet.port, question.port} if leaving else {packet.port}
        self._decisions: dict[int, Decision] = {}

    def decide(self, match: Match) -> Decision:
        """``match.decide(self)``, worked out once."""
        known = self._decisions.get(id(match))
        if known is None:
            known = self._decisions[id(match)] = match.decide(self)
        return known
