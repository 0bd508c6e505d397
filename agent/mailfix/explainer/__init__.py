"""One explanation: ask the host, follow the packets, family by family."""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import UTC, datetime

from mailfix import __version__
from mailfix.explainer import sight
from mailfix.explainer.remedy import remedy
from mailfix.explainer.request import Request
from mailfix.explainer.sight import Sight
from mailfix.facts import Listener, MailUser
from mailfix.firewall import Direction, Dump, Journey, Ruleset, follow, read_ruleset
from mailfix.host import Host, event_loop
from mailfix.model import Fact, Family, Known, Unknown
from mailfix.report.explain.explanation import Asked, Explanation, Remedy, Way

PATIENCE_S = 9.0
"""As long as an audit may take."""


def run(request: Request) -> Explanation:
    """Look at this host once and explain what was asked."""
    started, clock = datetime.now(UTC), time.monotonic()
    ways = event_loop.run(_ways(request))
    return Explanation(__version__, started, time.monotonic() - clock, request.asked, ways)


async def _ways(request: Request) -> tuple[Way, ...]:
    host = Host.within(PATIENCE_S)
    seen = await sight.look(host, request)
    return explain(request, seen)


def explain(request: Request, seen: Sight) -> tuple[Way, ...]:
    """The ways over the families that were asked for, or over those that the host has."""
    there = tuple(family for family in Family if seen.has(family))
    families = request.families or there or tuple(Family)
    ruleset = _ruleset(seen.dumps)
    journeys = {each: _journey(request.asked, seen, ruleset, each) for each in families}
    remedies = _remedies(ruleset, seen, journeys.values()) if request.cure else {}
    return tuple(
        Way(
            family,
            journey,
            listeners=_listeners(request.asked, seen, family, journey),
            sender=_sender(request.asked, seen, journey),
            cure=remedies.get(family),
        )
        for family, journey in journeys.items()
    )


def _ruleset(dumps: Fact[tuple[Dump, ...]]) -> Fact[Ruleset]:
    return dumps if isinstance(dumps, Unknown) else Known(read_ruleset(dumps.value))


def _journey(asked: Asked, seen: Sight, ruleset: Fact[Ruleset], family: Family) -> Fact[Journey]:
    question = seen.question(asked, family)
    if isinstance(ruleset, Unknown):
        return ruleset
    if isinstance(question, Unknown):
        return question
    try:
        return Known(follow(ruleset.value, question.value))
    except ValueError as error:
        return Unknown(f"mailfix failed to judge the firewall: {error}")


def _remedies(
    ruleset: Fact[Ruleset], seen: Sight, journeys: Iterable[Fact[Journey]]
) -> dict[Family, Remedy]:
    """The smallest cure for each blocked family, which may cure the other blocked one, too."""
    if isinstance(ruleset, Unknown) or isinstance(seen.dumps, Unknown):
        return {}
    verdicts = [each.value.verdict for each in journeys if isinstance(each, Known)]
    blocked = [each.question for each in verdicts if each.faults]
    return {
        question.family: remedy(
            ruleset.value,
            question,
            seen.dumps.value,
            [other for other in blocked if other is not question],
        )
        for question in blocked
    }


def _sender(asked: Asked, seen: Sight, journey: Fact[Journey]) -> Fact[MailUser] | None:
    """As whom the packets are sent, where packets are followed out."""
    out = asked.direction is Direction.OUT and isinstance(journey, Known)
    return seen.user if out else None


def _listeners(
    asked: Asked, seen: Sight, family: Family, journey: Fact[Journey]
) -> Fact[tuple[Listener, ...]] | None:
    """The listeners on the port that was asked about, and on those that rules send it on to."""
    if asked.direction is Direction.OUT or asked.protocol != "tcp" or isinstance(journey, Unknown):
        return None
    if isinstance(seen.listening, Unknown):
        return seen.listening
    ports = {asked.port, *(each.port for each in journey.value.verdict.arrivals)}
    found = (each for each in seen.listening.value if family in each.families)
    return Known(tuple(each for each in found if each.port in ports))
