"""The firewall as the changes that were chosen so far will leave it."""

from __future__ import annotations

from mailfix.changes import Drift
from mailfix.changes.draft import Draft
from mailfix.changes.owner import OwnerChange
from mailfix.changes.present import PresentRules, read_texts
from mailfix.changes.rules import RulesChange
from mailfix.firewall.cure import ChainEdit, Drifted, Redrawing, SetChange
from mailfix.firewall.ruleset import Dump


def drafted_texts(draft: Draft) -> tuple[Dump, ...]:
    """What the firewall's tools will tell then; raises :class:`mailfix.changes.Failed`."""
    texts = read_texts()
    for change in draft.changes:
        if isinstance(change, (RulesChange, OwnerChange)):
            texts = _with(texts, change.chains, change.sets)
    return texts


def _with(
    texts: tuple[Dump, ...], chains: tuple[ChainEdit, ...], sets: tuple[SetChange, ...]
) -> tuple[Dump, ...]:
    now = PresentRules.of(texts)
    drawn = Redrawing(texts)
    try:
        for chain in chains:
            drawn = drawn.with_chain(chain, now.lines(chain.chain))
    except Drifted as problem:
        raise Drift(str(problem)) from None
    for each in sets:
        drawn = drawn.with_set(each)
    return drawn.texts
