"""The packet on its way, and how a match sees it."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from mailfix.firewall.matches import Decision, Match, Side, Tracking
from mailfix.firewall.question import Direction, Question
from mailfix.firewall.ruleset import Hook
from mailfix.model import Family

PROTOCOL_NUMBERS = {"tcp": 6, "udp": 17}
SYN = 0x02


@dataclass(frozen=True, slots=True)
class Packet:
    """What rules may change on the packet.

    A mark of None is not known. ``translated``: the near address is no longer the question's.
    """

    port: int
    tracking: Tracking = Tracking.NOT_YET
    mark: int | None = 0
    connection_mark: int | None = 0
    translated: bool = False


class View:
    """The packet at one hook. Remembers each match's decision, for rules share matches."""

    __slots__ = (
        "_decisions",
        "far_side",
        "interface_in",
        "interface_out",
        "ipv6",
        "local_address",
        "packet",
        "protocol",
        "question",
        "tcp_flags",
    )

    def __init__(self, question: Question, packet: Packet, hook: Hook) -> None:
        incoming = question.direction is Direction.IN
        sending = hook in (Hook.OUTPUT, Hook.POSTROUTING, Hook.EGRESS)
        self.question = question
        self.packet = packet
        self.far_side = Side.SOURCE if incoming else Side.DESTINATION
        self.interface_in = "" if sending else question.interface
        self.interface_out = question.interface if sending else ""
        self.ipv6 = question.family is Family.IPV6
        self.local_address = int(ipaddress.ip_address(question.local_address.partition("%")[0]))
        self.protocol = PROTOCOL_NUMBERS.get(question.protocol, -1)
        self.tcp_flags = SYN if question.protocol == "tcp" else 0
        self._decisions: dict[int, Decision] = {}

    def decide(self, match: Match) -> Decision:
        """``match.decide(self)``, worked out once."""
        known = self._decisions.get(id(match))
        if known is None:
            known = self._decisions[id(match)] = match.decide(self)
        return known
