"""What the audits so far have shown, as it is kept from one run to the next."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from mailfix.comparison.news import Standing

RESTLESS_RUNS = 10
"""For so many runs after a change, what changes again counts as coming and going."""


class Told(StrEnum):
    """What the administrator has been told of a failure last; nothing while it is acknowledged."""

    NOTHING = "nothing"
    FAILING = "failing"
    BETTER = "better"


@dataclass(frozen=True, slots=True)
class FailureRecord:
    """One failure.

    ``contrary`` counts the runs in a row that showed the opposite of what was told. While
    ``restless``, in runs, is above 0, it counts as coming and going. ``unjudged`` counts the runs
    in a row in which no rule spoke of it.
    """

    standing: Standing
    told: Told
    contrary: int = 0
    restless: int = 0
    unjudged: int = 0


@dataclass(frozen=True, slots=True)
class DoubtRecord:
    """One check that could not be made.

    ``runs`` counts the runs in a row in which it could not, ``clear`` those since the last such.
    """

    standing: Standing
    runs: int = 0
    told: bool = False
    clear: int = 0


@dataclass(frozen=True, slots=True)
class Standings:
    """All that one comparison hands on to the next."""

    failures: tuple[FailureRecord, ...] = ()
    doubts: tuple[DoubtRecord, ...] = ()
