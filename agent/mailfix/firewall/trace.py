"""What a packet set meets on its way, noted down for those who want to see it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from mailfix.firewall.addresses import AddressSet
from mailfix.firewall.outcome import Place
from mailfix.firewall.packet import Packet
from mailfix.firewall.ruleset import BaseChain, Chain, Hook, Table


class Deed(StrEnum):
    """What a rule did to packets."""

    ACCEPT = "accept"
    DROP = "drop"
    REJECT = "reject"
    RETURN = "return"
    JUMP = "jump"
    GOTO = "goto"
    MARK = "mark"
    UNTRACK = "untrack"
    ENLIST = "enlist"
    REDIRECT = "redirect"
    FORWARD = "forward"
    TRANSLATE = "translate"
    ELSEWHERE = "elsewhere"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class Note:
    """``depth`` counts the chains that called each other, 0 in a base chain."""

    depth: int
    place: Place
    deed: Deed
    detail: str
    addresses: AddressSet


@dataclass(slots=True)
class Visit:
    """Packets in one condition in one base chain."""

    hook: Hook
    table: Table
    chain: Chain
    base: BaseChain
    packet: Packet
    entered: AddressSet
    notes: list[Note] = field(default_factory=list)


class Trace:
    """All visits in the packets' order."""

    def __init__(self) -> None:
        self.visits: list[Visit] = []

    def enter(
        self,
        hook: Hook,
        table: Table,
        chain: Chain,
        base: BaseChain,
        packet: Packet,
        entered: AddressSet,
    ) -> None:
        self.visits.append(Visit(hook, table, chain, base, packet, entered))

    def note(
        self, depth: int, place: Place, deed: Deed, detail: str, addresses: AddressSet
    ) -> None:
        self.visits[-1].notes.append(Note(depth, place, deed, detail, addresses))
