"""From the engine's cure to changes of the host: of the running rules, or by the rules' owner."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from mailfix.changes import Change, Drift, Failed
from mailfix.changes.owner import OwnerChange
from mailfix.changes.present import PresentRules
from mailfix.changes.rules import RulesChange
from mailfix.firewall.cure import ChainEdit, ChainRef, Cure, Drifted, Edit, SetChange
from mailfix.firewall.cure.edits import ElementEdit
from mailfix.firewall.cure.hunks import Hunk, Line
from mailfix.firewall.ruleset import Backend
from mailfix.host import program
from mailfix.model import Known
from mailfix.probes.firewall import SAVE

_COUNTED = re.compile(r"\[(\d+):(\d+)\] ")


def changes_for(cure: Cure, now: PresentRules) -> tuple[Change, ...]:
    """What carries the plan out; ``now`` is the firewall that it was made for.

    Raises:
        Failed: a step of the plan cannot be carried out by a program.
    """
    own = [edit for step in cure.plan if step.owner is None for edit in step.edits]
    found: list[Change] = []
    if own:
        chains, sets = edited(own, now)
        found.append(RulesChange(tuple(map(_with_counters, chains)), sets))
    for step in cure.plan:
        if step.owner is not None:
            if not step.owner.commands:
                raise Failed(step.owner.advice)
            chains, sets = edited(step.edits, now)
            found.append(OwnerChange.of(step.owner, cure.question.port, chains, sets))
    return tuple(found)


def edited(
    edits: Iterable[Edit], now: PresentRules
) -> tuple[tuple[ChainEdit, ...], tuple[SetChange, ...]]:
    """The edits by chains and sets.

    Raises:
        Drift: they were not made for these rules.
    """
    chains: dict[ChainRef, ChainEdit] = {}
    sets: list[SetChange] = []
    try:
        for edit in edits:
            if isinstance(edit, ElementEdit):
                sets.append(SetChange(edit.where, edit.gone, edit.come))
                continue
            known = chains.get(edit.chain) or ChainEdit(edit.chain, now.lines(edit.chain))
            old, new = (
                "" if each is None else now.originals.reading(edit.chain, each.rule, each.spelling)
                for each in (edit.old, edit.new)
            )
            chains[edit.chain] = known.with_edit(edit, old, new)
    except Drifted as problem:
        raise Drift(str(problem)) from None
    return tuple(each for each in chains.values() if each.hunks), tuple(sets)


def _with_counters(edit: ChainEdit) -> ChainEdit:
    """A rule that is brought back has the packets that it has counted until now."""
    if edit.chain.backend is Backend.NFT or not any(hunk.old for hunk in edit.hunks):
        return edit
    counted = _counted(edit.chain)
    return replace(edit, hunks=tuple(_hunk_with(each, counted) for each in edit.hunks))


def _counted(chain: ChainRef) -> Sequence[tuple[str, str]]:
    """The chain's rules, each with its counters as words; none where they cannot be read."""
    assert chain.family is not None
    told = program.run((SAVE[chain.backend, chain.family], "-c", "-t", chain.table))
    if not isinstance(told, Known) or told.value.code != 0:
        return ()
    found = []
    for line in told.value.stdout.split("\n"):
        counters = _COUNTED.match(line)
        if counters and line[counters.end() :].startswith(f"-A {chain.chain} "):
            found.append((line[counters.end() :], f"-c {counters[1]} {counters[2]}"))
    return found


def _hunk_with(hunk: Hunk, counted: Sequence[tuple[str, str]]) -> Hunk:
    old = []
    for at, line in enumerate(hunk.old, start=hunk.at):
        text, words = counted[at] if at < len(counted) else ("", "")
        same = text == line.text and not line.native
        old.append(Line(line.text, f"{words} {line.spelling}") if same else line)
    return replace(hunk, old=tuple(old))
