"""The explanation as one JSON document, as ``explain.schema.json`` describes it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import islice
from typing import Any

from mailfix.facts import Listener
from mailfix.firewall import AddressSet, Blocked, Event, Journey, RuleRef, Undecided, Verdict
from mailfix.firewall.cure import Command
from mailfix.model import Family, Known, Unknown
from mailfix.report.escape import clip, escape
from mailfix.report.explain.course import deciders
from mailfix.report.explain.explanation import SOME, Explanation, Remedy, RemedyStep, Way
from mailfix.report.explain.sentence import sentence

SCHEMA = "mailfix.explain/1"
MAX_EVENTS = 200
MAX_ENTRIES = 200
MAX_NETWORKS = 8
MAX_TEXT = 1000
MAX_COMMANDS = 100_000
"""Characters of all the commands of a step."""


def write(explanation: Explanation) -> str:
    """Return the explanation as indented JSON."""
    return json.dumps(document(explanation), indent=1, ensure_ascii=False)


def document(explanation: Explanation) -> dict[str, Any]:
    """Return the explanation as plain values, bounded; text from outside is escaped."""
    asked = explanation.asked
    return {
        "schema": SCHEMA,
        "version": explanation.version,
        "started": explanation.started.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "duration_s": round(explanation.duration_s, 3),
        "direction": asked.direction.value,
        "protocol": asked.protocol,
        "port": asked.port,
        "far": asked.far,
        "answer": explanation.answer.value,
        "families": [_way(explanation, way) for way in explanation.ways],
    }


def _way(explanation: Explanation, way: Way) -> dict[str, Any]:
    journey = way.journey.value if isinstance(way.journey, Known) else None
    return {
        "family": way.family.value,
        "answer": way.answer.value,
        "sentence": sentence(explanation.asked, way),
        "unknown": _text(way.journey.reason) if isinstance(way.journey, Unknown) else None,
        "sender": way.sender.value.uid if isinstance(way.sender, Known) else None,
        "listeners": _listeners(way),
        "verdict": journey and _verdict(journey.verdict),
        "way": _passages(journey) if journey else [],
        "way_more": max(0, len(journey.passages) - MAX_ENTRIES) if journey else 0,
        "cure": way.cure and _cure(way.cure),
    }


def _listeners(way: Way) -> list[dict[str, Any]] | None:
    """None where that was not asked or is not known."""
    if not isinstance(way.listeners, Known):
        return None
    return [_listener(each) for each in way.listeners.value[:MAX_ENTRIES]]


def _listener(listener: Listener) -> dict[str, Any]:
    return {
        "port": listener.port,
        "address": _text(listener.address),
        "reach": listener.reach.value,
        "process": listener.process and _text(listener.process),
        "pid": listener.pid,
    }


def _verdict(verdict: Verdict) -> dict[str, Any]:
    question = verdict.question
    family = question.family
    return {
        "local_address": _text(question.local_address),
        "interface": _text(question.interface),
        "open": _share(verdict.passed_share),
        "blocked": _share(sum(each.share for each in verdict.faults)),
        "banned": _share(sum(each.share for each in verdict.bans)),
        "undecided": _share(verdict.undecided_share),
        "blocked_by": [_blocked(each, family) for each in verdict.blocked[:MAX_ENTRIES]],
        "blocked_by_more": max(0, len(verdict.blocked) - MAX_ENTRIES),
        "undecided_by": [_undecided(each, family) for each in verdict.undecided[:MAX_ENTRIES]],
        "undecided_by_more": max(0, len(verdict.undecided) - MAX_ENTRIES),
        "sent_on": [
            {
                "port": each.port,
                "rule": _rule(each.rule),
                **_concerned(each.addresses, each.share, family),
            }
            for each in verdict.arrivals[:MAX_ENTRIES]
        ],
    }


def _blocked(blocked: Blocked, family: Family) -> dict[str, Any]:
    return {
        "rule": _rule(blocked.rule),
        "rules": blocked.rules,
        "action": _text(blocked.action),
        "hook": blocked.hook.value,
        "answer": blocked.answer,
        "later": blocked.later,
        "ban": blocked.is_ban,
        "called_from": [_rule(each) for each in blocked.path[:MAX_ENTRIES]],
        **_concerned(blocked.addresses, blocked.share, family),
    }


def _undecided(undecided: Undecided, family: Family) -> dict[str, Any]:
    return {
        "reason": _text(undecided.reason),
        "rule": undecided.rule and _rule(undecided.rule),
        **_concerned(undecided.addresses, undecided.share, family),
    }


def _passages(journey: Journey) -> list[dict[str, Any]]:
    decisive = deciders(journey)
    verdict = journey.verdict
    return [
        {
            "hook": each.hook.value,
            "answer": each.answer,
            "later": each.later,
            "backend": each.backend.value,
            "table": _text(each.table),
            "chain": _text(each.chain),
            "priority": each.priority,
            "policy": _text(each.policy),
            "entered": _share(each.entered.share_of(verdict.space)),
            "events": [
                _event(event, decisive, verdict.question.family)
                for event in each.events[:MAX_EVENTS]
            ],
            "events_more": max(0, len(each.events) - MAX_EVENTS),
        }
        for each in journey.passages[:MAX_ENTRIES]
    ]


def _event(event: Event, decisive: frozenset[RuleRef], family: Family) -> dict[str, Any]:
    return {
        "depth": event.depth,
        "rule": _rule(event.rule),
        "rules": event.rules,
        "deed": event.deed.value,
        "detail": _text(event.detail),
        "decides": event.rule in decisive,
        **_concerned(event.addresses, event.share, family),
    }


def _rule(rule: RuleRef) -> dict[str, Any]:
    return {
        "backend": rule.backend.value,
        "table": _text(rule.table),
        "chain": _text(rule.chain),
        "position": rule.position,
        "handle": rule.handle,
        "text": _text(rule.text),
    }


def _concerned(addresses: AddressSet, share: float, family: Family) -> dict[str, Any]:
    """The share, and the first of the networks that make it up unless it is all."""
    networks = addresses.networks(32 if family is Family.IPV4 else 128)
    first = list(islice(networks, MAX_NETWORKS + 1)) if share < 1 - SOME else []
    return {
        "share": _share(share),
        "networks": first[:MAX_NETWORKS],
        "networks_more": len(first) > MAX_NETWORKS,
    }


def _cure(cure: Remedy) -> dict[str, Any]:
    return {
        "steps": [_text(each.summary) for each in cure.steps[:MAX_ENTRIES]],
        "but": _text(cure.why_not),
        "automatic": cure.automatic,
        "plan": [_step(each) for each in cure.steps[:MAX_ENTRIES]],
    }


def _step(step: RemedyStep) -> dict[str, Any]:
    return {
        "summary": _text(step.summary),
        "owner": _text(step.owner) if step.owner else None,
        "settings": [
            {"file": _text(each.file), "name": _text(each.name), "item": _text(each.item)}
            for each in step.settings[:MAX_ENTRIES]
        ],
        "commands": _commands(step.commands),
        "undo": _commands(step.undo),
        "why_not": _text(step.why_not),
    }


def _commands(commands: Sequence[Command]) -> list[dict[str, Any]]:
    """All of them to the letter, or none: escaped or cut they would do something else."""
    texts = [text for each in commands for text in (*each.arguments, *each.stdin.split("\n"))]
    exact = all(text.isprintable() for text in texts) and sum(map(len, texts)) <= MAX_COMMANDS
    told = commands if exact else ()
    return [{"arguments": list(each.arguments), "stdin": each.stdin} for each in told]


def _share(share: float) -> float:
    return min(1.0, max(0.0, share))


def _text(outside: str) -> str:
    return clip(escape(outside[:MAX_TEXT]), MAX_TEXT)
