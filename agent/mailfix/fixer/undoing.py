"""``mailfix undo``: an earlier fix taken back, in a transaction of its own."""

from __future__ import annotations

from collections.abc import Sequence

from mailfix.apply import recovery, undo
from mailfix.apply.journal import Journal, State
from mailfix.apply.store import Store
from mailfix.apply.transaction import End, Outcome
from mailfix.apply.undo import Drifted
from mailfix.auditor import settings
from mailfix.changes import Change, Failed
from mailfix.fixer import carrying, dialogue, requirements, waiting
from mailfix.model import Refusal
from mailfix.report.fix import result, undone
from mailfix.report.fix.undone import Undone


def run(number: int | None, *, force: frozenset[str], yes: bool, guard: bool) -> Undone:
    """Undo a fix: the last one, unless ``number`` says which.

    Raises:
        Refusal: it cannot be undone now, and nothing was changed.
    """
    requirements.require_root("undo")
    if not yes and not dialogue.is_there():
        raise Refusal("there is no terminal to ask at: use --yes")
    store = Store()
    with store.locked():
        unconfirmed = _unconfirmed(store, number)
        if unconfirmed is None:
            requirements.require_nothing_unfinished(store)
            requirements.require_quiet_dpkg()
            return _undone(store, number, force, yes=yes, guard=guard)
    outcomes = waiting.take_back(store, unconfirmed)
    taken_back = Outcome(unconfirmed, End.TAKEN_BACK)
    return _told(unconfirmed, None, next(iter(outcomes), taken_back))


def _told(subject: int, number: int | None, outcome: Outcome, guard_s: int = 0) -> Undone:
    end = result.End(outcome.end.value)
    return Undone(subject, end, number, outcome.reason, outcome.problems, guard_s)


def _unconfirmed(store: Store, number: int | None) -> int | None:
    """What still waits for confirmation is taken back as its guard would."""
    for journal in store.journals():
        if journal.state is State.UNCONFIRMED and number in (None, journal.plan.number):
            return journal.plan.number
    return None


def _undone(
    store: Store, number: int | None, force: frozenset[str], *, yes: bool, guard: bool
) -> Undone:
    journal = undo.subject(store, number)
    try:
        _refuse_drift(journal, force)
        inverses = undo.inverses(journal, force)
    except Failed as error:
        raise Refusal(f"the present cannot be looked at: {error}") from None
    if not yes and not _is_wanted(journal, inverses):
        raise Refusal("nothing was changed")
    chosen = settings()
    guard_s = chosen.guard_seconds if guard else 0
    wanted = carrying.plan(store, inverses, journal.plan.titles, guard_s, journal.plan.number)
    done, outcome = carrying.carry(store, wanted)
    recovery.note_undone(store, done)
    store.forget_old(chosen.keep_transactions)
    return _told(journal.plan.number, wanted.number, outcome, wanted.guard_s)


def _refuse_drift(journal: Journal, force: frozenset[str]) -> None:
    found = [each for each in undo.drifts(journal) if each.handle not in force]
    if found:
        dialogue.tell(
            undone.drifted(
                [(each.summary, each.difference) for each in found], colour=dialogue.colour()
            )
        )
        raise Refusal(_overwritten_never(journal, found))


def _overwritten_never(journal: Journal, found: Sequence[Drifted]) -> str:
    number = journal.plan.number
    forced = " ".join(f"--force {each.handle}" for each in found if each.handle)
    how = f"; to give that up: mailfix undo {number} {forced}" if forced else ""
    return f"what transaction {number} left was changed since, and nothing is overwritten{how}"


def _is_wanted(journal: Journal, inverses: Sequence[Change]) -> bool:
    dialogue.tell(
        undone.offer(
            journal.plan.titles, [each.preview() for each in inverses], colour=dialogue.colour()
        )
    )
    return dialogue.ask("Undo this?", {"y": "yes", "n": "no"}, otherwise="n") == "y"
