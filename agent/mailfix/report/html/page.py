"""The page: its sections and its drawing, filled into the template.

Jinja's autoescape makes text harmless for HTML; what is not printable is escaped as in every other
report. Both happen where the template prints, so that nothing can be forgotten.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailfix.comparison.acknowledgement import Acknowledgement
from mailfix.comparison.news import News
from mailfix.report.counting import counted
from mailfix.report.escape import clip, escape
from mailfix.report.html import geometry
from mailfix.report.html.anchors import Anchors
from mailfix.report.html.chapters import chapters
from mailfix.report.html.drawing import draw
from mailfix.report.html.limits import BARE, BRIEF, USUAL, Limits
from mailfix.report.html.marks import Mark, mark_of
from mailfix.report.html.places import Signs
from mailfix.report.html.sections import sections
from mailfix.report.news.acknowledged import told
from mailfix.report.summary import Report
from mailfix.report.wrapping import MAX_LINE

if TYPE_CHECKING:
    from jinja2 import Environment

MAX_BYTES = 2_000_000
MAX_HOST = 253
TOLD_FIRST = (Mark.BROKEN, Mark.WEAK, Mark.UNKNOWN)


def write(
    report: Report, news: News | None = None, acknowledged: tuple[Acknowledgement, ...] = ()
) -> str:
    """Return the page: UTF-8 in a file of its own, of at most 2 MB.

    With ``news`` it begins with what changed; ``acknowledged`` are the choices that hide findings.
    A page that would grow too large lists less, and says of how much more.
    """
    template = _environment().get_template("page.html")
    for limits in (USUAL, BRIEF, BARE):
        page = template.render(_content(report, news, acknowledged, limits))
        if len(page.encode()) <= MAX_BYTES:
            break
    return page


def _content(
    report: Report, news: News | None, acknowledged: tuple[Acknowledgement, ...], limits: Limits
) -> dict[str, object]:
    """What the template is filled in with."""
    anchors = Anchors()
    listed = sections(report, limits, anchors)
    host = clip(escape(report.host), MAX_HOST)
    return {
        "report": report,
        "host": host,
        "counts": {status.value: number for status, number in report.counts.items()},
        "overall": _overall(report),
        "sections": listed,
        "chapters": chapters(news, report.started, limits, anchors) if news else None,
        "acknowledged": [clip(told(each), MAX_LINE) for each in acknowledged[: limits.others]],
        "more_acknowledged": max(0, len(acknowledged) - limits.others),
        "drawing": draw(host, report.overview, Signs(report.findings, anchors.of)),
        "Mark": Mark,
        "at": geometry,
    }


def _overall(report: Report) -> Mark:
    """What the page says first; a host with warnings alone needs attention."""
    marks = {mark_of(finding) for finding in report.findings}
    return next((mark for mark in TOLD_FIRST if mark in marks), Mark.FINE)


def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("mailfix.report.html"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_printable,
    )
    environment.globals["counted"] = counted
    return environment


def _printable(value: object) -> object:
    """What the template itself made, such as a macro's HTML, has been through here already."""
    return escape(value) if isinstance(value, str) and not hasattr(value, "__html__") else value
