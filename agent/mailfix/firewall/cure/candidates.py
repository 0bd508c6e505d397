"""The edits that may cure one block, from the simplest on.

None is known to be right yet: what each changes is computed afterwards. Nothing here touches the
chains of a program that owns them; those are cured in ``owners``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from mailfix.firewall.cure import iptables_words, nft_words
from mailfix.firewall.cure.calls import Calls, trailing_notes
from mailfix.firewall.cure.classes import Habits
from mailfix.firewall.cure.edits import (
    ChainRef,
    Edit,
    Spelled,
    deletion,
    insertion,
    replacement,
    rule_at,
)
from mailfix.firewall.cure.originals import Originals
from mailfix.firewall.cure.sets import Removal, removals
from mailfix.firewall.cure.traffic import Traffic
from mailfix.firewall.question import Direction, Question
from mailfix.firewall.ruleset import (
    Backend,
    Chain,
    Choice,
    Goto,
    Hook,
    Rule,
    RuleRef,
    Ruleset,
)
from mailfix.firewall.verdict import Blocked

MAX_CALLERS = 6
"""Callers of the blocker's chain in which an insertion is tried."""
MAX_NETWORKS = 4
"""Networks that an insertion names one by one."""
_TRACKING_HOOKS = (Hook.PREROUTING, Hook.OUTPUT)
_CONNTRACK_PRIORITY = -200
_TRANSIT_HOOKS = frozenset({Hook.INGRESS, Hook.PREROUTING, Hook.FORWARD, Hook.POSTROUTING})


class Kind(StrEnum):
    DELETE = "delete"
    NARROW = "narrow"
    REMOVE = "remove"
    INSERT = "insert"
    OWNER = "owner"


@dataclass(frozen=True, slots=True)
class ListedSetting:
    """An item that a comma-separated setting is to hold: ``NAME = "one,two"`` in a file."""

    file: str
    name: str
    item: str


@dataclass(frozen=True, slots=True)
class OwnersWay:
    """What the program that owns the rules is told, and how that is taken back.

    ``settings`` are made in its files first, then its ``commands`` are run. ``advice`` says why
    no program should do that by itself; "" where one may.

    ``files`` are those in which the owner keeps what changes; it may make or rewrite them. To take
    it back: run the commands of ``undo``; where a file then is not what it was, put it back and run
    ``reload``, with which the owner reads its files anew (empty where it does by itself).
    """

    owner: str
    commands: tuple[tuple[str, ...], ...]
    undo: tuple[tuple[str, ...], ...]
    advice: str = ""
    files: tuple[str, ...] = ()
    reload: tuple[str, ...] = ()
    settings: tuple[ListedSetting, ...] = ()


@dataclass(frozen=True, slots=True)
class Proposal:
    """``edits`` in the order in which they are made; ``summary`` says them in one line."""

    kind: Kind
    edits: tuple[Edit, ...]
    summary: str
    owner: OwnersWay | None = None


@dataclass(frozen=True, slots=True)
class Site:
    """Where packets are blocked, and what is known there. ``rule`` is None for a policy."""

    ruleset: Ruleset
    question: Question
    originals: Originals
    fault: Blocked
    place: ChainRef
    chain: Chain
    rule: Rule | None
    calls: Calls
    habits: Habits

    @classmethod
    def of(
        cls,
        ruleset: Ruleset,
        question: Question,
        originals: Originals,
        fault: Blocked,
        habits: Habits,
    ) -> Site:
        """Raises Drifted where the ruleset has no such rule."""
        place = ChainRef.of(fault.rule)
        table, chain = place.find(ruleset)
        first = fault.every_rule()[0]
        rule = None if first.position is None else rule_at(ruleset, first)
        calls = Calls.of(table)
        return cls(ruleset, question, originals, fault, place, chain, rule, calls, habits)

    def traffic(self) -> Iterator[Traffic]:
        """The packets asked about, as they may look in the blocker's chain."""
        asked = self.question
        answer = self.fault.answer
        later, tracked = self.fault.later, self._tracked()
        incoming = asked.direction is Direction.IN
        plain = Traffic(asked.family, asked.protocol, asked.port, answer, later, tracked, incoming)
        for one in (plain, *self._redirected(plain)):
            yield one
            if one.established and (later or self.habits.untracks):
                yield replace(one, tracked=False)
            if self.in_transit():
                yield replace(one, own=True)
            if self._by_user():
                yield replace(one, uid=asked.uid)

    def _redirected(self, plain: Traffic) -> Iterator[Traffic]:
        ports = set(self.habits.redirects) - {plain.port}
        if self.habits.sends_on:
            ports.add(plain.port)
        for port in sorted(ports):
            yield replace(plain, port=port, asked=plain.port)

    def _tracked(self) -> bool:
        """Whether connection tracking has seen what comes here."""
        bases = [self.calls.bases[name] for name in self.calls.above(self.place.chain)]
        return all(
            each.hook not in _TRACKING_HOOKS or each.priority > _CONNTRACK_PRIORITY
            for each in bases
        )

    def in_transit(self) -> bool:
        """Whether packets between other hosts may come here, too."""
        passing = self.calls.hooks(self.place.chain) & _TRANSIT_HOOKS
        return bool(passing) and self.question.forwarding is not False

    def _by_user(self) -> bool:
        asked = self.question
        outgoing = asked.direction is Direction.OUT and not self.fault.answer
        return outgoing and asked.uid is not None and bool(self.habits.users)


def proposals(site: Site) -> Iterator[Proposal]:
    """The edits that may cure the fault, the simplest first."""
    if site.rule is not None and site.fault.rules == 1:
        yield from _changes_of_blocker(site, site.rule)
    yield from _insertions(site)
    yield from _insertions_for_networks(site)
    if site.rule is not None and site.fault.rules == 1:
        blocker = site.originals.spelled(site.place, site.rule)
        plain = next(site.traffic())
        yield from _narrowed(site, blocker, _sparing(blocker, plain))


def _changes_of_blocker(site: Site, rule: Rule) -> Iterator[Proposal]:
    blocker = site.originals.spelled(site.place, rule)
    plain = next(site.traffic())
    removed = list(removals(site.ruleset, site.place, blocker, plain, site.originals))
    if not any(each.keeps_bans for each in removed) and blocker.spelling:
        summary = f"delete {_called(site.fault.rule)}"
        yield Proposal(Kind.DELETE, (deletion(site.place, blocker),), summary)
        yield from _for_one_family(site, blocker, ())
    for traffic in site.traffic():
        yield from _narrowed(site, blocker, _without_port(blocker, traffic))
    for each in removed:
        yield _removed(each)


def _removed(removal: Removal) -> Proposal:
    gone = ", ".join(removal.edit.gone)
    come = f", add {', '.join(removal.edit.come)}" if removal.edit.come else ""
    summary = f"remove {gone} from the set {removal.set_name}{come}"
    return Proposal(Kind.REMOVE, (removal.edit,), summary)


def _without_port(blocker: Spelled, traffic: Traffic) -> tuple[str, ...] | None:
    if not blocker.spelling:
        return None
    if not blocker.native:
        return iptables_words.without_port(blocker.spelling, traffic)
    found = nft_words.without_port(json.loads(blocker.spelling), traffic)
    return None if found is None else tuple(json.dumps(each) for each in found)


def _sparing(blocker: Spelled, traffic: Traffic) -> tuple[str, ...] | None:
    if not blocker.spelling:
        return None
    if not blocker.native:
        return iptables_words.sparing(blocker.spelling, traffic)
    return tuple(
        json.dumps(each) for each in nft_words.sparing(json.loads(blocker.spelling), traffic)
    )


def _narrowed(
    site: Site, blocker: Spelled, spellings: tuple[str, ...] | None
) -> Iterator[Proposal]:
    """The blocker replaced by what of it does not concern the traffic."""
    if not spellings:
        return
    yield from _replaced(site, blocker, spellings)
    if blocker.native:
        yield from _for_one_family(site, blocker, spellings)


def _for_one_family(site: Site, blocker: Spelled, spellings: tuple[str, ...]) -> Iterator[Proposal]:
    """As before, but in a table that sees both families only for the one asked about."""
    family = site.question.family
    if site.place.family is not None or not blocker.native:
        return
    body = json.loads(blocker.spelling)
    if nft_words.is_of_one_family(body):
        return
    narrowed = [json.dumps(nft_words.only_of(json.loads(each), family)) for each in spellings]
    other = json.dumps(nft_words.of_the_other_family(body, family))
    yield from _replaced(site, blocker, (other, *narrowed))


def _replaced(site: Site, blocker: Spelled, spellings: Sequence[str]) -> Iterator[Proposal]:
    rules = [_read(site, each, native=blocker.native) for each in spellings]
    known = [each for each in rules if each is not None]
    if len(known) < len(rules):
        return
    edits: list[Edit] = [replacement(site.place, blocker, known[0])]
    at = blocker.rule.position
    edits += (insertion(site.place, at + more, each) for more, each in enumerate(known[1:], 1))
    texts = " and ".join(each.rule.text for each in known)
    summary = f"narrow {_called(site.fault.rule)}; to: {texts}"
    yield Proposal(Kind.NARROW, tuple(edits), summary)


def _read(site: Site, spelling: str, *, native: bool) -> Spelled | None:
    """A new rule as its tool would show it; None where that cannot be foreseen."""
    try:
        if native:
            return site.originals.native_rule(site.place, json.loads(spelling))
        table, _ = site.place.find(site.ruleset)
        return site.originals.iptables_rule(site.place, spelling, table.chains)
    except (ValueError, KeyError):
        return None


def _insertions(site: Site) -> Iterator[Proposal]:
    """An accept before the blocker, or in a chain that calls the blocker's; or a return."""
    for place, position in _spots(site):
        _, chain = place.find(site.ruleset)
        at = trailing_notes(chain, position)
        verdicts = ("accept",) if chain.base is not None else ("accept", "return")
        for verdict in verdicts:
            for traffic in site.traffic():
                yield from inserted(site, place, at, traffic, verdict)


def _insertions_for_networks(site: Site) -> Iterator[Proposal]:
    """An accept before the blocker for the large networks of its set, which keeps its bans."""
    if site.rule is None:
        return
    blocker = site.originals.spelled(site.place, site.rule)
    plain = next(site.traffic())
    for removal in removals(site.ruleset, site.place, blocker, plain, site.originals):
        networks = removal.networks()
        if removal.keeps_bans and len(networks) <= MAX_NETWORKS:
            at = site.rule.position
            rules = [_last(site, replace(plain, far=network), at) for network in networks]
            edits = tuple(insertion(site.place, at, each) for each in rules)
            texts = " and ".join(each.rule.text for each in rules)
            summary = f"insert before {_called(site.fault.rule)}: {texts}"
            yield Proposal(Kind.INSERT, edits, summary)


def _last(site: Site, traffic: Traffic, position: int) -> Spelled:
    rules = new_rules(site.originals, site.place, site.chain, position, traffic, "accept")
    return list(rules)[-1]


def _spots(site: Site) -> Iterator[tuple[ChainRef, int]]:
    if site.rule is None:
        yield site.place, len(site.chain.rules) + 1
        yield from ((site.place, at) for at in _last_gotos(site.chain))
        return
    yield site.place, site.rule.position
    for call in site.calls.callers(site.place.chain)[:MAX_CALLERS]:
        yield call.caller, call.rule.position


def _last_gotos(chain: Chain) -> list[int]:
    """Where packets leave the chain that never come back to it, the last such rule first."""
    gone = (Goto, Choice)
    found = [
        each.position for each in chain.rules if each.steps and isinstance(each.steps[-1], gone)
    ]
    return found[: -MAX_CALLERS - 1 : -1]


def inserted(
    site: Site, place: ChainRef, position: int, traffic: Traffic, verdict: str
) -> Iterator[Proposal]:
    """A new rule for the traffic in front of that position."""
    chain = place.find(site.ruleset)[1]
    for new in new_rules(site.originals, place, chain, position, traffic, verdict):
        where = f"rule {position} of" if position <= len(chain.rules) else "the end of"
        summary = f"insert as {where} {place.chain} ({place.backend}, {place.table}): "
        if position > len(chain.rules):
            summary = f"append to {place.chain} ({place.backend}, {place.table}): "
        edit = insertion(place, position, new)
        yield Proposal(Kind.INSERT, (edit,), summary + new.rule.text)


def new_rules(
    originals: Originals,
    place: ChainRef,
    chain: Chain,
    position: int,
    traffic: Traffic,
    verdict: str,
) -> Iterator[Spelled]:
    """Rules for the traffic in the words of the chain's tool, the shortest first."""
    if not _is_native(place, chain, position):
        spelling = iptables_words.letting_through(traffic, verdict.upper())
        yield originals.iptables_rule(place, spelling)
        return
    for both in (False, True) if place.family is None else (False,):
        body = nft_words.letting_through(traffic, verdict, with_family=both)
        yield originals.native_rule(place, body)


def _is_native(place: ChainRef, chain: Chain, position: int) -> bool:
    """Whether nft is to insert: in its own tables, and beside native rules in those of iptables."""
    if place.backend is Backend.NFT:
        return True
    beside = chain.rules[max(position - 2, 0) : position]
    return any(each.handle is not None for each in beside)


def _called(ref: RuleRef) -> str:
    return f"rule {ref.position} of {ref.chain} ({ref.backend}, {ref.table}): {ref.text}"
