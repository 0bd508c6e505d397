"""``mailfix history``: the journals told."""

from __future__ import annotations

from mailfix.apply.journal import Damaged, Event, Journal
from mailfix.apply.store import Store
from mailfix.fixer import requirements
from mailfix.model import Refusal
from mailfix.report.fix.history import Entry, Step


def entries(number: int | None = None) -> tuple[Entry, ...]:
    """Every transaction that is kept, the newest first, or one.

    Raises:
        Refusal: there is no such transaction, or a journal cannot be read.
    """
    requirements.require_root("history", "read what was changed")
    store = Store()
    try:
        if number is None:
            return tuple(_entry(each) for each in store.journals())
        journal = store.read(number)
    except Damaged as error:
        raise Refusal(f"the journal cannot be read: {error}") from None
    if journal is None:
        raise Refusal(f"there is no transaction {number}: mailfix history lists what was done")
    return (_entry(journal),)


def _entry(journal: Journal) -> Entry:
    plan = journal.plan
    return Entry(
        number=plan.number,
        started=plan.started,
        state=journal.state.value,
        titles=plan.titles,
        undoes=plan.undoes,
        steps=tuple(
            Step(change.describe(), change.preview(), _state(journal, step))
            for step, change in enumerate(plan.changes)
        ),
        account="; ".join(each.text for each in journal.records if each.text),
    )


def _state(journal: Journal, step: int) -> str:
    if step in journal.steps(Event.REVERSED):
        return "taken back"
    if step in journal.steps(Event.DONE):
        return "done"
    return "begun" if step in journal.steps(Event.INTENT) else "not begun"
