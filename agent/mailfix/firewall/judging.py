"""From the fates that addresses may have to the verdict."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import TypeAlias

from mailfix.firewall import hooks
from mailfix.firewall.addresses import NOWHERE, AddressSet
from mailfix.firewall.collector import collector_at_rest
from mailfix.firewall.inquiry import Inquiry, TooMuchEffort, own_addresses
from mailfix.firewall.internet import internet
from mailfix.firewall.outcome import Blocking, Flows, Outcome, Place
from mailfix.firewall.question import Question
from mailfix.firewall.remaining import Remaining
from mailfix.firewall.ruleset import Ruleset
from mailfix.firewall.snapshots import Backwards, Found, origin, united, written
from mailfix.firewall.trace import Trace
from mailfix.firewall.verdict import Arrival, Blocked, Undecided, Verdict
from mailfix.model import Family

SHORTEST_LIST = 16
"""Rules on single addresses in one chain; fewer are told one by one."""


@collector_at_rest()
def judge(
    ruleset: Ruleset,
    question: Question,
    *,
    with_answer: bool = True,
    to_the_end: bool = True,
    asked: frozenset[int] = frozenset(),
    trace: Trace | None = None,
) -> Verdict:
    """What becomes of a new connection from (or to) every address that the question is about.

    It passes if its first packet arrives, the answer to that comes back, and with ``to_the_end``
    the packets of TCP after these pass, too; only the first packet is judged without
    ``with_answer``. ``asked`` are the ports of all questions that will be put to
    this ruleset, so that they share the work. ``trace`` takes note of the way.

    Raises:
        ValueError: ``question`` holds no valid address.
    """
    space = _space(question.family, own_addresses(question), question.far)
    inquiry = Inquiry(ruleset, question, space, asked, trace)
    try:
        arrived = hooks.ask(inquiry)
        if with_answer:
            arrived = _without_lost(inquiry.outcome, hooks.answer(inquiry, arrived))
        if with_answer and to_the_end and question.protocol == "tcp":
            arrived = hooks.go_on(inquiry, arrived)
        inquiry.outcome.passes += (addresses for _, addresses in arrived)
    except TooMuchEffort:
        reason = "the rules send packets through too many chains to be followed"
        doubt = Undecided(reason, None, space, 1.0)
        return Verdict(question, space, AddressSet(), (), (doubt,), space)
    return _verdict(question, space, inquiry.outcome)


def _without_lost(outcome: Outcome, answers: Flows) -> Flows:
    """The answers but for those that nobody tracked, so that nobody has translated them back."""
    lost, back = answers.parted(
        lambda packet: packet.translated and not packet.tracking.has_connection
    )
    reason = "the answers are not tracked, so that nothing translates them back"
    for _, addresses in lost:
        outcome.may_pass_or_not(reason, None, addresses)
    return back


@lru_cache(maxsize=16)
def _space(family: Family, own: frozenset[int], far: AddressSet | None) -> AddressSet:
    """One object for all questions about the same addresses: runs remember it."""
    asked = internet(family) if far is None else far
    return asked - AddressSet.of((number, number) for number in own)


def _verdict(question: Question, space: AddressSet, outcome: Outcome) -> Verdict:
    may_pass = united(outcome.passes)
    if not outcome.may_be_blocked and not outcome.doubts:
        return Verdict(
            question,
            space,
            may_pass,
            _blocked(outcome, AddressSet(), space),
            (),
            AddressSet(),
            _arrivals(outcome, question.port, may_pass, space),
        )
    may_be_blocked = united(
        [*outcome.may_be_blocked, *(addresses for _, addresses in outcome.blocks)]
    )
    undecided = may_pass & may_be_blocked
    passed = may_pass - may_be_blocked
    return Verdict(
        question,
        space,
        passed,
        _blocked(outcome, may_be_blocked - may_pass, space),
        _undecided(outcome, undecided, space),
        undecided,
        _arrivals(outcome, question.port, passed, space),
    )


def _blocked(outcome: Outcome, blocked: AddressSet, space: AddressSet) -> tuple[Blocked, ...]:
    """Give each blocked address to the last rule that may have blocked it.

    The last one is certain: a rule that only may have blocked an address has let it go on to
    the later one.
    """
    by_rule: dict[object, Blocks] = {}
    certain = ((blocking, written(share)) for blocking, share in outcome.blocks)
    for blocking, share in _claims(outcome, blocked) if outcome.doubts else certain:
        by_rule.setdefault(blocking.key, []).append((blocking, share))
    whole = space.count()
    found = [_told(group, whole) for group in _with_lists(by_rule.values())]
    return tuple(sorted(found, key=lambda each: -each.share))


def _claims(outcome: Outcome, blocked: AddressSet) -> Iterator[tuple[Blocking, AddressSet]]:
    """What of ``blocked`` each block is the last on."""
    unclaimed = Remaining(blocked)
    backwards = Backwards()
    for blocking, addresses in reversed(outcome.blocks):
        share = unclaimed.take(backwards.news(addresses))
        if share:
            yield blocking, share


Blocks: TypeAlias = list[tuple[Blocking, AddressSet]]


def _with_lists(by_rule: Iterable[Blocks]) -> Iterable[Blocks]:
    """Many single addresses blocked in one chain are one list, told as one."""
    groups: list[Blocks] = []
    lists: dict[object, list[Blocks]] = {}
    for blocks in by_rule:
        blocking, _ = blocks[0]
        if blocking.place.is_single:
            lists.setdefault(blocking.key_of_list, []).append(blocks)
        else:
            groups.append(blocks)
    for singles in lists.values():
        if len(singles) < SHORTEST_LIST:
            groups += singles
        else:
            groups.append([each for blocks in singles for each in blocks])
    return groups


def _told(blocks: Blocks, whole: int) -> Blocked:
    first, share = blocks[0]
    addresses = AddressSet.union_of(each for _, each in blocks)
    places = tuple(dict.fromkeys(blocking.place for blocking, _ in blocks))
    return Blocked(
        first.place.ref(addresses if len(places) == 1 else share),
        first.action,
        addresses,
        addresses.count() / whole if whole else 0.0,
        first.answer,
        first.hook,
        first.place.count(addresses) if len(places) == 1 else len(places),
        tuple(place.ref() for place in first.path),
        places,
        first.later,
    )


def _undecided(outcome: Outcome, undecided: AddressSet, space: AddressSet) -> tuple[Undecided, ...]:
    """One for each reason and rule; thousands of rules may doubt the very same addresses."""
    by_reason: dict[tuple[str, Place | None], list[AddressSet]] = {}
    doubtful = _doubtful([addresses for *_, addresses in outcome.doubts], undecided)
    for (reason, place, _), addresses in zip(outcome.doubts, doubtful, strict=True):
        if addresses:
            by_reason.setdefault((reason, place), []).append(addresses)
    together = [(*doubt, AddressSet.union_of(sets)) for doubt, sets in by_reason.items()]
    distinct = {id(addresses): addresses for *_, addresses in together}
    shares = {at: addresses.share_of(space) for at, addresses in distinct.items()}
    found = [
        Undecided(reason, place.ref() if place else None, addresses, shares[id(addresses)])
        for reason, place, addresses in together
    ]
    return tuple(sorted(found, key=lambda each: -each.share))


def _doubtful(doubts: Sequence[Found], undecided: AddressSet) -> list[AddressSet]:
    """What of each is ``undecided``; those of one origin grow from the last to the first."""
    backwards = Backwards()
    grown: dict[int, AddressSet] = {}
    doubtful: list[AddressSet] = []
    for found in reversed(doubts):
        at = origin(found)
        grown[at] = grown.get(at, NOWHERE) | (backwards.news(found) & undecided)
        doubtful.append(grown[at])
    return doubtful[::-1]


def _arrivals(
    outcome: Outcome, asked: int, passed: AddressSet, space: AddressSet
) -> tuple[Arrival, ...]:
    """Where packets arrive that are certain to pass and certain to be sent on to one port."""
    found = []
    for place, port, addresses in outcome.redirects:
        elsewhere = AddressSet.union_of(at for other, at in outcome.arrivals if other != port)
        certain = (addresses & passed) - elsewhere
        if port != asked and certain:
            found.append(Arrival(port, place.ref(), certain, certain.share_of(space)))
    return tuple(found)
