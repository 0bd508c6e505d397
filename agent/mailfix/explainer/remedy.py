"""The smallest cure of what blocks, with the commands that make it and take it back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress

from mailfix.firewall import Dump, Question, Ruleset
from mailfix.firewall.cure import (
    Candidate,
    Command,
    Drifted,
    Edit,
    OwnersWay,
    applied,
    commands,
    cure,
)
from mailfix.firewall.cure.edits import as_made
from mailfix.report.explain.explanation import Remedy, RemedyStep


def remedy(
    ruleset: Ruleset, question: Question, dumps: Iterable[Dump], also: Iterable[Question]
) -> Remedy:
    """What opens ``question``; it may open the questions of ``also``, too."""
    found = cure(ruleset, question, dumps, also)
    return Remedy(tuple(_steps(found.plan, ruleset)), found.automatic, found.why_not)


def _steps(plan: Sequence[Candidate], ruleset: Ruleset) -> Iterator[RemedyStep]:
    for step in plan:
        after = applied(ruleset, map(as_made, step.edits))
        if step.owner is not None:
            yield _by_owner(step.describe(), step.owner)
        else:
            makes, takes_back = _known(step.edits, ruleset), _known(step.inverse, after)
            yield RemedyStep(step.describe(), commands=makes, undo=takes_back)
        ruleset = after


def _by_owner(summary: str, way: OwnersWay) -> RemedyStep:
    return RemedyStep(
        summary,
        way.owner,
        way.settings,
        tuple(map(Command, way.commands)),
        tuple(map(Command, way.undo)),
        way.advice,
    )


def _known(edits: Sequence[Edit], ruleset: Ruleset) -> tuple[Command, ...]:
    """Nothing where the tools cannot be told, or not before new rules have their handles."""
    with suppress(Drifted):
        return commands(edits, ruleset)
    return ()
