"""Checks that could not be made: told once, when that has lasted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from mailfix.comparison.news import Standing, standing_of
from mailfix.comparison.records import RESTLESS_RUNS, DoubtRecord
from mailfix.model import Finding, identity

MAX_DOUBTS = 1000
"""Where DNS is down as a whole, thousands of checks tell the same."""


@dataclass(frozen=True, slots=True)
class Doubts:
    """What is kept of the doubts, and which of them are told today."""

    kept: tuple[DoubtRecord, ...]
    told: tuple[Standing, ...]


def next_doubts(
    before: Iterable[DoubtRecord],
    unknown: Iterable[Finding],
    started: datetime,
    steady_runs: int,
) -> Doubts:
    """Carry the doubts one run further; what was told is not told again for some runs."""
    today = {identity(each): each for each in unknown}
    kept: list[DoubtRecord] = []
    for record in before:
        finding = today.pop(identity(record.standing), None)
        kept += [_again(record, finding)] if finding else _cleared(record)
    fresh = [DoubtRecord(standing_of(each, started), runs=1) for each in today.values()]
    kept = (kept + fresh)[:MAX_DOUBTS]
    told = [each for each in kept if not each.told and each.runs >= steady_runs]
    return Doubts(
        tuple(replace(each, told=each.told or each.runs >= steady_runs) for each in kept),
        tuple(each.standing for each in told),
    )


def _again(record: DoubtRecord, finding: Finding) -> DoubtRecord:
    standing = standing_of(finding, record.standing.since)
    return replace(record, standing=standing, runs=record.runs + 1, clear=0)


def _cleared(record: DoubtRecord) -> list[DoubtRecord]:
    """What was told is remembered for a while, so that it is not told over and over."""
    if not record.told or record.clear + 1 >= RESTLESS_RUNS:
        return []
    return [replace(record, runs=0, clear=record.clear + 1)]
