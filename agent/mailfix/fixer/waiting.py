"""What was made under the guard: kept when somebody confirms it, taken back otherwise."""

from __future__ import annotations

from dataclasses import replace

from mailfix.apply import recovery
from mailfix.apply.journal import State
from mailfix.apply.store import Store
from mailfix.apply.transaction import Outcome
from mailfix.fixer import requirements
from mailfix.fixer.dialogue import ask, tell
from mailfix.model import Refusal
from mailfix.report.escape import escape
from mailfix.report.fix import text
from mailfix.report.fix.result import End, FixResult
from mailfix.report.fix.undone import Undone

PATIENCE_S = 60.0
"""How long a confirmation waits for whoever is at work, perhaps the guard itself."""


def wait_for_confirmation(store: Store, result: FixResult) -> FixResult:
    """Ask the administrator who made it, ideally with a second session at hand."""
    tell(text.please_confirm(result))
    answers = {"k": "keep it", "t": "take it back"}
    if ask("Does everything still work?", answers, otherwise="t") == "k":
        return _kept(store, result)
    outcomes = take_back(store, result.transaction)
    problems = tuple(problem for each in outcomes for problem in each.problems)
    end = End.STUCK if problems else End.TAKEN_BACK
    return replace(result, end=end, guard_s=0, reason="it was not confirmed", problems=problems)


def _kept(store: Store, result: FixResult) -> FixResult:
    try:
        with recovery.locked_within(store, PATIENCE_S):
            recovery.confirm(store, result.transaction)
    except Refusal as error:
        return replace(result, end=End.TAKEN_BACK, guard_s=0, reason=str(error))
    return replace(result, guard_s=0)


def confirm(number: int | None) -> int:
    """Keep what waits for confirmation, and give its number; raises Refusal."""
    requirements.require_root("confirm")
    store = Store()
    with recovery.locked_within(store, PATIENCE_S):
        return recovery.confirm(store, number).plan.number


def take_back(store: Store, number: int | None) -> tuple[Outcome, ...]:
    """Take back what waits for confirmation; nothing where that has happened already."""
    with store.locked():
        journal = store.read(number) if number is not None else None
        if journal is None or journal.state is not State.UNCONFIRMED:
            return ()
    return recovery.recover(store, _tell, guard=number)


def recover(
    guard: int | None = None, *, boot: bool = False, force: frozenset[str] = frozenset()
) -> tuple[Undone, ...]:
    """Take back what was interrupted, is stuck or was not confirmed; raises Refusal."""
    requirements.require_root("recover")
    outcomes = recovery.recover(Store(), _tell, guard=guard, boot=boot, force=force)
    return tuple(
        Undone(each.transaction, End(each.end.value), None, each.reason, each.problems)
        for each in outcomes
    )


def _tell(line: str) -> None:
    tell(f"  {escape(line)}")
