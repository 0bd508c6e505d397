"""``mailfix report``: one audit, set against the last, told through every door, and kept."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

from mailfix import auditor
from mailfix.auditor import Examination
from mailfix.comparison.codec import Unreadable
from mailfix.comparison.compare import compare
from mailfix.comparison.news import News
from mailfix.comparison.records import Standings
from mailfix.comparison.sighting import Today
from mailfix.report.bulletin import Bulletin
from mailfix.report.escape import escape
from mailfix.report.news import document
from mailfix.reporter.doors import Delivery, deliver
from mailfix.reporter.store import THIS_HOST, Store


@dataclass(frozen=True, slots=True)
class Issue:
    """One report, and what became of it at each door."""

    bulletin: Bulletin
    deliveries: tuple[Delivery, ...] = ()

    @property
    def exit_code(self) -> int:
        """The audit's: a door that failed changes nothing about the mail host."""
        return self.bulletin.report.exit_code


def run(store: Store = THIS_HOST) -> Issue:
    """Make a report, tell it, and keep it for the next one to be set against.

    It is kept last: what a crash leaves untold is told by the next run. Raises
    :class:`mailfix.model.Refusal` where nothing can be kept; by then it has been told.
    """
    with store.locked():
        before = _before(store)
        examination = auditor.examine()
        kept, news = _compared(before, examination)
        bulletin = Bulletin(examination.report, news, examination.acknowledged)
        settings = examination.settings.report
        issue = Issue(bulletin, deliver(bulletin, settings))
        text = document.write(_content(issue))
        store.keep(kept, text, bulletin.report.started, settings.keep)
    for each in issue.deliveries:
        if each.outcome == "failed":
            _tell_aside(f"the report did not go out by {each.door}: {each.detail}")
    return issue


def look(store: Store = THIS_HOST) -> Issue:
    """Say what a report would say, and neither tell nor keep it."""
    try:
        before = store.standings()
    except Unreadable as error:
        _tell_aside(f"everything counts as new: {error}")
        before = Standings()
    examination = auditor.examine()
    _, news = _compared(before, examination)
    return Issue(Bulletin(examination.report, news, examination.acknowledged))


def _before(store: Store) -> Standings:
    try:
        return store.standings()
    except Unreadable as error:
        aside = store.set_aside()
        _tell_aside(f"everything counts as new: {error}; the file is kept as {aside}")
        return Standings()


def _compared(before: Standings, examination: Examination) -> tuple[Standings, News]:
    report = examination.report
    today = Today(report.started, report.findings, examination.passes)
    return compare(before, today, examination.settings.report.steady_runs)


def _content(issue: Issue) -> dict[str, Any]:
    deliveries = [
        {"door": each.door, "outcome": each.outcome, "detail": escape(each.detail)}
        for each in issue.deliveries
    ]
    return {**document.document(issue.bulletin), "deliveries": deliveries}


def _tell_aside(text: str) -> None:
    sys.stderr.write(f"mailfix: {escape(text)}\n")
