"""How much a page can hold."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """How many of each a page lists; ``evidence`` and ``advice`` are of one rule's failures."""

    of_a_rule: int
    evidence: int
    advice: int
    unknown: int
    news: int
    others: int


USUAL = Limits(of_a_rule=12, evidence=12, advice=4, unknown=24, news=25, others=200)
BRIEF = Limits(of_a_rule=4, evidence=4, advice=1, unknown=12, news=12, others=50)
BARE = Limits(of_a_rule=1, evidence=0, advice=0, unknown=4, news=4, others=10)
