"""``mailfix report``: one audit, set against the last, told through every door, and kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from mailfix import auditor
from mailfix.auditor import Examination
from mailfix.comparison.codec import Unreadable
from mailfix.comparison.compare import compare
from mailfix.comparison.records import Standings
from mailfix.comparison.sighting import Today
from mailfix.report.bulletin import Bulletin
from mailfix.report.escape import escape
from mailfix.report.news import document
from mailfix.reporter.doors import Delivery, deliver
from mailfix.reporter.store import THIS_HOST, Store


@dataclass(frozen=True, slots=True)
class Issue:
    """One report, and what became of it at each door; ``troubles`` are for stderr."""

    bulletin: Bulletin
    deliveries: tuple[Delivery, ...] = ()
    troubles: tuple[str, ...] = ()

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
        aside = f"; the file is kept as {store.set_aside()}" if before.trouble else ""
        examination = auditor.examine()
        kept, bulletin = _compared(before.standings, examination)
        settings = examination.settings.report
        deliveries = deliver(bulletin, settings)
        text = document.write(_content(bulletin, deliveries))
        store.keep(kept, text, bulletin.report.started, settings.keep)
    troubles = [trouble + aside for trouble in before.trouble]
    return Issue(bulletin, deliveries, (*troubles, *_failed(deliveries)))


def look(store: Store = THIS_HOST) -> Issue:
    """Say what a report would say, and neither tell nor keep it."""
    before = _before(store)
    _, bulletin = _compared(before.standings, auditor.examine())
    return Issue(bulletin, troubles=before.trouble)


@dataclass(frozen=True, slots=True)
class _Before:
    """What the last run handed on, and why that cannot be read, if so."""

    standings: Standings
    trouble: tuple[str, ...] = ()


def _before(store: Store) -> _Before:
    try:
        return _Before(store.standings())
    except Unreadable as error:
        return _Before(Standings(), (f"everything counts as new: {error}",))


def _failed(deliveries: Iterable[Delivery]) -> Iterator[str]:
    for each in deliveries:
        if each.outcome == "failed":
            yield f"the report did not go out by {each.door}: {each.detail}"


def _compared(before: Standings, examination: Examination) -> tuple[Standings, Bulletin]:
    report = examination.told
    today = Today(report.started, report.findings, examination.passes)
    kept, news = compare(before, today, examination.settings.report.steady_runs)
    return kept, Bulletin(report, news, examination.acknowledged)


def _content(bulletin: Bulletin, deliveries: Iterable[Delivery]) -> dict[str, Any]:
    plain = [
        {"door": each.door, "outcome": each.outcome, "detail": escape(each.detail)}
        for each in deliveries
    ]
    return {**document.document(bulletin), "deliveries": plain}
