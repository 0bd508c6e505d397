"""The packet's way for a tired administrator: the answer, then hook by hook what happened.

A marked rule is one that decided. Chains in which nothing happened to the packets share a line.
"""

from __future__ import annotations

from collections.abc import Iterator

from mailfix.firewall import Deed, Direction, Journey
from mailfix.model import Known, Unknown
from mailfix.report.escape import clip, escape
from mailfix.report.explain.course import arrives, comes_back, sent_away, stages
from mailfix.report.explain.drawing import Drawing, labelled, listed, name
from mailfix.report.explain.explanation import SOME, Answer, Asked, Explanation, Way
from mailfix.report.explain.sentence import sentence, socket
from mailfix.report.style import Style

MAX_STEP = 600
_COLOURS = {
    Answer.OPEN: "green",
    Answer.BLOCKED: "red",
    Answer.UNDECIDED: "yellow",
    Answer.UNKNOWN: "yellow",
}


def write(explanation: Explanation, *, colour: bool, width: int) -> str:
    """Return the explanation; lines with rules are cut at ``width`` characters."""
    style = Style(colour)
    lines = [_coloured(sentence(explanation.asked, way), way, style) for way in explanation.ways]
    for way in explanation.ways:
        if isinstance(way.journey, Known):
            lines += ["", *_way(explanation.asked, way, way.journey.value, style, width)]
    lines += _hint(explanation)
    return "\n".join(lines) + "\n"


def _hint(explanation: Explanation) -> list[str]:
    asked = explanation.asked
    blocked = any(way.answer is Answer.BLOCKED and way.cure is None for way in explanation.ways)
    if not blocked or asked.far is not None:
        return []
    options = (" --out" if asked.direction is Direction.OUT else "") + (
        " --udp" if asked.protocol == "udp" else ""
    )
    command = f"mailfix explain {asked.port}{options} --cure"
    return ["", f"The smallest change that opens it: {command}"]


def _coloured(told: str, way: Way, style: Style) -> str:
    word = way.answer.name
    before, _, after = told.partition(f": {word}")
    return f"{style.bold(before)}: {style.paint(_COLOURS[way.answer], word)}{after}"


def _way(asked: Asked, way: Way, journey: Journey, style: Style, width: int) -> Iterator[str]:
    yield style.bold(_heading(asked, way, journey))
    there, back, after = stages(journey)
    draw = Drawing(asked, journey, style, width)
    if not journey.passages:
        yield "  There is no chain on its way."
    yield from draw.hooks(there)
    if not arrives(journey):
        yield "  Nothing gets any further."
    yield from _arrival(asked, way, journey)
    if back:
        yield "  The answer on its way back:"
        yield from draw.hooks(back)
    if back and not comes_back(journey):
        yield "  No answer gets any further."
    if after:
        yield "  What follows the answer:"
        yield from draw.hooks(after)
    yield from _cure(way)


def _heading(asked: Asked, way: Way, journey: Journey) -> str:
    question = journey.verdict.question
    far, near = asked.far or "the Internet", question.local_address
    interface = name(question.interface) or "an interface not known"
    if asked.direction is Direction.IN:
        return f"{way.family.label}: new connections from {far} to {near}, in through {interface}"
    sender = ""
    if isinstance(way.sender, Known):
        sender = f" as {name(way.sender.value.name)} (uid {way.sender.value.uid})"
    if isinstance(way.sender, Unknown):
        sender = f" as a user not known ({clip(escape(way.sender.reason), MAX_STEP)})"
    return f"{way.family.label}: new connections to {far} from {near}{sender}, out by {interface}"


def _arrival(asked: Asked, way: Way, journey: Journey) -> Iterator[str]:
    reached = arrives(journey)
    if asked.direction is Direction.OUT:
        if reached:
            yield labelled("leaves", f"to {asked.far or 'the Internet'}")
        return
    away = sent_away(journey)
    hosts = dict.fromkeys(event.detail for event in away if event.deed is Deed.FORWARD)
    if hosts and reached:
        yield labelled("another host", listed([name(host) for host in hosts]))
    if sum(event.share for event in away) > 1 - SOME:
        return
    ports = [arrival.port for arrival in journey.verdict.arrivals if arrival.is_broad]
    for port in ports or [asked.port]:
        told = socket(asked, way, port)
        if told:
            yield labelled("socket" if reached else "(socket)", told)


def _cure(way: Way) -> Iterator[str]:
    if way.cure is None:
        return
    if way.cure.steps:
        yield "  The smallest cure:"
        for step in way.cure.steps:
            yield f"    {clip(escape(step.summary), MAX_STEP)}"
    if way.cure.why_not:
        start = "  But" if way.cure.steps else "  There is no cure to offer"
        yield f"{start}: {clip(escape(way.cure.why_not), MAX_STEP)}"
