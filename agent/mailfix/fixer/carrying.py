"""A plan carried out, under the guard where it could cut the administrator off."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from types import FrameType

from mailfix.apply import guard
from mailfix.apply.journal import Event, Journal, Plan, State
from mailfix.apply.store import Store
from mailfix.apply.transaction import End, Outcome, carry_out
from mailfix.changes import Change
from mailfix.fixer.dialogue import tell
from mailfix.host import boot
from mailfix.model import Refusal
from mailfix.report.escape import escape

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def plan(
    store: Store,
    changes: Sequence[Change],
    titles: Sequence[str],
    guard_s: int,
    undoes: int | None = None,
) -> Plan:
    """The next transaction; the guard is for changes that could cut somebody off."""
    return Plan(
        number=store.next_number(),
        boot=boot.identity(),
        started=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        titles=tuple(titles),
        changes=tuple(changes),
        guard_s=guard_s if any(each.cuts_off for each in changes) else 0,
        undoes=undoes,
    )


def carry(store: Store, wanted: Plan) -> tuple[Journal, Outcome]:
    """Begin, arm the guard, make everything or take all of it back.

    Raises:
        Refusal: the journal cannot be begun, or the guard not be armed; nothing is changed.
    """
    try:
        journal = store.begin(wanted)
    except OSError as error:
        raise Refusal(
            f"the journal cannot be written: {error.strerror}: {error.filename}"
        ) from None
    _watch(store, journal)
    with interrupts_at_once():
        outcome = carry_out(journal, lambda line: tell(f"  {escape(line)}"))
    if outcome.end is End.TAKEN_BACK or journal.state is State.FINISHED:
        guard.disarm(store, wanted.number)
    return journal, outcome


def _watch(store: Store, journal: Journal) -> None:
    """Have somebody take it back when this process cannot."""
    number, seconds = journal.plan.number, journal.plan.guard_s
    try:
        if seconds:
            guard.arm(store, number, seconds)
        else:
            guard.stand_by(store, number)
    except Refusal as error:
        journal.write(Event.TAKEN_BACK, text=str(error))
        raise


@contextmanager
def interrupts_at_once() -> Iterator[None]:
    """A hang-up and a request to end interrupt as Ctrl-C does, once: the way back is not disturbed.

    What then cannot go on is taken back by the transaction itself, without waiting for its guard.
    """

    def interrupt(number: int, frame: FrameType | None) -> None:
        for each in _ENDING:
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = {each: signal.signal(each, interrupt) for each in _ENDING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
