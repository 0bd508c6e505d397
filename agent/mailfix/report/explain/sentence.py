"""The answer in one sentence, and shares of the Internet in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mailfix.facts import Listener, Reach
from mailfix.firewall import AddressSet, Blocked, Undecided, Verdict
from mailfix.model import Known, Unknown, of_the_internet, percent
from mailfix.report.counting import counted
from mailfix.report.escape import clip, escape
from mailfix.report.explain.course import sent_away
from mailfix.report.explain.explanation import SOME, Answer, Asked, Way

MAX_NAME = 60
MAX_RULE = 400
MAX_REASON = 200
MAX_CAUSES = 2
FEW = 100_000
SMALL_SHARE = 0.001


def sentence(asked: Asked, way: Way) -> str:
    """For example ``tcp/25 in over IPv4: BLOCKED for the whole Internet by rule 7 of INPUT...``."""
    return f"{_subject(asked)} over {way.family.label}: {_answer(asked, way)}"


def _subject(asked: Asked) -> str:
    """For example ``tcp/25 in from 198.51.100.7``."""
    preposition = "from" if asked.direction == "in" else "to"
    far = f" {preposition} {asked.far}" if asked.far else ""
    return f"{asked.protocol}/{asked.port} {asked.direction.value}{far}"


def _answer(asked: Asked, way: Way) -> str:
    if isinstance(way.journey, Unknown):
        return f"UNKNOWN: {_reason(way.journey.reason)}"
    verdict = way.journey.value.verdict
    everyone = asked.far is None
    if way.answer is Answer.BLOCKED:
        parts = _blocked(verdict, everyone)
    elif way.answer is Answer.UNDECIDED:
        parts = _undecided(verdict, everyone)
    else:
        parts = _open(verdict, everyone, deaf=is_deaf(asked, way))
    return "; ".join(parts)


def _blocked(verdict: Verdict, everyone: bool) -> Iterator[str]:
    faults = verdict.faults
    whom = f" for {of_the_internet(sum(each.share for each in faults))}" if everyone else ""
    if len(faults) == 1:
        yield f"BLOCKED{whom} {_cause(faults[0])}"
    else:
        causes = [f"{percent(each.share)} {_cause(each)}" for each in faults[:MAX_CAUSES]]
        more = len(faults) - MAX_CAUSES
        causes += [f"the rest by {counted(more, 'more rule')}"] if more > 0 else []
        yield f"BLOCKED{whom}: {', '.join(causes)}"
    if everyone and verdict.undecided_share > SOME:
        yield f"undecided for {of_the_internet(verdict.undecided_share)}"
    if everyone and verdict.passed_share > 0:
        yield f"open for {_amount(verdict.passed, verdict.passed_share)}"
    yield from _bans(verdict)


def _undecided(verdict: Verdict, everyone: bool) -> Iterator[str]:
    share = verdict.undecided_share
    whom = f" for {of_the_internet(share)}" if everyone else ""
    yield f"UNDECIDED{whom}: {doubt(verdict.undecided[0])}" if verdict.undecided else "UNDECIDED"
    if len(verdict.undecided) > 1:
        yield f"and for {counted(len(verdict.undecided) - 1, 'other reason')}"
    if everyone and verdict.passed_share > 0:
        yield f"open for {_amount(verdict.passed, verdict.passed_share)}"
    yield from _bans(verdict)


def _open(verdict: Verdict, everyone: bool, *, deaf: bool) -> Iterator[str]:
    whom = f" for {of_the_internet(verdict.passed_share)}" if everyone else ""
    yield f"OPEN{whom}, but nothing listens there" if deaf else f"OPEN{whom}"
    for arrival in verdict.arrivals:
        if arrival.is_broad:
            rule = clip(escape(arrival.rule.describe()), MAX_RULE)
            yield f"sent on to port {arrival.port} by {rule}"
    yield from _bans(verdict)


def _bans(verdict: Verdict) -> Iterator[str]:
    bans = verdict.bans
    if bans:
        banned = AddressSet.union_of(each.addresses for each in bans)
        share = sum(each.share for each in bans)
        verb = "is" if banned.count() == 1 else "are"
        rules = counted(sum(each.rules for each in bans), "rule")
        yield f"{_amount(banned, share)} {verb} banned by {rules}"


def _cause(blocked: Blocked) -> str:
    rule = clip(escape(blocked.rule.describe()), MAX_RULE)
    alike = f"{blocked.rules} rules alike, the first is " if blocked.rules > 1 else ""
    stopped = "because the answers are stopped " if blocked.answer else ""
    if blocked.later:
        stopped = "because all but the first packets are stopped "
    return f"{stopped}by {alike}{rule}"


def doubt(undecided: Undecided) -> str:
    """Why something is undecided, and on which rule it hangs."""
    reason = _reason(undecided.reason)
    if undecided.rule is None:
        return reason
    return f"{reason} ({clip(escape(undecided.rule.describe()), MAX_RULE)})"


def amount(addresses: AddressSet, share: float) -> str:
    """A share as a percentage, or, where that says little, as the number of addresses."""
    count = addresses.count()
    if share < SMALL_SHARE and count <= FEW:
        return counted(count, "address", "addresses")
    return percent(share)


def _amount(addresses: AddressSet, share: float) -> str:
    told = amount(addresses, share)
    return of_the_internet(share) if told.endswith("%") else told


def is_deaf(asked: Asked, way: Way) -> bool:
    """Whether nothing that the network reaches listens on any of the ports of arrival."""
    if isinstance(way.journey, Unknown) or not isinstance(way.listeners, Known):
        return False
    if sent_away(way.journey.value):
        return False
    sent_on = {each.port for each in way.journey.value.verdict.arrivals if each.is_broad}
    ports = sent_on or {asked.port}
    heard = {each.port for each in way.listeners.value if each.reach is Reach.NETWORK}
    return not ports & heard


def socket(asked: Asked, way: Way, port: int) -> str:
    """Who gets the connections that arrive at ``port``, "" where that was not asked."""
    if way.listeners is None:
        return ""
    if isinstance(way.listeners, Unknown):
        return (
            f"what listens on {asked.protocol}/{port} is unknown: {_reason(way.listeners.reason)}"
        )
    found = [each for each in way.listeners.value if each.port == port]
    reachable = [each for each in found if each.reach is Reach.NETWORK]
    name = f"{asked.protocol}/{port} over {way.family.label}"
    if reachable:
        return f"{_listening(reachable)} on {name}"
    if found:
        return f"nothing but loopback is listened on: {_listening(found)}; others are refused"
    return f"nothing listens on {name}: what the firewall lets through is refused"


def _listening(found: Sequence[Listener]) -> str:
    """The sockets of each process together: a server may have opened hundreds."""
    first = found[0]
    addresses = ", ".join(dict.fromkeys(clip(escape(each.address), MAX_NAME) for each in found[:4]))
    more = f" and {len(found) - 4} more" if len(found) > 4 else ""
    process = (
        f"{clip(escape(first.process), MAX_NAME)} (pid {first.pid})"
        if first.process
        else "a process"
    )
    return f"{process} listens at {addresses}{more}"


def _reason(text: str) -> str:
    return clip(escape(text), MAX_REASON)
