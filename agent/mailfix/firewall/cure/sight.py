"""Which packets a rule can see at all, by what is certain about them before any rule is asked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import product

from mailfix.firewall.cure.classes import Habits
from mailfix.firewall.cure.edits import ChainRef
from mailfix.firewall.matches import (
    NEVER,
    AddressType,
    Addrtype,
    AllOf,
    Answering,
    AnyOf,
    Constant,
    FamilyIs,
    Interface,
    Match,
    Not,
    OriginalPort,
    Owner,
    Ports,
    Protocol,
    State,
    TcpFlags,
    Tracked,
    Tracking,
)
from mailfix.firewall.packet import Packet, View
from mailfix.firewall.question import Direction, Question
from mailfix.firewall.ruleset import Hook, Rule

_ARRIVING = frozenset({Hook.INGRESS, Hook.PREROUTING, Hook.INPUT})
_SENDING = frozenset({Hook.OUTPUT, Hook.POSTROUTING, Hook.EGRESS})
_IN_TRANSIT = frozenset({Hook.INGRESS, Hook.PREROUTING, Hook.FORWARD, Hook.POSTROUTING})
_ONE_INTERFACE = frozenset({Hook.INGRESS, Hook.PREROUTING, Hook.INPUT, Hook.OUTPUT})
_LEGS = ((False, False), (True, False), (False, True))
"""The first packet, its answer, and what follows, by Packet's ``answer`` and ``later``."""
_CERTAIN = (Constant, FamilyIs, Protocol, Ports, OriginalPort, TcpFlags, Owner, Answering)
_TRACKED = (State, Tracked)


def may_see(
    place: ChainRef,
    rule: Rule,
    hooks: Iterable[Hook],
    question: Question,
    habits: Habits,
    *,
    with_answer: bool,
) -> bool:
    """Whether one of the question's packets may come to the rule and meet all that is certain.

    ``hooks`` are those from which packets come into the rule's chain.
    """
    if place.family not in (None, question.family):
        return False
    return any(
        _may_meet(rule, View(question, packet, hook), hook)
        for hook in hooks
        for packet in _packets(question, hook, habits)
        if with_answer or not (packet.answer or packet.later)
    )


def may_see_transit(rule: Rule, hooks: Iterable[Hook]) -> bool:
    """Whether packets between other hosts, that this one does not send on, may meet the rule."""
    return not _IN_TRANSIT.isdisjoint(hooks) and not any(map(_of_own_host, rule.steps))


def _of_own_host(step: object) -> bool:
    if isinstance(step, (AnyOf, AllOf)):
        combine = any if isinstance(step, AllOf) else all
        return combine(map(_of_own_host, step.matches))
    if isinstance(step, State):
        return step.names == {"DNAT"}
    return isinstance(step, (AddressType, Addrtype)) and step.types == {"LOCAL"}


def _packets(question: Question, hook: Hook, habits: Habits) -> Iterator[Packet]:
    """A connection's packets, in the conditions in which they may come to the hook."""
    incoming = question.direction is Direction.IN
    for (answer, later), tracking in product(_LEGS, Tracking):
        directed = _ARRIVING if incoming is not answer else _SENDING
        if hook in directed or hook in _IN_TRANSIT:
            one = Packet(question.port, tracking, answer=answer, later=later)
            if tracking is not Tracking.ESTABLISHED or answer or later:
                yield one
                for port in {question.port, *habits.redirects}:
                    yield replace(one, port=port, translated=True)


def _may_meet(rule: Rule, view: View, hook: Hook) -> bool:
    for step in rule.steps:
        if isinstance(step, Match) and _is_certain(step, hook):
            if view.decide(step) is NEVER:
                return False
        elif not isinstance(step, Match):
            return True
    return True


def _is_certain(match: Match, hook: Hook) -> bool:
    match match:
        case Not(inner):
            return _is_certain(inner, hook)
        case AllOf(matches) | AnyOf(matches):
            return all(_is_certain(each, hook) for each in matches)
        case Interface():
            return hook in _ONE_INTERFACE
    return isinstance(match, (*_CERTAIN, *_TRACKED))
