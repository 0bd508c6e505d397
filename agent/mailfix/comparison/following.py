"""One failure from run to run: when it is told as new, and when as better.

The first failure is told at once, and so is the first pass after it. From then on, for
``RESTLESS_RUNS`` runs, it counts as coming and going: it is told again, as new or as better, once
it was so for ``steady_runs`` runs in a row. A run that cannot tell counts for neither.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum

from mailfix.comparison.news import Standing, standing_of
from mailfix.comparison.records import RESTLESS_RUNS, FailureRecord, Told
from mailfix.comparison.sighting import Sighting
from mailfix.model import Finding, Status

UNJUDGED_RUNS = 7
"""After so many runs in which no rule spoke of a failure it is told once more, and forgotten."""
NOT_JUDGED = "it was not judged today"
FORGOTTEN = f"no rule spoke of it for {UNJUDGED_RUNS} runs, so it is no longer followed"
PASSES = "it passes today"


class Place(Enum):
    """Under which heading of the news a failure stands."""

    NEW = "new"
    BETTER = "better"
    STILL = "still"
    WAVERING = "wavering"
    UNCLEAR = "unclear"


@dataclass(frozen=True, slots=True)
class Step:
    """What one run makes of a failure: what is told of it, and what is kept of it, if anything.

    ``unknown`` is the finding whose words are told as the doubt about the failure.
    """

    told: Standing
    place: Place | None
    kept: FailureRecord | None
    unknown: Finding | None = None


def first_seen(finding: Finding, started: datetime) -> Step:
    """A failure that no record tells of."""
    standing = standing_of(finding, started)
    if finding.status is Status.IGNORED:
        return Step(standing, None, FailureRecord(standing, Told.NOTHING))
    return Step(standing, Place.NEW, FailureRecord(standing, Told.FAILING))


def next_step(
    record: FailureRecord, sighting: Sighting, started: datetime, steady_runs: int
) -> Step:
    """What today's sighting makes of a failure that was found before."""
    if sighting is None:
        return _unjudged(_calmer(record))
    match sighting.status:
        case Status.FAIL:
            return _failing(record, sighting, started, steady_runs)
        case Status.IGNORED:
            return _acknowledged(record, started)
        case Status.UNKNOWN:
            return _unknown(_calmer(record), sighting)
        case Status.PASS:
            return _passing(record, steady_runs)


def _failing(record: FailureRecord, finding: Finding, started: datetime, steady_runs: int) -> Step:
    fails_again = record.told is Told.BETTER and not record.contrary
    standing = standing_of(finding, started if fails_again else record.standing.since)
    record = replace(record, standing=standing, unjudged=0)
    match record.told:
        case Told.NOTHING:
            return Step(standing, Place.NEW, FailureRecord(standing, Told.FAILING))
        case Told.FAILING:
            return Step(standing, Place.STILL, _agreeing(record))
        case Told.BETTER:
            return _contrary(record, Told.FAILING, Place.NEW, steady_runs)


def _passing(record: FailureRecord, steady_runs: int) -> Step:
    record = replace(record, unjudged=0)
    match record.told:
        case Told.NOTHING:
            return Step(record.standing, None, None)
        case Told.BETTER:
            return _forgotten_when_calm(_agreeing(record))
        case Told.FAILING:
            needed = steady_runs if record.restless else 1
            step = _contrary(record, Told.BETTER, Place.BETTER, needed)
            doubt = PASSES if step.place is Place.WAVERING else None
            return replace(step, told=replace(record.standing, doubt=doubt))


def _unknown(record: FailureRecord, finding: Finding) -> Step:
    if record.told is not Told.FAILING:
        return _unjudged(record)
    told = replace(record.standing, doubt=finding.message)
    return Step(told, Place.STILL, replace(record, unjudged=0), unknown=finding)


def _unjudged(record: FailureRecord) -> Step:
    record = replace(record, unjudged=record.unjudged + 1)
    if record.told is Told.BETTER:
        return _forgotten_when_calm(record)
    was_told = record.told is Told.FAILING
    if record.unjudged > UNJUDGED_RUNS:
        told = replace(record.standing, doubt=FORGOTTEN)
        return Step(told, Place.UNCLEAR if was_told else None, None)
    place = Place.STILL if was_told else None
    return Step(replace(record.standing, doubt=NOT_JUDGED), place, record)


def _acknowledged(record: FailureRecord, started: datetime) -> Step:
    """It is told as new, with its old ``since``, if it still fails once that has ended."""
    standing = record.standing
    if record.told is Told.BETTER and not record.contrary:
        standing = replace(standing, since=started)
    return Step(standing, None, FailureRecord(standing, Told.NOTHING))


def _contrary(record: FailureRecord, told: Told, place: Place, needed: int) -> Step:
    """The run shows the opposite of what was told: once that has lasted, it is told."""
    record = replace(record, contrary=record.contrary + 1, restless=RESTLESS_RUNS)
    if record.contrary < needed:
        return Step(record.standing, Place.WAVERING, record)
    return Step(record.standing, place, replace(record, told=told, contrary=0))


def _agreeing(record: FailureRecord) -> FailureRecord:
    return replace(_calmer(record), contrary=0)


def _calmer(record: FailureRecord) -> FailureRecord:
    return replace(record, restless=max(record.restless - 1, 0))


def _forgotten_when_calm(record: FailureRecord) -> Step:
    return Step(record.standing, None, record if record.restless else None)
