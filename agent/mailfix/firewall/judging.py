"""From the fates that addresses may have to the verdict."""

from __future__ import annotations

import ipaddress

from mailfix.firewall.addresses import AddressSet, share_out
from mailfix.firewall.internet import internet
from mailfix.firewall.question import Question
from mailfix.firewall.ruleset import RuleRef, Ruleset
from mailfix.firewall.verdict import Blocked, Undecided, Verdict
from mailfix.firewall.walk import Outcome, Place, TooMuchEffort, Walk


def judge(ruleset: Ruleset, question: Question) -> Verdict:
    """What becomes of a new connection from (or to) every address of the Internet.

    Raises:
        ValueError: ``question`` holds no valid address.
    """
    space = _space(question)
    try:
        outcome = Walk(ruleset, question, space).run()
    except TooMuchEffort:
        reason = "the rules send packets through too many chains to be followed"
        doubt = Undecided(reason, None, space, 1.0)
        return Verdict(question, space, AddressSet(), (), (doubt,), space)
    may_pass = AddressSet.union_of(outcome.passes)
    may_be_blocked = AddressSet.union_of(
        [*outcome.may_be_blocked, *(addresses for _, _, addresses in outcome.blocks)]
    )
    undecided = may_pass & may_be_blocked
    return Verdict(
        question,
        space,
        may_pass - may_be_blocked,
        _blocked(outcome, may_be_blocked - may_pass, space),
        _undecided(outcome, undecided, space),
        undecided,
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
    shares = [addresses for _, _, addresses in later_first]
    if outcome.doubts:
        shares, _ = share_out(blocked, shares)
    by_rule: dict[tuple[Place, str], list[AddressSet]] = {}
    for (place, action, _), share in zip(later_first, shares, strict=True):
        if share:
            by_rule.setdefault((place, action), []).append(share)
    whole = space.count()
    found = []
    for (place, action), sets in by_rule.items():
        addresses = sets[0] if len(sets) == 1 else AddressSet.union_of(sets)
        found.append(Blocked(_ref(place), action, addresses, addresses.count() / whole))
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


def _ref(place: Place) -> RuleRef:
    if place.rule is None:
        return place.table.policy_ref(place.chain)
    return place.table.ref(place.chain, place.rule)
