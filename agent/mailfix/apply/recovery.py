"""Taking back what nobody finished: after a crash, at boot, or when the guard's time is over.

It may itself be interrupted at any moment and run again.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

from mailfix.apply import guard as guards
from mailfix.apply.boots import is_of_another_boot
from mailfix.apply.journal import Damaged, Event, Journal, State
from mailfix.apply.store import Held, Store
from mailfix.apply.transaction import End, Outcome, Tell, take_back
from mailfix.host import lock_holder
from mailfix.model import Refusal

GRACE_S = 3.0
"""How long the guard waits for the lock before it ends who holds it: for a confirmation that is
being written."""

STALL_S = 60.0
"""How long it waits for somebody else who is taking the transaction back and gets no further."""

_POLL_S = 0.1


def recover(
    store: Store,
    tell: Tell,
    *,
    guard: int | None = None,
    boot: bool = False,
    force: frozenset[str] = frozenset(),
) -> tuple[Outcome, ...]:
    """Take back every transaction that was interrupted, is stuck, or waits in vain.

    An unconfirmed one waits in vain when it is ``guard``, whose time is over, and when no guard
    watches over it any longer. As ``guard``, a process that does not give up the lock is ended; at
    ``boot``, one that has the lock is alive and needs no help. What ``force`` names is
    restored whatever is there now.

    Raises:
        Refusal: the lock is not to be had, or the state folder cannot be used.
    """
    try:
        with _locked(store, tell, guard):
            outcomes = tuple(_all_recovered(store, tell, guard, force, boot=boot))
            guards.tidy(store)
    except Held:
        if boot:
            return ()
        raise
    return outcomes


def _all_recovered(
    store: Store, tell: Tell, guard: int | None, force: frozenset[str], *, boot: bool
) -> Iterator[Outcome]:
    """The newest first: it may have been made on top of an older one."""
    for number in reversed(store.numbers()):
        try:
            journal = store.read(number)
        except Damaged as error:
            yield Outcome(number, End.STUCK, "its journal cannot be read", (str(error),))
            continue
        if journal is None:
            continue
        if _is_due(journal, guard):
            yield _taken_back(store, journal, tell, force, boot=boot)
        elif number == guard:
            tell(f"transaction {number} is {journal.state.value}: there is nothing to take back")
        note_undone(store, journal)


def _is_due(journal: Journal, guard: int | None) -> bool:
    if journal.state is State.UNCONFIRMED:
        number = journal.plan.number
        return number == guard or is_of_another_boot(journal.plan) or not guards.watches(number)
    return journal.state in (State.OPEN, State.STUCK)


def _taken_back(
    store: Store, journal: Journal, tell: Tell, force: frozenset[str], *, boot: bool
) -> Outcome:
    reason = _reason(journal)
    tell(f"transaction {journal.plan.number}: {reason}")
    early = boot and is_of_another_boot(journal.plan)
    outcome = take_back(journal, tell, reason, at_boot=early, force=force)
    if outcome.end is End.TAKEN_BACK:
        guards.disarm(store, journal.plan.number)
    return outcome


def _reason(journal: Journal) -> str:
    if journal.state is State.STUCK:
        return "it was stuck: tried again"
    if journal.state is State.UNCONFIRMED:
        early = "the host was restarted before it was confirmed"
        return early if is_of_another_boot(journal.plan) else "it was not confirmed in time"
    return "it was interrupted"


def confirm(store: Store, number: int | None) -> Journal:
    """Keep what waits for confirmation: ``number``, or the newest that does. Needs the lock.

    Raises:
        Refusal: nothing waits, and why; or the journal cannot be written.
    """
    journal = _waiting(store, number)
    try:
        journal.write(Event.CONFIRMED)
    except OSError as error:
        raise Refusal(f"the confirmation cannot be written: {error.strerror}") from None
    guards.disarm(store, journal.plan.number)
    note_undone(store, journal)
    return journal


def _waiting(store: Store, number: int | None) -> Journal:
    try:
        journals = [
            each for each in store.journals() if number is None or each.plan.number == number
        ]
    except Damaged as error:
        raise Refusal(f"the journal cannot be read: {error}") from None
    for journal in journals:
        if journal.state is State.UNCONFIRMED:
            return journal
    raise Refusal(f"nothing waits for confirmation{_instead(journals)}")


def _instead(journals: list[Journal]) -> str:
    if not journals:
        return ""
    last = journals[0]
    reasons = [each.text for each in last.records if each.event is Event.TAKEN_BACK]
    why = f": {reasons[-1]}" if last.state is State.TAKEN_BACK and reasons else ""
    return f": transaction {last.plan.number} is {last.state.value}{why}"


def note_undone(store: Store, journal: Journal) -> None:
    """Write into what a finished undo undid that it did. Needs the lock; may be repeated."""
    if journal.plan.undoes is None or journal.state is not State.FINISHED:
        return
    with contextlib.suppress(Damaged, OSError):
        undone = store.read(journal.plan.undoes)
        if undone is not None and undone.state is State.FINISHED:
            undone.write(Event.UNDONE)


@contextmanager
def locked_within(store: Store, seconds: float) -> Iterator[None]:
    """Have the lock, once who holds it now is done; raises Held after ``seconds``.

    For a confirmation: the guard may just be taking back what it is about.
    """
    deadline = time.monotonic() + seconds
    with contextlib.ExitStack() as stack:
        while True:
            try:
                stack.enter_context(store.locked())
                break
            except Held:
                if time.monotonic() > deadline:
                    raise
                time.sleep(_POLL_S)
        yield


@contextmanager
def _locked(store: Store, tell: Tell, guard: int | None) -> Iterator[None]:
    """Have the lock; the guard gets it whoever holds it."""
    with contextlib.ExitStack() as stack:
        if guard is None:
            stack.enter_context(store.locked())
        else:
            _enter_in_the_end(stack, store, tell, guard)
        yield


def _enter_in_the_end(stack: contextlib.ExitStack, store: Store, tell: Tell, number: int) -> None:
    since = time.monotonic()
    seen = -1
    while True:
        try:
            stack.enter_context(store.locked())
        except Held as held:
            length, going_back = _progress(store, number)
            if length != seen and going_back:
                since, seen = time.monotonic(), length
            patience = STALL_S if going_back else GRACE_S
            if held.pid is not None and time.monotonic() - since > patience:
                _end(held.pid, store, tell)
            time.sleep(_POLL_S)
        else:
            return


def _progress(store: Store, number: int) -> tuple[int, bool]:
    """How many records there are, and whether somebody is taking the transaction back."""
    try:
        journal = store.read(number)
    except Damaged:
        return 0, False
    if journal is None:
        return 0, False
    return len(journal.records), journal.has(Event.REVERSING)


def _end(pid: int, store: Store, tell: Tell) -> None:
    if lock_holder.end(pid, os.path.join(store.folder, "lock")):
        tell(f"the mailfix that was at work (pid {pid}) did not end in time: it was killed")
