"""The journal of one transaction: what shall be done, and how far it got, on the disk before it is.

A file of lines, each a record of JSON with its checksum (SHA-256) in front, flushed one by one
before the act that it announces. A line that was cut off by a crash was never acted on.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from mailfix.apply.kinds import read_change, write_change
from mailfix.changes import Change
from mailfix.changes.codec import from_plain, to_plain
from mailfix.host import durable
from mailfix.model import Refusal

FORMAT = 1
PLAN_LIMIT = durable.LIMIT // 2
"""Bytes of the first record: what is written must be small enough to be read again."""


class Damaged(Refusal):
    """A journal that cannot be understood; its text says which one and where."""


class Event(StrEnum):
    """What a record says. Those with a step have its number, the others none."""

    BEGUN = "begun"
    INTENT = "intent"
    DONE = "done"
    MADE = "made"
    """Every step is made and verified."""
    CONFIRMED = "confirmed"
    REVERSING = "reversing"
    REVERSED = "reversed"
    TAKEN_BACK = "taken back"
    STUCK = "stuck"
    UNDONE = "undone"
    """By another transaction, later."""


class State(StrEnum):
    """Where a transaction stands.

    ``OPEN`` was interrupted, or is being made right now; ``UNCONFIRMED`` is made and will be taken
    back unless it is confirmed.
    """

    OPEN = "interrupted"
    UNCONFIRMED = "waits for confirmation"
    FINISHED = "applied"
    TAKEN_BACK = "taken back"
    STUCK = "stuck"
    UNDONE = "undone"


_STATES = {
    Event.INTENT: State.OPEN,
    Event.MADE: State.UNCONFIRMED,
    Event.CONFIRMED: State.FINISHED,
    Event.REVERSING: State.OPEN,
    Event.TAKEN_BACK: State.TAKEN_BACK,
    Event.STUCK: State.STUCK,
    Event.UNDONE: State.UNDONE,
}


_OF_THE_WAY_FORTH = frozenset({Event.BEGUN, Event.INTENT, Event.DONE, Event.MADE, Event.REVERSED})


@dataclass(frozen=True, slots=True)
class Record:
    """``step`` is the number of a change, None for what is said of the whole transaction."""

    event: Event
    step: int | None = None
    text: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a transaction is to do: its changes in their order, and what it is about.

    ``boot`` says in which boot (:mod:`mailfix.host.boot`). ``guard_s`` are the seconds until it is
    taken back unless it is confirmed, 0 for never. ``undoes`` is the number of the transaction that
    it undoes.
    """

    number: int
    boot: str
    started: str
    titles: tuple[str, ...]
    changes: tuple[Change, ...]
    guard_s: int = 0
    undoes: int | None = None


@dataclass(slots=True)
class Journal:
    """An open journal; every record is on the disk when ``write`` returns."""

    file: str
    plan: Plan
    records: list[Record] = field(default_factory=list)

    @classmethod
    def begin(cls, file: str, plan: Plan) -> Journal:
        """Write the plan as the first record.

        Raises OSError; a plan that could not be read again is refused as too large or a bad
        argument.
        """
        durable.append(file, _first_line(file, plan))
        durable.flush_folder(file.rpartition("/")[0])
        return cls(file, plan)

    @classmethod
    def read(cls, file: str, number: int) -> Journal | None:
        """Read what was written; None where not even the plan got to the disk: nothing was done.

        Raises:
            Damaged: it is not a journal, or not one of this version.
        """
        text = _text(file)
        try:
            lines = list(_whole(text))
            if not lines:
                return None
            plan = _plan_from_plain(lines[0])
            records = [from_plain(Record, each) for each in lines[1:]]
            _require_order(plan, records)
        except (ValueError, LookupError, TypeError) as error:
            raise Damaged(f"{file}: {error}") from None
        if plan.number != number:
            raise Damaged(f"{file}: it is of transaction {plan.number}")
        return cls(file, plan, records)

    def write(self, event: Event, step: int | None = None, text: str = "") -> None:
        """Add a record; raises OSError, and then it may or may not be there."""
        durable.append(self.file, _line(to_plain(Record(event, step, text))))
        self.remember(event, step, text)

    def remember(self, event: Event, step: int | None = None, text: str = "") -> None:
        """Keep a record in memory alone, for when the disk takes no more."""
        self.records.append(Record(event, step, text))

    def has(self, event: Event) -> bool:
        return any(each.event is event for each in self.records)

    @property
    def state(self) -> State:
        """Where the transaction stands by its last word."""
        found = State.OPEN
        for record in self.records:
            found = _STATES.get(record.event, found)
        if found is State.UNCONFIRMED and not self.plan.guard_s:
            return State.FINISHED
        return found

    def steps(self, event: Event) -> frozenset[int]:
        """The numbers of the steps of which this was recorded."""
        return frozenset(
            each.step for each in self.records if each.event is event and each.step is not None
        )


def _first_line(file: str, plan: Plan) -> bytes:
    plain = {"event": Event.BEGUN.value, **_plan_to_plain(plan)}
    line = _line(plain)
    if len(line) > PLAN_LIMIT:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), file)
    if _plan_from_plain(json.loads(json.dumps(plain))) != plan:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), file)
    return line


def _line(plain: dict[str, Any]) -> bytes:
    text = json.dumps(plain)
    return f"\n{_checksum(text)} {text}\n".encode("ascii")


def _checksum(text: str) -> str:
    return hashlib.sha256(text.encode("ascii", "surrogateescape")).hexdigest()


def _text(file: str) -> str:
    try:
        found = durable.read(file)
    except OSError as error:
        raise Damaged(f"{file} cannot be read: {error.strerror}") from None
    return found.data.decode("ascii", "surrogateescape") if found else ""


def _whole(text: str) -> Iterator[dict[str, Any]]:
    """The records that were written to their end."""
    for line in text.split("\n"):
        checksum, _, content = line.partition(" ")
        if content and checksum == _checksum(content):
            yield json.loads(content)


def _require_order(plan: Plan, records: Sequence[Record]) -> None:
    """Whatever is missing but the end was lost on the disk, and steps may be forgotten with it.

    A record of the way back may be missing: a full disk does not stop that.
    """
    begun = done = 0
    for record in records:
        match record:
            case Record(Event.INTENT, int(step)) if step == begun == done < len(plan.changes):
                begun += 1
            case Record(Event.DONE, int(step)) if step == done < begun:
                done += 1
            case Record(Event.REVERSED, int(step)) if 0 <= step < begun:
                pass
            case Record(Event.MADE, None) if done == len(plan.changes):
                pass
            case Record(event, None) if event not in _OF_THE_WAY_FORTH:
                pass
            case _:
                raise ValueError(f"records before '{record.event}' are missing")


def _plan_to_plain(plan: Plan) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "transaction": plan.number,
        "boot": plan.boot,
        "started": plan.started,
        "titles": list(plan.titles),
        "changes": [write_change(each) for each in plan.changes],
        "guard_s": plan.guard_s,
        "undoes": plan.undoes,
    }


def _plan_from_plain(plain: dict[str, Any]) -> Plan:
    if plain["event"] != Event.BEGUN or plain["format"] != FORMAT:
        raise ValueError("it does not begin with a plan of this version")
    return Plan(
        number=plain["transaction"],
        boot=plain["boot"],
        started=plain["started"],
        titles=tuple(plain["titles"]),
        changes=tuple(read_change(each) for each in plain["changes"]),
        guard_s=plain["guard_s"],
        undoes=plain["undoes"],
    )
