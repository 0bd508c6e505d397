"""A transaction: every change made and verified, or every change taken back.

What is written to the journal goes before what is done to the host. So whoever comes after a crash
knows which step may have begun, looks at the present, and takes back what there is of it.
"""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from mailfix.apply.boots import is_gone
from mailfix.apply.journal import Event, Journal, Plan
from mailfix.changes import Change, Drift, Failed, Forcible, Place, Present, Untouched

Tell = Callable[[str], None]
"""Where progress is told, a line at a time; if it cannot be told, nothing depends on it."""


class End(StrEnum):
    """How a transaction ended: as planned, as before, or neither, with everything kept."""

    MADE = "made"
    TAKEN_BACK = "taken back"
    STUCK = "stuck"


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of which transaction; ``reason`` says why it was not made.

    ``problems`` are what stands in the way of going back.
    """

    transaction: int
    end: End
    reason: str = ""
    problems: tuple[str, ...] = ()


def carry_out(journal: Journal, tell: Tell) -> Outcome:
    """Make every change of the journal's plan, or take back all of them."""
    try:
        _make_all(journal, tell)
        journal.write(Event.MADE)
    except (Exception, KeyboardInterrupt) as error:
        return take_back(journal, tell, _plainly(error))
    return Outcome(journal.plan.number, End.MADE)


def _make_all(journal: Journal, tell: Tell) -> None:
    for number, change in enumerate(journal.plan.changes):
        journal.write(Event.INTENT, number)
        if change.preview():
            _say(tell, change.describe())
        try:
            change.make()
        except Untouched:
            journal.write(Event.REVERSED, number)
            raise
        change.verify()
        journal.write(Event.DONE, number)


def take_back(
    journal: Journal,
    tell: Tell,
    reason: str,
    *,
    at_boot: bool = False,
    force: frozenset[str] = frozenset(),
) -> Outcome:
    """Take back every step that may have begun, the last first, as far as that can be done.

    What a step left untouched stays so; what somebody else changed since is not overwritten, but
    for what ``force`` names. ``at_boot``: no service has read any of it yet, so that only what
    survives a boot is of interest. Where a step cannot be taken back, the others are all the same;
    a server that was restarted on what is left then will be restarted again.
    """
    problems: list[str] = []
    once_more = journal.has(Event.REVERSING)
    _note(journal, Event.REVERSING, text=reason)
    begun = journal.steps(Event.INTENT) - journal.steps(Event.REVERSED)
    for number in sorted(begun, reverse=True):
        change = journal.plan.changes[number]
        try:
            if not at_boot or change.survives_boot:
                interrupted = once_more or number not in journal.steps(Event.DONE)
                _reverse(journal.plan, change, interrupted, tell, force)
            if not (problems and change.place is Place.RESTART_ON_THE_WAY_BACK):
                _note(journal, Event.REVERSED, number)
        except Exception as error:
            problems.append(f"{change.describe()}: {_plainly(error)}")
    if problems:
        _note(journal, Event.STUCK, text="; ".join(problems))
        return Outcome(journal.plan.number, End.STUCK, reason, tuple(problems))
    _note(journal, Event.TAKEN_BACK, text=reason)
    return Outcome(journal.plan.number, End.TAKEN_BACK, reason)


def _reverse(
    plan: Plan, change: Change, interrupted: bool, tell: Tell, force: frozenset[str]
) -> None:
    """``interrupted``: its making, or an earlier attempt to take it back, was."""
    seen = change.look(interrupted=interrupted)
    if is_gone(plan, change, seen):
        return
    inverse = change.inverse
    if seen.present is not Present.BEFORE:
        _say(tell, f"taking back: {inverse.describe()}")
    if isinstance(inverse, Forcible) and inverse.handle in force:
        inverse.force()
    elif seen.present is Present.OTHER:
        raise Drift(f"somebody else changed it meanwhile{_how_to_force(inverse)}")
    inverse.make()
    inverse.verify()


def _how_to_force(change: Change) -> str:
    if not isinstance(change, Forcible):
        return ""
    return f" (to overwrite that: mailfix recover --force {shlex.quote(change.handle)})"


def _note(journal: Journal, event: Event, step: int | None = None, *, text: str = "") -> None:
    """On the way back the record is worth less than the act: a full disk must not stop it.

    Without the record the step is looked at again, and found as before.
    """
    try:
        journal.write(event, step, text)
    except OSError:
        journal.remember(event, step, text)


def _say(tell: Tell, line: str) -> None:
    """A terminal that hung up must not stop the work, least of all the way back."""
    with contextlib.suppress(OSError, ValueError):
        tell(line)


def _plainly(error: BaseException) -> str:
    if isinstance(error, Failed):
        return str(error)
    if isinstance(error, OSError):
        return f"{error.filename or 'the journal'}: {error.strerror or error}"
    if isinstance(error, KeyboardInterrupt):
        return "it was interrupted"
    return f"mailfix itself is at fault ({type(error).__name__}: {error})"
