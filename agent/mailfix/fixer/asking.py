"""The questions of an interactive fix: each finding by itself, then all that was chosen."""

from __future__ import annotations

from mailfix.fixer.choosing import Choice, Decision
from mailfix.fixer.dialogue import ask, colour, tell
from mailfix.report.fix import text
from mailfix.report.fix.result import Cure

_ANSWERS = {"y": "yes", "n": "no", "s": "skip all of this rule", "q": "quit"}
_DECISIONS = {
    "y": Decision.YES,
    "n": Decision.NO,
    "s": Decision.SKIP_RULE,
    "q": Decision.QUIT,
}


def decide(cure: Cure) -> Decision:
    """Show one finding with what would be done, and ask."""
    tell(text.offer(cure, colour=colour()))
    return _DECISIONS[ask("Do this?", _ANSWERS, otherwise="n")]


def begin(choice: Choice) -> bool:
    """Show what was chosen and ask whether to begin."""
    cuts_off = any(each.cuts_off for each in choice.draft.changes)
    tell(text.summary(choice.chosen, cuts_off=cuts_off))
    return ask("Begin?", {"y": "yes", "n": "no"}, otherwise="n") == "y"
