"""The way of packets through the hooks of netfilter, and the answers' way back.

A packet passes every base chain of a hook, those of all backends, by their priorities. What a
rule sends on to another host is routed there after prerouting and never comes to input.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import groupby

from mailfix.firewall.inquiry import Inquiry
from mailfix.firewall.outcome import Flows
from mailfix.firewall.packet import Packet
from mailfix.firewall.question import Direction
from mailfix.firewall.ruleset import (
    BaseChain,
    Chain,
    CopyMark,
    ForgetMark,
    Hook,
    SetMark,
    Table,
)
from mailfix.firewall.walk import Walk

CONNTRACK_PRIORITY = -200
"""NF_IP_PRI_CONNTRACK: chains before it see no connection."""

NAT_PRIORITIES = {Hook.PREROUTING: -100, Hook.POSTROUTING: 100}
"""NF_IP_PRI_NAT_DST and NF_IP_PRI_NAT_SRC: chains after them see packets translated."""

_ARRIVING = (Hook.INGRESS, Hook.PREROUTING)
_SENDING = (Hook.OUTPUT, Hook.POSTROUTING, Hook.EGRESS)
_IN_TRANSIT = (Hook.FORWARD, Hook.POSTROUTING, Hook.EGRESS)
_TRACKING = (Hook.PREROUTING, Hook.OUTPUT)


def ask(inquiry: Inquiry) -> Flows:
    """Send the first packet on its way; those that arrive."""
    first = Flows()
    first.add(Packet(port=inquiry.question.port), inquiry.space)
    if inquiry.question.direction is Direction.OUT:
        return _through_hooks(inquiry, _SENDING, first)
    arrived = _come_in(inquiry, first)
    inquiry.outcome.arrivals += (
        (packet.port, addresses) for packet, addresses in arrived if not packet.onward
    )
    return arrived


def answer(inquiry: Inquiry, arrived: Flows) -> Flows:
    """Send the answers of those that arrived; the ones that come back."""
    answers = arrived.changed(Packet.answered)
    if inquiry.question.direction is Direction.OUT:
        return _come_in(inquiry, answers)
    from_behind, own = answers.parted(lambda packet: packet.onward)
    back = _through_hooks(inquiry, _SENDING, own)
    for packet, addresses in _come_in(inquiry, from_behind):
        back.add(packet, addresses)
    return back


def go_on(inquiry: Inquiry, answered: Flows) -> Flows:
    """Send the packets that follow the answers; those that arrive."""
    following = answered.changed(Packet.continued)
    if inquiry.question.direction is Direction.OUT:
        return _through_hooks(inquiry, _SENDING, following)
    return _come_in(inquiry, following)


def _come_in(inquiry: Inquiry, flows: Flows) -> Flows:
    """Up to a socket of this host, or through it to another host."""
    routed = _through_hooks(inquiry, _ARRIVING, flows)
    onward, here = routed.parted(lambda packet: packet.onward)
    arrived = _through_hooks(inquiry, (Hook.INPUT,), here)
    for packet, addresses in _through_hooks(inquiry, _IN_TRANSIT, onward):
        arrived.add(packet, addresses)
    return arrived


def _through_hooks(inquiry: Inquiry, hooks: Iterable[Hook], flows: Flows) -> Flows:
    for hook in hooks:
        if flows:
            flows = _through_hook(inquiry, hook, flows)
    return flows


def _through_hook(inquiry: Inquiry, hook: Hook, flows: Flows) -> Flows:
    _mind_the_gaps(inquiry)
    protocol = inquiry.question.protocol
    tracked = hook not in _TRACKING
    for turn, group in groupby(_base_chains(inquiry, hook), lambda each: each[2].turn):
        if not tracked and turn > CONNTRACK_PRIORITY:
            flows = flows.changed(lambda packet: packet.tracked(protocol))
            tracked = True
        if turn > NAT_PRIORITIES.get(hook, turn):
            flows = flows.changed(Packet.turned_over)
        chains = list(group)
        ambiguous = _of_several_tables(chains) and any(_marks(table) for table, _, _ in chains)
        for table, chain, base in chains:
            if ambiguous:
                flows = flows.changed(_unmarked)
            flows = Walk(inquiry, hook, table).through_base_chain(chain, base, flows)
        if ambiguous:
            flows = flows.changed(_unmarked)
    if not tracked:
        flows = flows.changed(lambda packet: packet.tracked(protocol))
    return flows.changed(lambda packet: packet.turned_over(False))


def _mind_the_gaps(inquiry: Inquiry) -> None:
    for gap in inquiry.ruleset.gaps:
        if gap.family in (None, inquiry.question.family):
            inquiry.outcome.may_be_blocked.append(inquiry.space)
            inquiry.outcome.doubt(gap.reason, None, inquiry.space)


def _base_chains(inquiry: Inquiry, hook: Hook) -> list[tuple[Table, Chain, BaseChain]]:
    found = [
        (table, chain, chain.base)
        for table in inquiry.ruleset.tables
        if table.serves(inquiry.question.family)
        for chain in table.chains.values()
        if chain.base is not None and chain.base.hook is hook
    ]
    # Of one priority the newest is asked first (net/netfilter/core.c); nft lists the oldest first.
    return sorted(reversed(found), key=lambda each: (each[2].turn, each[2].priority))


def _of_several_tables(chains: Sequence[tuple[Table, Chain, BaseChain]]) -> bool:
    """Of one table the order of its chains tells which is newer; of several nothing does."""
    return len({id(table) for table, _, _ in chains}) > 1


def _unmarked(packet: Packet) -> Packet:
    """Which chain of one priority comes first depends on which was loaded last."""
    return replace(packet, mark=None, connection_mark=None)


def _marks(table: Table) -> bool:
    return any(
        isinstance(step, (SetMark, ForgetMark, CopyMark))
        for chain in table.chains.values()
        for rule in chain.rules
        for step in rule.steps
    )
