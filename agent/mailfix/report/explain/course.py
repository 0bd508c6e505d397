"""Which of a journey's events decided, and which led the packets through unchanged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from mailfix.firewall import AddressSet, Deed, Event, Journey, Passage, RuleRef
from mailfix.firewall.ruleset import Hook
from mailfix.firewall.verdict import BAN_SHARE
from mailfix.report.explain.explanation import SOME

_CALLS = (Deed.JUMP, Deed.GOTO)
_WITHOUT_EFFECT = (*_CALLS, Deed.RETURN)
_DECIDING_HOOKS = (Hook.INPUT, Hook.FORWARD, Hook.OUTPUT)


@dataclass(frozen=True, slots=True)
class Happening:
    """An event and, where it cannot be known whether it happens, the reason of the ``doubt``.

    With ``calls`` it stands for chains called in a row out of which all packets came back.
    """

    event: Event
    doubt: str = ""
    calls: tuple[Event, ...] = ()


def happenings(events: Sequence[Event]) -> Iterator[Happening]:
    """The events in order, without what happened inside fruitless calls."""
    outline = _outline(events)
    for (fruitless, _), group in groupby(outline, lambda each: (each[1], each[0].event.depth)):
        found = tuple(happening for happening, _ in group)
        if fruitless:
            yield Happening(found[0].event, calls=tuple(each.event for each in found))
        else:
            yield from found


def _outline(events: Sequence[Event]) -> Iterator[tuple[Happening, bool]]:
    """Each event outside fruitless calls, and whether it is one."""
    at = 0
    while at < len(events):
        event = events[at]
        end = _end_of_call(events, at)
        if event.deed in _CALLS and all(
            inside.deed in _WITHOUT_EFFECT for inside in events[at + 1 : end]
        ):
            yield Happening(event), True
            at = end
        elif _is_doubted(event, events[at + 1 : at + 2]):
            yield Happening(event, events[at + 1].detail), False
            at += 2
        else:
            yield Happening(event), False
            at += 1


def _is_doubted(event: Event, following: Sequence[Event]) -> bool:
    """Whether the next event says that this one is undecided."""
    return any(
        each.deed is Deed.UNDECIDED
        and each.rule == event.rule
        and each.addresses == event.addresses
        for each in following
    )


def _end_of_call(events: Sequence[Event], at: int) -> int:
    end = at + 1
    while end < len(events) and events[end].depth > events[at].depth:
        end += 1
    return end


def is_quiet(passage: Passage) -> bool:
    """Whether all packets went through a base chain, and those that it called, to its policy."""
    return all(each.deed in _WITHOUT_EFFECT or _is_open_policy(each) for each in passage.events)


def _is_open_policy(event: Event) -> bool:
    return event.deed is Deed.ACCEPT and event.rule.position is None


def stages(journey: Journey) -> tuple[list[Passage], list[Passage], list[Passage]]:
    """The way of the first packets, of the answers, and of what follows these."""
    first = [each for each in journey.passages if not each.answer and not each.later]
    answers = [each for each in journey.passages if each.answer]
    return first, answers, [each for each in journey.passages if each.later]


def arrives(journey: Journey) -> bool:
    """Whether any first packet may come to its end."""
    verdict = journey.verdict
    stopped = AddressSet.union_of(
        each.addresses for each in verdict.blocked if not each.answer and not each.later
    )
    return stopped.count() < verdict.space.count()


def comes_back(journey: Journey) -> bool:
    """Whether any answer may come to its end."""
    verdict = journey.verdict
    stopped = AddressSet.union_of(each.addresses for each in verdict.blocked if not each.later)
    return stopped.count() < verdict.space.count()


def sent_away(journey: Journey) -> tuple[Event, ...]:
    """The rules that send a broad share of the packets to other hosts or programs."""
    return tuple(
        event
        for passage in stages(journey)[0]
        for event in passage.events
        if event.deed in (Deed.FORWARD, Deed.ELSEWHERE) and event.share >= BAN_SHARE
    )


def deciders(journey: Journey) -> frozenset[RuleRef]:
    """The rules that the answer hangs on: what blocks; else what is undecided; else what accepts.

    Bans decide only about the banned.
    """
    verdict = journey.verdict
    if verdict.faults:
        return frozenset(each.rule for each in verdict.faults)
    if verdict.undecided_share > SOME:
        return frozenset(each.rule for each in verdict.undecided if each.rule is not None)
    return frozenset(
        event.rule
        for passage in stages(journey)[0]
        if passage.hook in _DECIDING_HOOKS
        for event in passage.events
        if event.deed is Deed.ACCEPT and event.share >= BAN_SHARE
    )
