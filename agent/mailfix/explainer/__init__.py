"""One explanation: ask the host, follow the packets, family by family."""

from __future__ import annotations

import asyncio
import os
import time
from datetime import UTC, datetime

from mailfix import __version__
from mailfix.explainer import sight
from mailfix.explainer.request import Request
from mailfix.explainer.sight import Sight
from mailfix.facts import Listener
from mailfix.firewall import Direction, Dump, Journey, Question, Ruleset, follow, read_ruleset
from mailfix.firewall.cure import cure
from mailfix.host import Deadline, Host
from mailfix.host.dns import SystemDns
from mailfix.model import Fact, Family, Known, Unknown
from mailfix.report.explain.explanation import Asked, Explanation, Remedy, Way

PATIENCE_S = 9.0
"""As long as an audit may take."""


def run(request: Request) -> Explanation:
    """Look at this host once and explain what was asked."""
    started, clock = datetime.now(UTC), time.monotonic()
    ways = asyncio.run(_ways(request))
    return Explanation(__version__, started, time.monotonic() - clock, request.asked, ways)


async def _ways(request: Request) -> tuple[Way, ...]:
    deadline = Deadline.after(PATIENCE_S)
    host = Host(SystemDns(deadline), deadline, os.geteuid() == 0)
    seen = await sight.look(host, request)
    return explain(request, seen)


def explain(request: Request, seen: Sight) -> tuple[Way, ...]:
    """The ways over the families that were asked for, or over those that the host has."""
    there = tuple(family for family in Family if seen.has(family))
    families = request.families or there or tuple(Family)
    ruleset = _ruleset(seen.dumps)
    return tuple(_way(request, seen, ruleset, family) for family in families)


def _ruleset(dumps: Fact[tuple[Dump, ...]]) -> Fact[Ruleset]:
    return dumps if isinstance(dumps, Unknown) else Known(read_ruleset(dumps.value))


def _way(request: Request, seen: Sight, ruleset: Fact[Ruleset], family: Family) -> Way:
    asked = request.asked
    question = seen.question(asked, family)
    if isinstance(ruleset, Unknown):
        return Way(family, ruleset)
    if isinstance(question, Unknown):
        return Way(family, question)
    journey = _journey(ruleset.value, question.value)
    return Way(
        family,
        journey,
        listeners=_listeners(asked, seen, family, journey),
        sender=seen.user if asked.direction is Direction.OUT else None,
        cure=_remedy(ruleset.value, seen, journey) if request.cure else None,
    )


def _journey(ruleset: Ruleset, question: Question) -> Fact[Journey]:
    try:
        return Known(follow(ruleset, question))
    except ValueError as error:
        return Unknown(f"mailfix failed to judge the firewall: {error}")


def _remedy(ruleset: Ruleset, seen: Sight, journey: Fact[Journey]) -> Remedy | None:
    """The smallest cure of what blocks."""
    if isinstance(journey, Unknown) or not journey.value.verdict.faults:
        return None
    dumps = seen.dumps.value if isinstance(seen.dumps, Known) else ()
    found = cure(ruleset, journey.value.verdict.question, dumps)
    return Remedy(tuple(step.describe() for step in found.plan), found.why_not)


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
