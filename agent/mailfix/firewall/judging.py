"""From the fates that addresses may have to the verdict."""

from __future__ import annotations

import ipaddress

from mailfix.firewall.addresses import AddressSet, share_out
from mailfix.firewall.internet import internet
from mailfix.firewall.question import Question
from mailfix.firewall.ruleset import RuleRef, Ruleset
from mailfix.firewall.verdict import Arrival, Blocked, Undecided, Verdict
from mailfix.firewall.walk import Blocking, Outcome, Place, TooMuchEffort, Walk


def judge(ruleset: Ruleset, question: Question, *, with_answer: bool = True) -> Verdict:
    """What becomes of a new connection from (or to) every address of the Internet.

    It passes if its first packet arrives and the answer to that comes back; only the first packet
    is judged without ``with_answer``.

    Raises:
        ValueError: ``question`` holds no valid address.
    """
    space = _space(question)
    try:
        outcome = Walk(ruleset, question, space, with_answer=with_answer).run()
    except TooMuchEffort:
        reason = "the rules send packets through too many chains to be followed"
        doubt = Undecided(reason, None, space, 1.0)
        return Verdict(question, space, AddressSet(), (), (doubt,), space)
    may_pass = AddressSet.union_of(outcome.passes)
    may_be_blocked = AddressSet.union_of(
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


def _space(question: Question) -> AddressSet:
    own = (question.local_address, *question.own_addresses)
    addresses = (ipaddress.ip_address(text.partition("%")[0]) for text in own)
    numbers = [
        (int(each), int(each))
        for each in addresses
        if each.version == (6 if question.family.value == "ipv6" else 4)
    ]
    return internet(question.family) - AddressSet.of(numbers)


def _blocked(outcome: Outcome, blocked: AddressSet, space: AddressSet) -> tuple[Blocked, ...]:
    """Give each blocked address to the last rule that may have blocked it.

    The last one is certain: a rule that only may have blocked an address has let it go on to
    the later one.
    """
    later_first = outcome.blocks[::-1]
    shares = [addresses for _, addresses in later_first]
    if outcome.doubts:
        shares, _ = share_out(blocked, shares)
    by_rule: dict[Blocking, list[AddressSet]] = {}
    for (blocking, _), share in zip(later_first, shares, strict=True):
        if share:
            by_rule.setdefault(blocking, []).append(share)
    whole = space.count()
    found = []
    for by, sets in by_rule.items():
        addresses = sets[0] if len(sets) == 1 else AddressSet.union_of(sets)
        share_of_all = addresses.count() / whole
        found.append(Blocked(_ref(by.place), by.action, addresses, share_of_all, by.answer))
    return tuple(sorted(found, key=lambda each: -each.share))


def _undecided(outcome: Outcome, undecided: AddressSet, space: AddressSet) -> tuple[Undecided, ...]:
    by_reason: dict[tuple[str, Place | None], list[AddressSet]] = {}
    for reason, place, addresses in outcome.doubts:
        doubtful = addresses & undecided
        if doubtful:
            by_reason.setdefault((reason, place), []).append(doubtful)
    whole = space.count()
    found = []
    for (reason, place), sets in by_reason.items():
        ref = None if place is None else _ref(place)
        addresses = AddressSet.union_of(sets)
        found.append(Undecided(reason, ref, addresses, addresses.count() / whole))
    return tuple(sorted(found, key=lambda each: -each.share))


def _arrivals(
    outcome: Outcome, asked: int, passed: AddressSet, space: AddressSet
) -> tuple[Arrival, ...]:
    """Where packets arrive that are certain to pass and certain to be sent on to one port."""
    found = []
    for place, port, addresses in outcome.redirects:
        elsewhere = AddressSet.union_of(at for other, at in outcome.arrivals if other != port)
        certain = (addresses & passed) - elsewhere
        if port != asked and certain:
            found.append(Arrival(port, _ref(place), certain, certain.share_of(space)))
    return tuple(found)


def _ref(place: Place) -> RuleRef:
    if place.rule is None:
        return place.table.policy_ref(place.chain)
    return place.table.ref(place.chain, place.rule)
