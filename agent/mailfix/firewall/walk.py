"""Packets on their way through one base chain and those that it calls, rule by rule.

A match that cannot be decided lets the same addresses go both ways.
"""

from __future__ import annotations

import ipaddress
from dataclasses import replace
from typing import TypeAlias

from mailfix.firewall.addresses import AddressSet
from mailfix.firewall.inquiry import Inquiry, TooMuchEffort
from mailfix.firewall.matches import ALWAYS, NEVER, Decision, Match, Tracking, both, within
from mailfix.firewall.outcome import Blocking, Flows, Place
from mailfix.firewall.packet import Packet, View
from mailfix.firewall.remaining import Remaining
from mailfix.firewall.ruleset import (
    Accept,
    BaseChain,
    Block,
    Chain,
    Choice,
    CopyMark,
    Elsewhere,
    Enlist,
    ForgetMark,
    Goto,
    Hook,
    Jump,
    Return,
    Rule,
    SendOn,
    SetMark,
    Step,
    Table,
    Translate,
    Uncertain,
    Untrack,
    Verb,
)
from mailfix.firewall.segments import Item, Run, Single
from mailfix.firewall.snapshots import Found, written
from mailfix.firewall.trace import Deed

MAX_DEPTH = 64
"""Chains called from chains; nft allows 16."""
MAX_STREAMS = 256
"""Conditions that the packets in one chain are told apart by."""
_LOOPBACK = 127 << 24, 128 << 24

_CHANGES = (SetMark, ForgetMark, CopyMark, Untrack, Enlist)
_DEEDS = {Untrack: Deed.UNTRACK, Enlist: Deed.ENLIST}
Call: TypeAlias = Jump | Goto


class Stream:
    """Packets in one condition on their way through one chain."""

    __slots__ = ("packet", "remaining", "view")

    def __init__(self, view: View, addresses: AddressSet) -> None:
        self.view = view
        self.packet = view.packet
        self.remaining = Remaining(addresses)


class ChainVisit:
    """One chain being walked: the streams in it, and what returns to its caller."""

    __slots__ = ("chain", "depth", "joining", "returned", "streams")

    def __init__(self, chain: Chain, depth: int) -> None:
        self.chain = chain
        self.depth = depth
        self.streams: dict[Packet, Stream] = {}
        self.joining: list[tuple[Packet, AddressSet]] = []
        self.returned = Flows()


class Walk:
    """Everything that one base chain does to packets on its hook."""

    def __init__(self, inquiry: Inquiry, hook: Hook, table: Table) -> None:
        self._inquiry = inquiry
        self._outcome = inquiry.outcome
        self._hook = hook
        self._table = table
        self._path: list[Place] = []
        self._unmoved: dict[tuple[int, Packet], AddressSet] = {}
        self._accepted = Flows()

    def through_base_chain(self, chain: Chain, base: BaseChain, flows: Flows) -> Flows:
        """The packets that the chain lets on to the next one."""
        for packet, addresses in flows:
            if not self._sees(base, packet):
                self._accepted.add(packet, addresses)
                continue
            if self._inquiry.trace:
                trace = self._inquiry.trace
                trace.enter(self._hook, self._table, chain, base, packet, addresses)
            for left, rest in self._through_chain(chain, packet, addresses, 0):
                self._take_policy(chain, base, left, rest)
        return self._accepted

    def _sees(self, base: BaseChain, packet: Packet) -> bool:
        if base.devices is not None:
            view = self._inquiry.view(self._hook, packet)
            device = view.interface_in if self._hook is Hook.INGRESS else view.interface_out
            return device in base.devices
        return not base.nat or _nat_sees(packet, self._hook)

    def _take_policy(
        self, chain: Chain, base: BaseChain, packet: Packet, addresses: AddressSet
    ) -> None:
        policy = Place(self._table, chain, None)
        if isinstance(base.policy, Block):
            self._block(policy, base.policy.action, packet, addresses)
            self._note(0, policy, Deed.DROP, "", addresses)
        else:
            self._accepted.add(packet, addresses)
            self._note(0, policy, Deed.ACCEPT, "", addresses)

    def _through_chain(
        self, chain: Chain, packet: Packet, addresses: AddressSet, depth: int
    ) -> Flows:
        """What comes out at the chain's end or returns from it."""
        visit = ChainVisit(chain, depth)
        first = self._stream(visit, packet, addresses)
        streams = [first]
        for item in chain.segments.met(first.view, self._inquiry.asked):
            self._inquiry.spend(len(streams))
            left = [stream for stream in streams if stream.remaining]
            if not left:
                break
            for stream in left:
                self._take_item(visit, stream, item)
            if visit.joining:
                self._join(visit)
                streams = list(visit.streams.values())
                if len(streams) > MAX_STREAMS:
                    raise TooMuchEffort
        for stream in streams:
            visit.returned.add(stream.packet, stream.remaining.whole())
        return visit.returned

    def _stream(self, visit: ChainVisit, packet: Packet, addresses: AddressSet) -> Stream:
        stream = Stream(self._inquiry.view(self._hook, packet), addresses)
        visit.streams[packet] = stream
        return stream

    def _join(self, visit: ChainVisit) -> None:
        for packet, addresses in visit.joining:
            stream = visit.streams.get(packet)
            if stream is None:
                self._stream(visit, packet, addresses)
            else:
                stream.remaining.become(stream.remaining.whole() | addresses)
        visit.joining.clear()

    def _take_item(self, visit: ChainVisit, stream: Stream, item: Item) -> None:
        if isinstance(item, Rule):
            self._take_steps(visit, stream, item, item.steps)
            return
        view = stream.view
        if item.side is not view.far_side:
            self._take_near(visit, stream, item)
            return
        decision = view.decide_all(item.conditions)
        if decision is ALWAYS:
            self._take_hit(visit, stream, item)
        elif decision is not NEVER:
            decision = both(decision, within(item.addresses))
            self._take_verb(visit, stream, item, decision, item.verb)

    def _take_near(self, visit: ChainVisit, stream: Stream, item: Single | Run) -> None:
        """The addresses are the host's, of which there is one."""
        near = stream.view.near_address
        if near is not None and near not in item.addresses:
            return
        for single in item.singles if isinstance(item, Run) else (item,):
            self._take_steps(visit, stream, single, single.rule.steps)

    def _take_hit(self, visit: ChainVisit, stream: Stream, item: Single | Run) -> None:
        """All but the addresses is certain to hold."""
        remaining = stream.remaining
        if not isinstance(item.verb, (Accept, Block, Return)):
            self._take_verb(visit, stream, item, within(item.addresses), item.verb)
            return
        if isinstance(item, Run) and item.is_large:
            hit, left = item.cut(remaining.whole())
            remaining.become(left)
        else:
            hit = remaining.take(item.addresses)
        if hit:
            self._end(visit, stream.packet, item, item.verb, hit)

    def _take_steps(
        self, visit: ChainVisit, stream: Stream, item: Item, steps: tuple[Step, ...]
    ) -> None:
        decision = ALWAYS
        for index, step in enumerate(steps):
            if isinstance(step, Match):
                decision = both(decision, stream.view.decide(step))
                if decision is NEVER:
                    return
            elif isinstance(step, _CHANGES):
                self._change(visit, stream, item, decision, steps[index:])
                return
            elif isinstance(step, Choice):
                for match, verb in step.branches:
                    branch = both(decision, stream.view.decide(match))
                    if branch is not NEVER:
                        self._take_verb(visit, stream, item, branch, verb)
                return
            else:
                self._take_verb(visit, stream, item, decision, step)
                return

    def _take_verb(
        self, visit: ChainVisit, stream: Stream, item: Item, decision: Decision, verb: Verb
    ) -> None:
        if isinstance(verb, Jump | Goto):
            self._call(visit, stream, item, decision, verb)
        elif isinstance(verb, Uncertain):
            self._take_uncertain(visit, stream, item, decision, verb)
        elif decision.decided:
            taken = stream.remaining.take(decision.certain)
            if taken:
                self._end(visit, stream.packet, item, verb, taken)
        else:
            hit = self._found(stream, decision.possible)
            if hit:
                self._end(visit, stream.packet, item, verb, hit)
                stream.remaining.take(decision.certain)
                self._doubt(visit, item, decision.reason, hit - decision.certain)

    def _take_uncertain(
        self, visit: ChainVisit, stream: Stream, item: Item, decision: Decision, verb: Uncertain
    ) -> None:
        hit = self._found(stream, decision.possible)
        if hit:
            self._doubt(visit, item, verb.reason, hit)
            self._outcome.may_be_blocked.append(hit)
            self._accepted.add(stream.packet, hit)

    def _found(self, stream: Stream, addresses: AddressSet) -> Found:
        """Who wants to see the way wants to see the addresses at each step."""
        remaining = stream.remaining
        traced = self._inquiry.trace is not None
        return remaining.shared_with(addresses) if traced else remaining.found(addresses)

    def _end(self, visit: ChainVisit, packet: Packet, item: Item, verb: Verb, hit: Found) -> None:
        """A verdict that ends the way through this chain."""
        place = self._place(visit, item)
        match verb:
            case Accept():
                self._accepted.add(packet, hit)
                self._note(visit.depth, place, Deed.ACCEPT, "", hit)
            case Return():
                visit.returned.add(packet, hit)
                self._note(visit.depth, place, Deed.RETURN, "", hit)
            case Block(action):
                self._block(place, action, packet, hit)
                deed = Deed.DROP if action == "DROP" else Deed.REJECT
                self._note(visit.depth, place, deed, action, hit)
            case Translate(port):
                self._translate(visit, packet, place, port, written(hit))
            case SendOn():
                self._send_on(visit, packet, place, verb, written(hit))
            case Elsewhere(reason):
                self._elsewhere(visit, place, reason, hit)

    def _block(self, place: Place, action: str, packet: Packet, hit: Found) -> None:
        path = tuple(self._path)
        blocking = Blocking(place, action, self._hook, packet.answer, packet.later, path)
        self._outcome.blocks.append((blocking, hit))

    def _translate(
        self, visit: ChainVisit, packet: Packet, place: Place, port: int | None, hit: AddressSet
    ) -> None:
        """The near address is translated: coming in to the host itself, going out by SNAT."""
        if self._hook is Hook.OUTPUT:
            self._elsewhere(visit, place, "redirected to the host itself", hit)
            return
        if self._hook is Hook.POSTROUTING and packet.onward:
            self._elsewhere(visit, place, "sent on in the host's own name", hit)
            return
        port = packet.port if port is None else port
        self._outcome.redirects.append((place, port, hit))
        sent = replace(packet, port=port, translated=True, target=self._own_address())
        self._accepted.add(sent, hit)
        deed = Deed.TRANSLATE if self._hook is Hook.POSTROUTING else Deed.REDIRECT
        self._note(visit.depth, place, deed, f"port {port}", hit)

    def _own_address(self) -> int | None:
        """Where a redirected packet arrives, which is known where there is one address only."""
        own = self._inquiry.own_addresses
        return next(iter(own)) if len(own) == 1 and self._hook is Hook.PREROUTING else None

    def _send_on(
        self, visit: ChainVisit, packet: Packet, place: Place, verb: SendOn, hit: AddressSet
    ) -> None:
        question = self._inquiry.question
        near = self._inquiry.view(self._hook, packet).near_address
        target = near if verb.address is None else verb.address
        port = packet.port if verb.port is None else verb.port
        obstacle = self._obstacle(target)
        if obstacle or target is None:
            self._elsewhere(visit, place, obstacle, hit)
            return
        onward = target not in self._inquiry.own_addresses
        sent = replace(packet, port=port, translated=True, target=target, onward=onward)
        self._accepted.add(sent, hit)
        if onward:
            name = _address_text(target, ipv6=question.family.value == "ipv6")
            self._note(visit.depth, place, Deed.FORWARD, f"{name} port {port}", hit)
        else:
            self._outcome.redirects.append((place, port, hit))
            self._note(visit.depth, place, Deed.REDIRECT, f"port {port}", hit)

    def _obstacle(self, target: int | None) -> str:
        """Why it cannot be told what becomes of packets that are sent on to ``target``."""
        question = self._inquiry.question
        if target is None:
            return "sent on to an address that is not known"
        name = _address_text(target, ipv6=question.family.value == "ipv6")
        if self._hook is not Hook.PREROUTING:
            return f"sent on to {name}"
        if target in self._inquiry.own_addresses:
            return ""
        if target == 1 or _LOOPBACK[0] <= target < _LOOPBACK[1]:
            return f"sent on to {name}, which route_localnet decides"
        if question.forwarding:
            return ""
        state = "does not forward" if question.forwarding is False else "may not forward"
        return f"sent on to {name}, but this host {state} packets"

    def _call(
        self, visit: ChainVisit, stream: Stream, item: Item, decision: Decision, verb: Call
    ) -> None:
        """Send the packets through another chain."""
        hit = stream.remaining.shared_with(decision.possible)
        if not hit:
            return
        chain = self._table.chains.get(verb.chain)
        problem = self._problem_with(chain, visit, verb.chain)
        if chain is None or problem:
            self._take_uncertain(visit, stream, item, decision, Uncertain(problem))
            return
        if isinstance(verb, Jump) and self._unmoved.get((id(chain), stream.packet)) == hit:
            return
        recorded = self._outcome.size()
        flows = self._called(visit, stream.packet, item, verb, chain, hit)
        if isinstance(verb, Jump) and flows == [(stream.packet, hit)]:
            if recorded == self._outcome.size() and not self._inquiry.trace:
                self._unmoved[id(chain), stream.packet] = hit
            return
        self._take_called(visit, stream, decision.certain & hit, flows, verb)
        if not decision.decided:
            self._doubt(visit, item, decision.reason, hit - decision.certain)

    def _take_called(
        self,
        visit: ChainVisit,
        stream: Stream,
        gone: AddressSet,
        flows: list[tuple[Packet, AddressSet]],
        verb: Call,
    ) -> None:
        """All of ``gone`` went into the chain that was called; ``flows`` came out of it."""
        for packet, addresses in flows:
            if isinstance(verb, Goto):
                visit.returned.add(packet, addresses)
            elif packet == stream.packet:
                gone -= addresses
            else:
                visit.joining.append((packet, addresses))
        stream.remaining.take(gone)

    def _called(
        self,
        visit: ChainVisit,
        packet: Packet,
        item: Item,
        verb: Call,
        chain: Chain,
        hit: AddressSet,
    ) -> list[tuple[Packet, AddressSet]]:
        place = self._place(visit, item)
        deed = Deed.JUMP if isinstance(verb, Jump) else Deed.GOTO
        self._note(visit.depth, place, deed, chain.name, hit)
        self._path.append(place)
        flows = list(self._through_chain(chain, packet, hit, visit.depth + 1))
        self._path.pop()
        return flows

    def _problem_with(self, chain: Chain | None, visit: ChainVisit, name: str) -> str:
        if chain is None:
            return f"there is no chain {name!r}"
        if chain is visit.chain or any(place.chain is chain for place in self._path):
            return f"chain {name!r} is called in a circle"
        if visit.depth >= MAX_DEPTH:
            return f"chains call each other more than {MAX_DEPTH} deep"
        return ""

    def _change(
        self,
        visit: ChainVisit,
        stream: Stream,
        item: Item,
        decision: Decision,
        steps: tuple[Step, ...],
    ) -> None:
        """The packet's condition changes; what the rule still does happens to it changed."""
        hit = stream.remaining.shared_with(decision.possible)
        changed = stream.packet.changed(steps[0])
        if not hit:
            return
        if changed == stream.packet and decision.decided and len(steps) == 1:
            return
        if not decision.decided:
            self._doubt(visit, item, decision.reason, hit - decision.certain)
        deed = _DEEDS.get(type(steps[0]), Deed.MARK)
        self._note(visit.depth, self._place(visit, item), deed, "", hit)
        stream.remaining.take(decision.certain)
        branch = Stream(self._inquiry.view(self._hook, changed), hit)
        self._take_steps(visit, branch, item, steps[1:])
        if branch.remaining:
            visit.joining.append((changed, branch.remaining.whole()))

    def _elsewhere(self, visit: ChainVisit, place: Place, reason: str, hit: Found) -> None:
        self._outcome.may_pass_or_not(reason, place, hit)
        self._note(visit.depth, place, Deed.ELSEWHERE, reason, hit)

    def _doubt(self, visit: ChainVisit, item: Item, reason: str, addresses: Found) -> None:
        place = self._place(visit, item)
        self._outcome.doubt(reason, place, addresses)
        self._note(visit.depth, place, Deed.UNDECIDED, reason, addresses)

    def _place(self, visit: ChainVisit, item: Item) -> Place:
        return Place(self._table, visit.chain, item)

    def _note(self, depth: int, place: Place, deed: Deed, detail: str, addresses: Found) -> None:
        if self._inquiry.trace:
            self._inquiry.trace.note(depth, place, deed, detail, written(addresses))


def _nat_sees(packet: Packet, hook: Hook) -> bool:
    """A nat chain sees tracked connections, and on a hook only until one has translated them."""
    here = Hook.PREROUTING if packet.onward else hook
    done = packet.translated and hook is here and hook in (Hook.PREROUTING, Hook.POSTROUTING)
    return packet.tracking is Tracking.NEW and not done


def _address_text(number: int, *, ipv6: bool) -> str:
    return str(ipaddress.IPv6Address(number) if ipv6 else ipaddress.IPv4Address(number))
