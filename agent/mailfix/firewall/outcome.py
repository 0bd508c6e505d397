"""What becomes of packets on their way: the fates that addresses may have, and who decided them.

An address may have several fates: it passes if all of them are to pass, it is blocked if all of
them are to be blocked, and otherwise it is undecided.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from mailfix.firewall.addresses import AddressSet
from mailfix.firewall.packet import Packet
from mailfix.firewall.ruleset import Chain, Hook, Rule, RuleRef, Table
from mailfix.firewall.segments import Item, Run, Single
from mailfix.firewall.snapshots import Found, united


class Place:
    """A rule, a run of like rules or (None) the policy; compared by identity, which is fast."""

    __slots__ = ("chain", "item", "table")

    def __init__(self, table: Table, chain: Chain, item: Item | None) -> None:
        self.table = table
        self.chain = chain
        self.item = item

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Place) and self.chain is other.chain and self.item is other.item

    def __hash__(self) -> int:
        return hash((id(self.chain), id(self.item)))

    @property
    def is_single(self) -> bool:
        return isinstance(self.item, Single)

    def ref(self, addresses: AddressSet | None = None) -> RuleRef:
        """The policy, the rule, or the first rule of a run that concerns ``addresses``."""
        if self.item is None:
            return self.table.policy_ref(self.chain)
        return self.table.ref(self.chain, _rule_of(self._members(addresses)[0]))

    def refs(self, addresses: AddressSet) -> list[RuleRef]:
        """All rules that concern ``addresses``, or the policy."""
        if self.item is None:
            return [self.ref()]
        return [self.table.ref(self.chain, _rule_of(each)) for each in self._members(addresses)]

    def count(self, addresses: AddressSet) -> int:
        """How many rules concern ``addresses``; a policy is one."""
        return self.item.count(addresses) if isinstance(self.item, Run) else 1

    def _members(self, addresses: AddressSet | None) -> Sequence[Rule | Single]:
        match self.item:
            case Run():
                return self.item.singles if addresses is None else self.item.concerned(addresses)
            case Rule() | Single():
                return (self.item,)
        return ()


def _rule_of(item: Rule | Single) -> Rule:
    return item if isinstance(item, Rule) else item.rule


class Flows:
    """Address sets by the packet's condition."""

    __slots__ = ("_sets",)

    def __init__(self) -> None:
        self._sets: dict[Packet, list[Found]] = {}

    def add(self, packet: Packet, addresses: Found) -> None:
        if addresses:
            self._sets.setdefault(packet, []).append(addresses)

    def __bool__(self) -> bool:
        return bool(self._sets)

    def __iter__(self) -> Iterator[tuple[Packet, AddressSet]]:
        for packet, sets in self._sets.items():
            yield packet, united(sets)

    def changed(self, change: Callable[[Packet], Packet]) -> Flows:
        """The same addresses, each packet changed."""
        changed = Flows()
        for packet, sets in self._sets.items():
            for addresses in sets:
                changed.add(change(packet), addresses)
        return changed

    def parted(self, holds: Callable[[Packet], bool]) -> tuple[Flows, Flows]:
        """The packets for which ``holds`` does, and the others."""
        those, others = Flows(), Flows()
        for packet, sets in self._sets.items():
            part = those if holds(packet) else others
            part._sets[packet] = sets
        return those, others


class Blocking(NamedTuple):
    """What stopped a packet, by ``action``, on which hook.

    ``answer`` and ``later`` tell which of a connection's packets it was. ``path`` are the rules
    that sent it into the chain, the base chain's first.
    """

    place: Place
    action: str
    hook: Hook
    answer: bool
    later: bool
    path: tuple[Place, ...]

    @property
    def key(self) -> tuple[int, int, Hook, bool, bool]:
        """The same for what one rule blocks on one hook."""
        return id(self.place.chain), id(self.place.item), self.hook, self.answer, self.later

    @property
    def key_of_list(self) -> tuple[int, str, Hook, bool, bool]:
        """The same for what a chain's rules block alike on one hook."""
        return id(self.place.chain), self.action, self.hook, self.answer, self.later


@dataclass(slots=True)
class Outcome:
    """The fates that addresses may have. ``blocks`` and ``doubts`` are in the packet's order.

    ``redirects`` tell which rule sends on to which port of the host; ``arrivals`` at which of its
    ports first packets arrive.
    """

    passes: list[Found] = field(default_factory=list)
    blocks: list[tuple[Blocking, Found]] = field(default_factory=list)
    may_be_blocked: list[Found] = field(default_factory=list)
    doubts: list[tuple[str, Place | None, Found]] = field(default_factory=list)
    redirects: list[tuple[Place, int, AddressSet]] = field(default_factory=list)
    arrivals: list[tuple[int, AddressSet]] = field(default_factory=list)

    def size(self) -> int:
        """Grows with everything that is recorded."""
        return len(self.passes) + len(self.blocks) + len(self.may_be_blocked) + len(self.doubts)

    def doubt(self, reason: str, place: Place | None, addresses: Found) -> None:
        self.doubts.append((reason, place, addresses))

    def may_pass_or_not(self, reason: str, place: Place | None, addresses: Found) -> None:
        """The end of what can be followed."""
        self.passes.append(addresses)
        self.may_be_blocked.append(addresses)
        self.doubt(reason, place, addresses)
