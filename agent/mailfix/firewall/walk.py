"""The way of a packet set through one hook after the other, chain by chain, rule by rule.

A match that cannot be decided lets the same addresses go both ways. So at the end an address may
have several fates: it passes if all of them are to pass, it is blocked if all of them are to be
blocked, and otherwise it is undecided.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import groupby

from mailfix.firewall.addresses import AddressSet, share_out
from mailfix.firewall.matches import ALWAYS, NEVER, Decision, Match, Tracking, both
from mailfix.firewall.packet import Packet, View
from mailfix.firewall.question import Direction, Question
from mailfix.firewall.ruleset import (
    Accept,
    Backend,
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
    Rule,
    Ruleset,
    SetMark,
    Step,
    Table,
    Translate,
    Uncertain,
    Untrack,
    Verb,
)

CONNTRACK_PRIORITY = -200
"""NF_IP_PRI_CONNTRACK: chains before it see no connection."""
MAX_DEPTH = 64
"""Chains called from chains; nft allows 16."""
SPARE_EFFORT = 100_000
EFFORT_PER_RULE = 20
"""How many rules are looked at for one question before giving up, beyond and per rule there is."""

_INWARD = (Hook.INGRESS, Hook.PREROUTING, Hook.INPUT)
_OUTWARD = (Hook.OUTPUT, Hook.POSTROUTING, Hook.EGRESS)
HOOKS = {Direction.IN: _INWARD, Direction.OUT: _OUTWARD}
HOOKS_OF_ANSWER = {Direction.IN: _OUTWARD, Direction.OUT: _INWARD}

_BACKEND_ORDER = {Backend.IPTABLES_LEGACY: 0, Backend.IPTABLES_NFT: 1, Backend.NFT: 2}
_CHANGES = (SetMark, ForgetMark, CopyMark, Untrack)


class TooMuchEffort(Exception):
    """The ruleset sends packets round so often that following them takes too long."""


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """A rule (None: the policy) in its chain and table; compared by identity, which is fast."""

    table: Table
    chain: Chain
    rule: Rule | None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Place) and self.chain is other.chain and self.rule is other.rule

    def __hash__(self) -> int:
        return hash((id(self.chain), id(self.rule)))


class Flows:
    """Address sets by the packet's condition."""

    __slots__ = ("_sets",)

    def __init__(self) -> None:
        self._sets: dict[Packet, list[AddressSet]] = {}

    def add(self, packet: Packet, addresses: AddressSet) -> None:
        if addresses:
            self._sets.setdefault(packet, []).append(addresses)

    def __iter__(self) -> Iterator[tuple[Packet, AddressSet]]:
        for packet, sets in self._sets.items():
            yield packet, sets[0] if len(sets) == 1 else AddressSet.union_of(sets)


@dataclass(frozen=True, slots=True)
class Blocking:
    """What stopped a packet: a rule, by ``action``; and whether the packet was an answer."""

    place: Place
    action: str
    answer: bool


@dataclass(slots=True)
class Outcome:
    """The fates that addresses may have. ``blocks`` and ``doubts`` are in the packet's order.

    ``redirects`` tell which rule sends on to which port; ``arrivals`` at which port of the host
    first packets arrive.
    """

    passes: list[AddressSet] = field(default_factory=list)
    blocks: list[tuple[Blocking, AddressSet]] = field(default_factory=list)
    may_be_blocked: list[AddressSet] = field(default_factory=list)
    doubts: list[tuple[str, Place | None, AddressSet]] = field(default_factory=list)
    redirects: list[tuple[Place, int, AddressSet]] = field(default_factory=list)
    arrivals: list[tuple[int, AddressSet]] = field(default_factory=list)

    def size(self) -> int:
        """Grows with everything that is recorded."""
        return len(self.passes) + len(self.blocks) + len(self.may_be_blocked) + len(self.doubts)


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
        self.claims: list[tuple[AddressSet, Rule, Verb]] = []


class ChainWalk:
    """One chain being walked: the streams in it, and what returns to its caller."""

    __slots__ = ("chain", "depth", "joining", "returned", "streams", "table")

    def __init__(self, table: Table, chain: Chain, depth: int) -> None:
        self.table = table
        self.chain = chain
        self.depth = depth
        self.streams: dict[Packet, Stream] = {}
        self.joining: list[tuple[Packet, AddressSet]] = []
        self.returned = Flows()

    def place(self, rule: Rule | None) -> Place:
        return Place(self.table, self.chain, rule)


class Walk:
    """One question's way through a ruleset."""

    def __init__(
        self, ruleset: Ruleset, question: Question, space: AddressSet, *, with_answer: bool = True
    ) -> None:
        self.ruleset = ruleset
        self.with_answer = with_answer
        self.question = question
        self.space = space
        self.outcome = Outcome()
        rules = sum(len(chain.rules) for table in ruleset.tables for chain in table.chains.values())
        self._effort = SPARE_EFFORT + EFFORT_PER_RULE * rules
        self._views: dict[tuple[Hook, Packet], View] = {}
        self._callers: set[str] = set()
        self._unmoved: dict[tuple[int, Packet], AddressSet] = {}
        self._hook = Hook.INPUT
        self._accepted = Flows()

    def run(self) -> Outcome:
        """Send the first packet on its way and, where it arrives, the answer back.

        Raises:
            TooMuchEffort: the way is too long.
        """
        first = Flows()
        first.add(Packet(port=self.question.port), self.space)
        arrived = self._through_hooks(HOOKS[self.question.direction], first)
        self.outcome.arrivals += ((packet.port, addresses) for packet, addresses in arrived)
        if not self.with_answer:
            self.outcome.passes += (addresses for _, addresses in arrived)
            return self.outcome
        answers = Flows()
        for packet, addresses in arrived:
            answers.add(packet.answered(), addresses)
        for packet, addresses in self._through_hooks(
            HOOKS_OF_ANSWER[self.question.direction], answers
        ):
            self._end_of_answer(packet, addresses)
        return self.outcome

    def _end_of_answer(self, packet: Packet, addresses: AddressSet) -> None:
        self.outcome.passes.append(addresses)
        if packet.translated and not packet.tracking.has_connection:
            self.outcome.may_be_blocked.append(addresses)
            reason = "the answers are not tracked, so that nothing translates them back"
            self.outcome.doubts.append((reason, None, addresses))

    def _through_hooks(self, hooks: Iterable[Hook], flows: Flows) -> Flows:
        for hook in hooks:
            self._hook = hook
            self._unmoved.clear()
            flows = self._through_hook(flows)
        return flows

    def _through_hook(self, flows: Flows) -> Flows:
        for gap in self.ruleset.gaps:
            if gap.family in (None, self.question.family):
                self.outcome.may_be_blocked.append(self.space)
                self.outcome.doubts.append((gap.reason, None, self.space))
        tracked = self._hook not in (Hook.PREROUTING, Hook.OUTPUT)
        for priority, group in groupby(self._base_chains(), lambda each: each[2].priority):
            if not tracked and priority > CONNTRACK_PRIORITY:
                flows = _track(flows)
                tracked = True
            chains = list(group)
            ambiguous = len(chains) > 1 and any(_marks(table) for table, _, _ in chains)
            for table, chain, base in chains:
                if ambiguous:
                    flows = _forget_marks(flows)
                flows = self._through_base_chain(table, chain, base, flows)
            if ambiguous:
                flows = _forget_marks(flows)
        return flows if tracked else _track(flows)

    def _base_chains(self) -> list[tuple[Table, Chain, BaseChain]]:
        found = [
            (table, chain, chain.base)
            for table in self.ruleset.tables
            if table.serves(self.question.family)
            for chain in table.chains.values()
            if chain.base is not None and chain.base.hook is self._hook
            if chain.base.devices is None or self.question.interface in chain.base.devices
        ]
        return sorted(found, key=lambda each: (each[2].priority, _BACKEND_ORDER[each[0].backend]))

    def _through_base_chain(
        self, table: Table, chain: Chain, base: BaseChain, flows: Flows
    ) -> Flows:
        self._accepted = Flows()
        for packet, addresses in flows:
            if base.nat and not _nat_sees(packet, self._hook):
                self._accepted.add(packet, addresses)
                continue
            for left, rest in self._through_chain(table, chain, packet, addresses, 0):
                if isinstance(base.policy, Block):
                    policy = Blocking(Place(table, chain, None), base.policy.action, left.answer)
                    self.outcome.blocks.append((policy, rest))
                else:
                    self._accepted.add(left, rest)
        return self._accepted

    def _through_chain(
        self, table: Table, chain: Chain, packet: Packet, addresses: AddressSet, depth: int
    ) -> Flows:
        """What comes out at the chain's end or returns from it."""
        walk = ChainWalk(table, chain, depth)
        walk.streams[packet] = Stream(self._view(packet), addresses)
        for rule in chain.rules:
            self._spend(len(walk.streams))
            for stream in tuple(walk.streams.values()):
                if stream.addresses:
                    self._take_rule(walk, stream, rule, rule.steps)
            if walk.joining:
                self._join(walk)
        for stream in walk.streams.values():
            self._settle(walk, stream)
            walk.returned.add(stream.packet, stream.addresses)
        return walk.returned

    def _join(self, walk: ChainWalk) -> None:
        for packet, addresses in walk.joining:
            stream = walk.streams.get(packet)
            if stream is None:
                walk.streams[packet] = Stream(self._view(packet), addresses)
            else:
                self._settle(walk, stream)
                stream.addresses = stream.addresses | addresses
        walk.joining.clear()

    def _take_rule(
        self, walk: ChainWalk, stream: Stream, rule: Rule, steps: tuple[Step, ...]
    ) -> None:
        decision = ALWAYS
        for index, step in enumerate(steps):
            if isinstance(step, Match):
                decision = both(decision, stream.view.decide(step))
                if decision is NEVER:
                    return
            elif isinstance(step, _CHANGES):
                self._change(walk, stream, rule, decision, steps[index:])
                return
            elif isinstance(step, Choice):
                for match, verb in step.branches:
                    branch = both(decision, stream.view.decide(match))
                    if branch is not NEVER:
                        self._take_verb(walk, stream, rule, branch, verb)
                return
            else:
                self._take_verb(walk, stream, rule, decision, step)
                return

    def _take_verb(
        self, walk: ChainWalk, stream: Stream, rule: Rule, decision: Decision, verb: Verb
    ) -> None:
        ends = isinstance(verb, (Accept, Block, Return))
        if ends and decision.decided and decision is not ALWAYS:
            stream.claims.append((decision.certain, rule, verb))
            return
        self._settle(walk, stream)
        hit = stream.addresses & decision.possible
        if not hit:
            return
        match verb:
            case Jump() | Goto():
                changed = self._call(walk, stream, rule, decision, hit, verb)
            case Uncertain(reason):
                changed = False
                self._doubt(reason, walk.place(rule), hit)
                self.outcome.may_be_blocked.append(hit)
                self._accepted.add(stream.packet, hit)
            case _:
                changed = True
                self._end(walk, stream.packet, rule, verb, hit)
                stream.addresses -= decision.certain
        if changed and not decision.decided:
            self._doubt(decision.reason, walk.place(rule), hit - decision.certain)

    def _end(
        self, walk: ChainWalk, packet: Packet, rule: Rule, verb: Verb, hit: AddressSet
    ) -> None:
        """A verdict that ends the way through this chain."""
        match verb:
            case Accept():
                self._accepted.add(packet, hit)
            case Return():
                walk.returned.add(packet, hit)
            case Block(action):
                blocking = Blocking(walk.place(rule), action, packet.answer)
                self.outcome.blocks.append((blocking, hit))
            case Translate(port) if self._translates_in_place():
                port = packet.port if port is None else port
                self.outcome.redirects.append((walk.place(rule), port, hit))
                self._accepted.add(replace(packet, port=port, translated=True), hit)
            case Translate():
                self._elsewhere("redirected to the host itself", walk.place(rule), hit)
            case Elsewhere(reason):
                self._elsewhere(reason, walk.place(rule), hit)

    def _translates_in_place(self) -> bool:
        """Whether a translation of the near address leaves the connection on its way."""
        return self._hook is not Hook.OUTPUT

    def _call(
        self,
        walk: ChainWalk,
        stream: Stream,
        rule: Rule,
        decision: Decision,
        hit: AddressSet,
        verb: Jump | Goto,
    ) -> bool:
        """Send ``hit`` through another chain; whether that made any difference to it."""
        chain = walk.table.chains.get(verb.chain)
        problem = self._problem_with(chain, walk, verb.chain)
        if chain is None or problem:
            self._take_verb(walk, stream, rule, decision, Uncertain(problem))
            return False
        if isinstance(verb, Jump) and self._unmoved.get((id(chain), stream.packet)) == hit:
            return False
        recorded = self.outcome.size()
        self._callers.add(chain.name)
        flows = list(self._through_chain(walk.table, chain, stream.packet, hit, walk.depth + 1))
        self._callers.discard(chain.name)
        if isinstance(verb, Jump) and flows == [(stream.packet, hit)]:
            if recorded == self.outcome.size():
                self._unmoved[id(chain), stream.packet] = hit
            return False
        stream.addresses -= decision.certain
        for packet, addresses in flows:
            if isinstance(verb, Goto):
                walk.returned.add(packet, addresses)
            else:
                walk.joining.append((packet, addresses))
        return True

    def _problem_with(self, chain: Chain | None, walk: ChainWalk, name: str) -> str:
        if chain is None:
            return f"there is no chain {name!r}"
        if name in self._callers or chain is walk.chain:
            return f"chain {name!r} is called in a circle"
        if walk.depth >= MAX_DEPTH:
            return f"chains call each other more than {MAX_DEPTH} deep"
        return ""

    def _change(
        self,
        walk: ChainWalk,
        stream: Stream,
        rule: Rule,
        decision: Decision,
        steps: tuple[Step, ...],
    ) -> None:
        """The packet's condition changes; what the rule still does happens to it changed."""
        self._settle(walk, stream)
        hit = stream.addresses & decision.possible
        changed = _changed(stream.packet, steps[0])
        if not hit:
            return
        if changed == stream.packet and decision.decided and len(steps) == 1:
            return
        if not decision.decided:
            self._doubt(decision.reason, walk.place(rule), hit - decision.certain)
        stream.addresses -= decision.certain
        branch = Stream(self._view(changed), hit)
        self._take_rule(walk, branch, rule, steps[1:])
        self._settle(walk, branch)
        if branch.addresses:
            walk.joining.append((changed, branch.addresses))

    def _settle(self, walk: ChainWalk, stream: Stream) -> None:
        """Deal with the claims made so far, the earliest first."""
        claims = stream.claims
        if not claims:
            return
        stream.claims = []
        self._spend(len(claims) + len(stream.addresses.bounds) // 32)
        if len(claims) == 1:
            shares = [stream.addresses & claims[0][0]]
            stream.addresses -= claims[0][0]
        else:
            shares, stream.addresses = share_out(stream.addresses, [each[0] for each in claims])
        for share, (_, rule, verb) in zip(shares, claims, strict=True):
            if share:
                self._end(walk, stream.packet, rule, verb, share)

    def _elsewhere(self, reason: str, place: Place, addresses: AddressSet) -> None:
        self.outcome.passes.append(addresses)
        self.outcome.may_be_blocked.append(addresses)
        self._doubt(reason, place, addresses)

    def _doubt(self, reason: str, place: Place, addresses: AddressSet) -> None:
        self.outcome.doubts.append((reason, place, addresses))

    def _view(self, packet: Packet) -> View:
        key = (self._hook, packet)
        if key not in self._views:
            self._views[key] = View(self.question, packet, self._hook)
        return self._views[key]

    def _spend(self, effort: int) -> None:
        self._effort -= effort
        if self._effort < 0:
            raise TooMuchEffort


def _marks(table: Table) -> bool:
    return any(
        isinstance(step, (SetMark, ForgetMark, CopyMark))
        for chain in table.chains.values()
        for rule in chain.rules
        for step in rule.steps
    )


def _forget_marks(flows: Iterable[tuple[Packet, AddressSet]]) -> Flows:
    """Which of several chains of one priority comes first depends on which was loaded last."""
    forgotten = Flows()
    for packet, addresses in flows:
        forgotten.add(replace(packet, mark=None, connection_mark=None), addresses)
    return forgotten


def _track(flows: Iterable[tuple[Packet, AddressSet]]) -> Flows:
    """Connection tracking sees the packets, save those that a rule has exempted."""
    tracked = Flows()
    for packet, addresses in flows:
        if packet.tracking is Tracking.NOT_YET:
            state = Tracking.ESTABLISHED if packet.answer else Tracking.NEW
            tracked.add(replace(packet, tracking=state), addresses)
        else:
            tracked.add(packet, addresses)
    return tracked


def _nat_sees(packet: Packet, hook: Hook) -> bool:
    """A nat chain sees tracked connections, and on a hook only until one has translated them."""
    done = packet.translated and hook in (Hook.PREROUTING, Hook.POSTROUTING)
    return packet.tracking is Tracking.NEW and not done


def _changed(packet: Packet, step: Step) -> Packet:
    if _of_connection(step) and not packet.tracking.has_connection:
        return packet
    match step:
        case SetMark(value, mask, True):
            mark = packet.connection_mark
            return replace(packet, connection_mark=_marked(mark, value, mask))
        case SetMark(value, mask):
            return replace(packet, mark=_marked(packet.mark, value, mask))
        case ForgetMark(True):
            return replace(packet, connection_mark=None)
        case ForgetMark():
            return replace(packet, mark=None)
        case CopyMark(True):
            return replace(packet, connection_mark=packet.mark)
        case CopyMark():
            return replace(packet, mark=packet.connection_mark)
        case Untrack() if packet.tracking in (Tracking.NOT_YET, Tracking.INVALID):
            return replace(packet, tracking=Tracking.UNTRACKED)
    return packet


def _of_connection(step: Step) -> bool:
    return isinstance(step, CopyMark) or (
        isinstance(step, (SetMark, ForgetMark)) and step.connection
    )


def _marked(mark: int | None, value: int, mask: int) -> int | None:
    if mask == 0xFFFFFFFF:
        return value
    return None if mark is None else (mark & ~mask & 0xFFFFFFFF) ^ value
