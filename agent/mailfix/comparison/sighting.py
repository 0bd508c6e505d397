"""What today's audit says of a failure that an earlier one found.

A finding speaks for a failure of the same rule if each entry of its subject is one of the
failure's: that of ``{domain}`` speaks for ``{domain, mx}``. An answer to a whole question, such as
"unknown for IPv4" or "no mail server of the domain is an alias", names less than a failure does.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import combinations
from typing import TypeAlias

from mailfix.comparison.records import FailureRecord, Told
from mailfix.model import Finding, Identity, Status, Subject, identity


@dataclass(frozen=True, slots=True)
class Today:
    """One audit: its start in UTC, all findings but the passes, worst first, and the passes.

    ``passes`` judges again and so takes its time; it is asked for those of a few rules.
    """

    started: datetime
    findings: tuple[Finding, ...]
    passes: Callable[[Collection[str]], Iterable[Finding]]


Sighting: TypeAlias = Finding | None
"""None where no rule speaks of the failure: another cause is in front, or its subject is gone."""


def sightings(
    records: Iterable[FailureRecord], today: Today
) -> Iterator[tuple[FailureRecord, Sighting]]:
    """Yield each record with the finding of today that speaks for it.

    A failure of just that subject comes first, then what is ignored, unknown and passed.
    """
    by_status = {
        status: {identity(each): each for each in today.findings if each.status is status}
        for status in (Status.FAIL, Status.IGNORED, Status.UNKNOWN)
    }
    gone = []
    for record in records:
        found = by_status[Status.FAIL].get(identity(record.standing))
        found = found or _speaking(record, by_status[Status.IGNORED])
        found = found or _speaking(record, by_status[Status.UNKNOWN])
        if found:
            yield record, found
        else:
            gone.append(record)
    passes = _passes(gone, today)
    for record in gone:
        yield record, _speaking(record, passes)


def _passes(gone: Iterable[FailureRecord], today: Today) -> dict[Identity, Finding]:
    """Only where a pass would say something new are passes looked at."""
    asked = [each.standing for each in gone if each.told is Told.FAILING or each.contrary]
    if not asked:
        return {}
    wanted = {each for standing in asked for each in _speakers(standing.rule, standing.subject)}
    named = ((identity(each), each) for each in today.passes({each.rule for each in asked}))
    return {name: each for name, each in named if name in wanted}


def _speaking(record: FailureRecord, among: dict[Identity, Finding]) -> Finding | None:
    if not among:
        return None
    speakers = _speakers(record.standing.rule, record.standing.subject)
    return next((among[each] for each in speakers if each in among), None)


def _speakers(rule: str, subject: Subject) -> Iterator[Identity]:
    """Every identity that speaks for a failure, its own first."""
    entries = tuple(subject.items())
    for size in range(len(entries), -1, -1):
        for kept in combinations(entries, size):
            yield rule, frozenset(kept)
