"""What takes an earlier transaction back, held against the present."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mailfix.apply.boots import is_gone
from mailfix.apply.journal import Journal, State
from mailfix.apply.store import Store
from mailfix.changes import Change, Forcible, Present
from mailfix.model import Refusal


@dataclass(frozen=True, slots=True)
class Drifted:
    """A change of the transaction whose result somebody else changed since.

    ``handle`` is what forces it, "" where nothing does. ``difference`` shows what is there now.
    """

    handle: str
    summary: str
    difference: tuple[str, ...]


def subject(store: Store, number: int | None) -> Journal:
    """The transaction to undo: the last one that is applied, unless ``number`` says which.

    Raises Refusal where there is no such transaction, or it is not applied.
    """
    if number is None:
        applied = (
            each
            for each in store.journals()
            if each.state is State.FINISHED and each.plan.undoes is None
        )
        found = next(applied, None)
        if found is None:
            raise Refusal("there is nothing to undo: mailfix history lists what was done")
        return found
    found = store.read(number)
    if found is None:
        raise Refusal(f"there is no transaction {number}: mailfix history lists what was done")
    if found.state is not State.FINISHED:
        raise Refusal(f"transaction {number} cannot be undone: it is {found.state.value}")
    return found


def drifts(journal: Journal) -> Iterator[Drifted]:
    """What is neither as the transaction left it nor as it was before; raises Failed."""
    for change in journal.plan.changes:
        seen = change.look()
        if seen.present is Present.OTHER and not is_gone(journal.plan, change, seen):
            handle = change.handle if isinstance(change, Forcible) else ""
            yield Drifted(handle, change.describe(), seen.difference)


def inverses(journal: Journal, force: frozenset[str] = frozenset()) -> tuple[Change, ...]:
    """What takes the transaction back, in the order in which it is made; raises Failed.

    What went with its boot is left alone. A file is taken from what it is now, times included, so
    that taking the undo back is exact; what somebody else has changed, only for ``force``.
    """
    plan = journal.plan
    left = [each for each in plan.changes if not is_gone(plan, each, each.look())]
    found = [_from_the_present(each.inverse, force) for each in reversed(left)]
    return tuple(sorted(found, key=lambda each: each.place))


def _from_the_present(change: Change, force: frozenset[str]) -> Change:
    if not isinstance(change, Forcible):
        return change
    return change.from_the_present(forced=change.handle in force)
