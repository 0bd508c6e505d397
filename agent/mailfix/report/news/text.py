"""A bulletin for people, on one screen: what is new first, what is acknowledged last."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from mailfix.comparison.acknowledgement import Acknowledgement
from mailfix.comparison.news import Standing
from mailfix.model import Status
from mailfix.report.bulletin import Bulletin
from mailfix.report.counting import counted
from mailfix.report.escape import clip, escape
from mailfix.report.news.acknowledged import told
from mailfix.report.style import Style
from mailfix.report.summary import Report
from mailfix.report.wrapping import headed, labelled

MAX_MESSAGE = 260


@dataclass(frozen=True, slots=True)
class Heading:
    """How the failures of one kind are told, ``most`` of them at most."""

    label: str
    colour: str
    most: int


NEW = Heading("NEW", "red", 10)
BETTER = Heading("BETTER", "green", 10)
STILL = Heading("STILL", "yellow", 8)
WAVERING = Heading("WAVERING", "yellow", 4)
UNCLEAR = Heading("UNKNOWN", "yellow", 4)
MAX_ACKNOWLEDGED = 6


def write(bulletin: Bulletin, *, colour: bool) -> str:
    """Return what is new, better and still there, and what was acknowledged."""
    style, news, now = Style(colour), bulletin.news, bulletin.report.started
    lines = [*_headline(bulletin, style)]
    lines += _section(NEW, news.new, now, style)
    lines += _section(BETTER, news.better, now, style)
    lines += _section(STILL, news.still, now, style)
    lines += _section(WAVERING, news.wavering, now, style)
    lines += _section(UNCLEAR, news.unclear, now, style)
    lines += _acknowledged(bulletin.acknowledged)
    lines += _what_to_do(bulletin.report)
    return "\n".join(lines) + "\n"


def _headline(bulletin: Bulletin, style: Style) -> Iterator[str]:
    news, counts = bulletin.news, bulletin.report.counts
    changes = [
        (len(news.new), "new", "red"),
        (len(news.better), "better", "green"),
        (len(news.unclear), "no longer known", "yellow"),
    ]
    parts = [style.paint(colour, f"{number} {word}") for number, word, colour in changes if number]
    said = ", ".join(parts) or "nothing new"
    yield f"{style.bold(escape(bulletin.report.host))}: {said}"
    wrong = counted(counts[Status.FAIL], "thing") + " wrong" if counts[Status.FAIL] else ""
    unknown = f"{counts[Status.UNKNOWN]} not found out" if counts[Status.UNKNOWN] else ""
    state = [wrong or "nothing wrong", unknown, counted(counts[Status.PASS], "check") + " passed"]
    moment = bulletin.report.started.strftime("%Y-%m-%d %H:%M UTC")
    yield f"{moment}: {', '.join(part for part in state if part)}"


def _section(
    heading: Heading, standings: Sequence[Standing], now: datetime, style: Style
) -> Iterator[str]:
    """What a rule says of several subjects at once has its rule and its date once."""
    shown = standings[: heading.most]
    for (rule, severity, since, doubt), alike in groupby(shown, lambda each: _common(each, now)):
        yield ""
        for each in alike:
            was = "no longer: " if heading is BETTER else ""
            message = was + clip(each.message, MAX_MESSAGE)
            yield from headed(heading.label, message, style, heading.colour)
        wrong = "it was wrong " if heading is BETTER else ""
        yield from labelled(severity, f"{rule}, {wrong}{since}")
        if doubt:
            yield from labelled("but", clip(doubt, MAX_MESSAGE))
    if len(standings) > heading.most:
        yield f"and {len(standings) - heading.most} more ({heading.label.lower()})"


def _common(each: Standing, now: datetime) -> tuple[str, str, str, str]:
    return each.rule, each.severity.value, _since(each.since, now), each.doubt or ""


def _since(since: datetime, now: datetime) -> str:
    days = (now - since).days
    if days < 1:
        return f"since {since.strftime('%Y-%m-%d %H:%M')} UTC"
    return f"since {since.strftime('%Y-%m-%d')}, for {counted(days, 'day')}"


def _acknowledged(entries: Sequence[Acknowledgement]) -> Iterator[str]:
    if entries:
        yield ""
    for each in entries[:MAX_ACKNOWLEDGED]:
        yield f"Ignored {told(each)}"
    if len(entries) > MAX_ACKNOWLEDGED:
        yield f"and {len(entries) - MAX_ACKNOWLEDGED} more: mailfix ignore"


def _what_to_do(report: Report) -> Iterator[str]:
    if report.counts[Status.FAIL] or report.counts[Status.UNKNOWN]:
        yield ""
        yield "mailfix audit tells the cause and what to do about each; mailfix fix repairs."
