"""How many faults there were, and how it ended each time."""

from __future__ import annotations

from collections import Counter
from enum import StrEnum

import pytest


class Verdict(StrEnum):
    """How the process that was hit left the host, before anybody recovers it.

    ``INTERRUPTED`` is one that was killed in the midst: the next recovery has to deal with it.
    """

    AS_BEFORE = "as before"
    AS_PLANNED = "as planned"
    STUCK = "stuck"
    INTERRUPTED = "recovered later"


Tally = Counter[Verdict]
FAULTS = "faults injected"
CUTS = "power cuts modelled"
_TALLIES = pytest.StashKey[dict[str, Tally]]()


def tallies(config: pytest.Config) -> dict[str, Tally]:
    """What this process has counted so far, by what was done to the host."""
    return config.stash.setdefault(_TALLIES, {FAULTS: Counter(), CUTS: Counter()})


def line(what: str, counted: Tally) -> str:
    each = ", ".join(f"{verdict.value} {counted[verdict]}" for verdict in Verdict)
    return f"{what}: {counted.total()}, {each}"
