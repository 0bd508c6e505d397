"""The news of a report in the order of the page."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from mailfix.comparison.news import News, Standing
from mailfix.report.escape import clip, escape
from mailfix.report.html.anchors import Anchors
from mailfix.report.html.limits import Limits
from mailfix.report.html.marks import Mark, mark_of_severity
from mailfix.report.wrapping import MAX_LINE


@dataclass(frozen=True, slots=True)
class Turn:
    """One failure in the news; ``days`` are whole ones between ``since`` and the report."""

    mark: Mark
    title: str
    text: str
    since: datetime
    days: int
    doubt: str
    anchor: str


@dataclass(frozen=True, slots=True)
class Chapter:
    """One kind of news."""

    kind: str
    heading: str
    turns: tuple[Turn, ...]
    more: int


def chapters(news: News, now: datetime, limits: Limits, anchors: Anchors) -> tuple[Chapter, ...]:
    """The news that there are; ``now`` is the report's own time."""
    kinds = (
        ("new", "New", news.new),
        ("better", "Better", news.better),
        ("still", "Still there", news.still),
        ("wavering", "Comes and goes", news.wavering),
        ("unclear", "Can no longer be told", news.unclear),
    )
    return tuple(
        Chapter(
            kind,
            heading,
            tuple(_turn(each, kind, now, anchors) for each in standings[: limits.news]),
            max(0, len(standings) - limits.news),
        )
        for kind, heading, standings in kinds
        if standings
    )


def _turn(standing: Standing, kind: str, now: datetime, anchors: Anchors) -> Turn:
    return Turn(
        mark=_TURNED.get(kind) or mark_of_severity(standing.severity),
        title=standing.title,
        text=clip(escape(standing.message), MAX_LINE),
        since=standing.since,
        days=max(0, (now - standing.since).days),
        doubt=clip(escape(standing.doubt or ""), MAX_LINE),
        anchor=anchors.of(standing),
    )


_TURNED = {"better": Mark.FINE, "unclear": Mark.UNKNOWN}
