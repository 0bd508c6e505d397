"""Packets on their way through one base chain and those that it calls, rule by rule.

A match that cannot be decided lets the same addresses go both ways.
"""

from __future__ import annotations

import ipaddress
from dataclasses import replace
from typing import TypeAlias

from mailfix.firewall.addresses import AddressSet, share_out
from mailfix.firewall.inquiry import Inquiry
from mailfix.firewall.matches import ALWAYS, NEVER, Decision, Match, Tracking, both, within
from mailfix.firewall.outcome import Blocking, Flows, Place
from mailfix.firewall.packet import Packet, View
from mailfix.firewall.ruleset import (
    Accept,
    BaseChain,
    Block,
    Chain,
    Choice,
    CopyMark,
    Elsewhere,
    ForgetMark,
    Goto,
    Hook,
    Jump,
    Return,
    SendOn,
    SetMark,
    Step,
    Table,
    Translate,
    Uncertain,
    Untrack,
    Verb,
)
from mailfix.firewall.segments import Item, Run
from mailfix.firewall.trace import Deed

MAX_DEPTH = 64
"""Chains called from chains; nft allows 16."""
LARGE_RUN = 1000
"""Rules; so large a run is cut out by itself, because it remembers what it leaves."""
_LOOPBACK = 127 << 24, 128 << 24

_CHANGES = (SetMark, ForgetMark, CopyMark, Untrack)
Call: TypeAlias = Jump | Goto


class Stream:
    """Packets in one condition on their way through one chain.

    Verdicts that end the chain are collected as claims and dealt with together, because cutting
    single addresses out of a large set one at a time would cost the square of their number.
    """

    __slots__ = ("addresses", "claims", "packet", "view")

    def __init__(self, view: View, addresses: AddressSet) -> None:
        self.view = view
        self.packet = view.packet
        self.addresses = addresses
        self.claims: list[tuple[AddressSet, Item, Verb]] = []


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
        for item in chain.segments.met(first.view.server_side, frozenset(first.view.ports)):
            self._inquiry.spend(len(visit.streams))
            for stream in tuple(visit.streams.values()):
                if stream.addresses:
                    self._take_item(visit, stream, item)
            if visit.joining:
                self._join(visit)
        for stream in visit.streams.values():
            self._settle(visit, stream)
            visit.returned.add(stream.packet, stream.addresses)
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
                self._settle(visit, stream)
                stream.addresses = stream.addresses | addresses
        visit.joining.clear()

    def _take_item(self, visit: ChainVisit, stream: Stream, item: Item) -> None:
        if not isinstance(item, Run):
            self._take_steps(visit, stream, item, item.steps)
        elif item.side is stream.view.far_side:
            self._take_run(visit, stream, item)
        elif stream.view.near_address is None or stream.view.near_address in item.addresses:
            for rule in item.rules:
                self._take_steps(visit, stream, rule, rule.steps)

    def _take_run(self, visit: ChainVisit, stream: Stream, run: Run) -> None:
        decision = ALWAYS
        for condition in run.conditions:
            decision = both(decision, stream.view.decide(condition))
            if decision is NEVER:
                return
        alone = len(run.rules) >= LARGE_RUN
        if alone:
            self._settle(visit, stream)
        self._take_verb(visit, stream, run, both(decision, within(run.addresses)), run.verb)
        if alone:
            self._settle(visit, stream)

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
        ends = isinstance(verb, (Accept, Block, Return))
        if ends and decision.decided and decision is not ALWAYS:
            stream.claims.append((decision.certain, item, verb))
            return
        self._settle(visit, stream)
        hit = stream.addresses & decision.possible
        if not hit:
            return
        changed = True
        if isinstance(verb, Jump | Goto):
            changed = self._call(visit, stream, item, decision, hit, verb)
        elif isinstance(verb, Uncertain):
            self._doubt(visit, item, verb.reason, hit)
            self._outcome.may_be_blocked.append(hit)
            self._accepted.add(stream.packet, hit)
            changed = False
        else:
            self._end(visit, stream.packet, item, verb, hit)
            stream.addresses -= decision.certain
        if changed and not decision.decided:
            self._doubt(visit, item, decision.reason, hit - decision.certain)

    def _end(
        self, visit: ChainVisit, packet: Packet, item: Item, verb: Verb, hit: AddressSet
    ) -> None:
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
                self._translate(visit, packet, place, port, hit)
            case SendOn():
                self._send_on(visit, packet, place, verb, hit)
            case Elsewhere(reason):
                self._elsewhere(visit, place, reason, hit)

    def _block(self, place: Place, action: str, packet: Packet, hit: AddressSet) -> None:
        path = tuple(self._path)
        self._outcome.blocks.append((Blocking(place, action, self._hook, packet.answer, path), hit))

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
        self._accepted.add(replace(packet, port=port, translated=True), hit)
        deed = Deed.TRANSLATE if self._hook is Hook.POSTROUTING else Deed.REDIRECT
        self._note(visit.depth, place, deed, f"port {port}", hit)

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
        self,
        visit: ChainVisit,
        stream: Stream,
        item: Item,
        decision: Decision,
        hit: AddressSet,
        verb: Call,
    ) -> bool:
        """Send ``hit`` through another chain; whether that made any difference to it."""
        chain = self._table.chains.get(verb.chain)
        problem = self._problem_with(chain, visit, verb.chain)
        if chain is None or problem:
            self._take_verb(visit, stream, item, decision, Uncertain(problem))
            return False
        if isinstance(verb, Jump) and self._unmoved.get((id(chain), stream.packet)) == hit:
            return False
        recorded = self._outcome.size()
        flows = self._called(visit, stream.packet, item, verb, chain, hit)
        if isinstance(verb, Jump) and flows == [(stream.packet, hit)]:
            if recorded == self._outcome.size() and not self._inquiry.trace:
                self._unmoved[id(chain), stream.packet] = hit
            return False
        stream.addresses -= decision.certain
        for packet, addresses in flows:
            if isinstance(verb, Goto):
                visit.returned.add(packet, addresses)
            else:
                visit.joining.append((packet, addresses))
        return True

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
        self._settle(visit, stream)
        hit = stream.addresses & decision.possible
        changed = stream.packet.changed(steps[0])
        if not hit:
            return
        if changed == stream.packet and decision.decided and len(steps) == 1:
            return
        if not decision.decided:
            self._doubt(visit, item, decision.reason, hit - decision.certain)
        deed = Deed.UNTRACK if isinstance(steps[0], Untrack) else Deed.MARK
        self._note(visit.depth, self._place(visit, item), deed, "", hit)
        stream.addresses -= decision.certain
        branch = Stream(self._inquiry.view(self._hook, changed), hit)
        self._take_steps(visit, branch, item, steps[1:])
        self._settle(visit, branch)
        if branch.addresses:
            visit.joining.append((changed, branch.addresses))

    def _settle(self, visit: ChainVisit, stream: Stream) -> None:
        """Deal with the claims made so far, the earliest first."""
        claims = stream.claims
        if not claims:
            return
        stream.claims = []
        self._inquiry.spend(len(claims) + len(stream.addresses.bounds) // 32)
        if len(claims) == 1:
            claimed, item, _ = claims[0]
            share, stream.addresses = _cut(stream.addresses, claimed, item)
            shares = [share]
        else:
            shares, stream.addresses = share_out(stream.addresses, [each[0] for each in claims])
        for share, (_, item, verb) in zip(shares, claims, strict=True):
            if share:
                self._end(visit, stream.packet, item, verb, share)

    def _elsewhere(self, visit: ChainVisit, place: Place, reason: str, hit: AddressSet) -> None:
        self._outcome.may_pass_or_not(reason, place, hit)
        self._note(visit.depth, place, Deed.ELSEWHERE, reason, hit)

    def _doubt(self, visit: ChainVisit, item: Item, reason: str, addresses: AddressSet) -> None:
        place = self._place(visit, item)
        self._outcome.doubt(reason, place, addresses)
        self._note(visit.depth, place, Deed.UNDECIDED, reason, addresses)

    def _place(self, visit: ChainVisit, item: Item) -> Place:
        return Place(self._table, visit.chain, item)

    def _note(
        self, depth: int, place: Place, deed: Deed, detail: str, addresses: AddressSet
    ) -> None:
        if self._inquiry.trace:
            self._inquiry.trace.note(depth, place, deed, detail, addresses)


def _cut(stream: AddressSet, claimed: AddressSet, item: Item) -> tuple[AddressSet, AddressSet]:
    if isinstance(item, Run) and claimed is item.addresses:
        return item.cut(stream)
    return stream & claimed, stream - claimed


def _nat_sees(packet: Packet, hook: Hook) -> bool:
    """A nat chain sees tracked connections, and on a hook only until one has translated them."""
    here = Hook.PREROUTING if packet.onward else hook
    done = packet.translated and hook is here and hook in (Hook.PREROUTING, Hook.POSTROUTING)
    return packet.tracking is Tracking.NEW and not done


def _address_text(number: int, *, ipv6: bool) -> str:
    return str(ipaddress.IPv6Address(number) if ipv6 else ipaddress.IPv4Address(number))
