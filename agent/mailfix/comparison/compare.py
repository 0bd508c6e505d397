"""One audit, set against what the ones before have shown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from mailfix.comparison.doubting import next_doubts
from mailfix.comparison.following import Place, Step, first_seen, next_step
from mailfix.comparison.news import News, Standing
from mailfix.comparison.records import Standings
from mailfix.comparison.sighting import Today, sightings
from mailfix.model import SEVERITY_ORDER, Finding, Identity, Status, identity, sortable


def compare(before: Standings, today: Today, steady_runs: int) -> tuple[Standings, News]:
    """Return what to keep for the next comparison, and what is new in this audit.

    ``steady_runs`` (1 or more) is for how many runs in a row what comes and goes must last before
    it is told again.
    """
    steps = [
        next_step(record, sighting, today.started, steady_runs)
        for record, sighting in sightings(before.failures, today)
    ]
    known = {identity(record.standing) for record in before.failures}
    steps += [first_seen(each, today.started) for each in _failures(today, known)]
    told = {identity(step.unknown) for step in steps if step.unknown}
    unknown = _unknown(today, told)
    doubts = next_doubts(before.doubts, unknown, today.started, steady_runs)
    kept = tuple(step.kept for step in steps if step.kept)
    news = News(
        new=_told(steps, Place.NEW),
        better=_told(steps, Place.BETTER),
        still=_told(steps, Place.STILL),
        wavering=_told(steps, Place.WAVERING),
        unclear=tuple(sorted((*_told(steps, Place.UNCLEAR), *doubts.told), key=_worst_first)),
    )
    return Standings(kept, doubts.kept), news


def _failures(today: Today, known: set[Identity]) -> Iterator[Finding]:
    for finding in today.findings:
        fails = finding.status in (Status.FAIL, Status.IGNORED)
        if fails and identity(finding) not in known:
            yield finding


def _unknown(today: Today, told: set[Identity]) -> Iterator[Finding]:
    """All but those that are told already, as the doubt about a failure."""
    for finding in today.findings:
        if finding.status is Status.UNKNOWN and identity(finding) not in told:
            yield finding


def _told(steps: Iterable[Step], place: Place) -> tuple[Standing, ...]:
    return tuple(sorted((step.told for step in steps if step.place is place), key=_worst_first))


def _worst_first(standing: Standing) -> tuple[int, str, str]:
    order = SEVERITY_ORDER.index(standing.severity)
    return order, standing.rule, sortable(standing.subject)
