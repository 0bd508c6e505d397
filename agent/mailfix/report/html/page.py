"""The page: its sections and its drawing, filled into the template.

Jinja's autoescape makes text harmless for HTML; what is not printable is escaped as in every other
report. Both happen where the template prints, so that nothing can be forgotten.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailfix.comparison.acknowledgement import Acknowledgement
from mailfix.comparison.news import News
from mailfix.report.counting import counted
from mailfix.report.escape import escape
from mailfix.report.html.drawing import draw
from mailfix.report.html.marks import Mark, mark_of
from mailfix.report.html.places import Signs
from mailfix.report.html.sections import Anchors, chapters, sections
from mailfix.report.summary import Report

if TYPE_CHECKING:
    from jinja2 import Environment

MAX_ACKNOWLEDGED = 50
TOLD_FIRST = (Mark.BROKEN, Mark.WEAK, Mark.UNKNOWN)


def write(
    report: Report, news: News | None = None, acknowledged: tuple[Acknowledgement, ...] = ()
) -> str:
    """Return the page: UTF-8 in a file of its own, under 2 MB whatever was found.

    With ``news`` it begins with what changed; ``acknowledged`` are the choices that hide findings.
    """
    anchors = Anchors()
    listed = sections(report, anchors)
    signs = Signs(report.findings, anchors.of)
    template = _environment().get_template("page.html")
    return template.render(
        report=report,
        counts={status.value: number for status, number in report.counts.items()},
        overall=_overall(report),
        sections=listed,
        chapters=chapters(news, report.started, anchors) if news else None,
        acknowledged=acknowledged[:MAX_ACKNOWLEDGED],
        more_acknowledged=max(0, len(acknowledged) - MAX_ACKNOWLEDGED),
        drawing=draw(report.host, report.overview, signs),
        marks=tuple(Mark),
    )


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
