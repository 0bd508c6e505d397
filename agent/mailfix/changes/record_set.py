"""The records of one name and type in DNS, changed at their zone's primary server (RFC 2136)."""

from __future__ import annotations

import difflib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import ClassVar

from mailfix.changes.change import Failed, Place, Present, Seen, Untouched
from mailfix.host import dns_update
from mailfix.host.dns_update import Authority, Primary, Records
from mailfix.mail_records.proposal import ProposedSet

CONTEXT_LINES = 2
POLL_S = 0.5


@dataclass(frozen=True, slots=True)
class RecordSetChange:
    """``name`` is in lower case without its last dot; ``before`` and ``after`` are what it holds.

    ``authorities`` are the servers that answered for the zone when this was planned. They have
    ``patience_s`` seconds to follow the primary. ``back``: it takes back what another has made.
    """

    primary: Primary
    name: str
    type: str
    before: Records
    after: Records
    authorities: tuple[Authority, ...]
    patience_s: int
    back: bool = False

    kind: ClassVar[str] = "record-set"
    survives_boot: ClassVar[bool] = True

    @property
    def place(self) -> Place:
        return Place.RECORD_SET

    @staticmethod
    def slot_of(name: str, rdtype: str) -> str:
        """The slot of a change of this record set."""
        return f"records {name} {rdtype}"

    @property
    def slot(self) -> str:
        return self.slot_of(self.name, self.type)

    def followed_by(self, later: RecordSetChange) -> RecordSetChange:
        return replace(self, after=later.after)

    @property
    def cuts_off(self) -> bool:
        return False

    @property
    def inverse(self) -> RecordSetChange:
        return replace(self, before=self.after, after=self.before, back=not self.back)

    def describe(self) -> str:
        return f"{self._verb} {self.type} of {self.name} at {self.primary.label}"

    @property
    def _verb(self) -> str:
        if not self.after.rdata:
            return "remove"
        return "change" if self.before.rdata else "publish"

    def preview(self) -> tuple[str, ...]:
        return tuple(self._diff(self.before, self.after))

    def _diff(self, one: Records, other: Records) -> Iterator[str]:
        title = f"{self.type} of {self.name} (zone {self.primary.zone} at {self.primary.label})"
        old, new = one.lines(self.name, self.type), other.lines(self.name, self.type)
        return difflib.unified_diff(old, new, title, title, n=CONTEXT_LINES, lineterm="")

    def look(self, *, interrupted: bool = False) -> Seen:
        """Look at the zone itself, at its primary; an update is made whole or not at all."""
        now = self._present()
        if self._is_like(now, self.before):
            return Seen(Present.BEFORE)
        if self._is_like(now, self.after):
            return Seen(Present.AFTER)
        return Seen(Present.OTHER, tuple(self._diff(self.after, now)))

    def _present(self) -> Records:
        return present(self.primary, self.name, self.type)

    def _is_like(self, one: Records, other: Records) -> bool:
        return dns_update.is_like(self.type, one, other)

    @property
    def handle(self) -> str:
        return f"{self.name}/{self.type}"

    def force(self) -> None:
        """Make it whatever is there now; raises Failed."""
        self.from_the_present(forced=True).make()

    def from_the_present(self, *, forced: bool) -> RecordSetChange:
        return replace(self, before=self._present()) if forced else self

    def make(self) -> None:
        """The server itself refuses it where the set is not as it was (RFC 2136 section 2.4)."""
        now = self._present()
        if self._is_like(now, self.after):
            return
        if not self._is_like(now, self.before):
            raise Untouched(f"{self.type} of {self.name} was changed by somebody else meanwhile")
        # The TTL belongs to whoever set it, perhaps since this was planned.
        new = replace(self.after, ttl=now.ttl or self.after.ttl)
        with _told_as_failed():
            dns_update.replace(self.primary, self.name, self.type, self.before, new)

    def verify(self) -> None:
        """The primary must have it, and then every server that answers for the zone.

        A server that keeps silent cannot be held against anything. Going forth that is a failure;
        going back, the primary alone decides.
        """
        if not self._is_like(self._present(), self.after):
            raise Failed(f"{self.primary.label} does not hold the planned {self.type} records")
        until = time.monotonic() + self.patience_s
        while late := list(self._late()):
            if time.monotonic() > until:
                raise Failed(f"after {self.patience_s} s {late[0]}")
            time.sleep(POLL_S)

    def _late(self) -> Iterator[str]:
        """Which servers do not answer as the primary does, and what is the matter."""
        with _told_as_failed():
            wanted = dns_update.answer_of_primary(self.primary, self.name, self.type)
        for each in self.authorities:
            try:
                answer = dns_update.answer_at(each, self.name, self.type)
            except dns_update.Refused as error:
                if not self.back:
                    yield str(error)
            else:
                if answer != wanted:
                    yield f"{each.label} still has the old {self.type} records of {self.name}"


@contextmanager
def _told_as_failed() -> Iterator[None]:
    try:
        yield
    except dns_update.Changed as error:
        raise Untouched(str(error)) from None
    except dns_update.Refused as error:
        raise Failed(str(error)) from None


def check_place(primary: Primary, name: str) -> None:
    """Raise Failed unless records can be put at ``name`` without harm to others."""
    with _told_as_failed():
        dns_update.require_zone(primary, name)
        dns_update.require_no_wildcard(primary, name)


def present(primary: Primary, name: str, rdtype: str) -> Records:
    """The records that the zone holds now, at its primary; raises Failed."""
    with _told_as_failed():
        return dns_update.read(primary, name, rdtype)


def replaced(now: Records, wanted: ProposedSet) -> Records | None:
    """What the set is once ``wanted`` is published; None where a record that is to go is not there.

    Raises Failed for what is no record of the type.
    """
    with _told_as_failed():
        going = [dns_update.held_as(now, wanted.type, each) for each in wanted.remove]
        if None in going:
            return None
        new = [
            dns_update.written(wanted.type, each)
            for each in wanted.add
            if dns_update.held_as(now, wanted.type, each) is None
        ]
    stay = [each for each in now.rdata if each not in going]
    return Records(tuple(sorted({*stay, *new})), now.ttl or wanted.ttl)


def planned(change: RecordSetChange) -> tuple[RecordSetChange, tuple[str, ...]]:
    """Find out, without changing anything, whether it could be made, and who is to follow.

    Returns the change with the zone's servers, and what is the matter with those that give no
    answer at any of their addresses.

    Raises Untouched where the primary does not hold ``before``; Failed where it would
    refuse the change, or where a server of the zone has not followed it so far.
    """
    with _told_as_failed():
        dns_update.rehearse(change.primary, change.name, change.type, change.before)
        wanted = dns_update.answer_of_primary(change.primary, change.name, change.type)
        asked = dns_update.authorities(change.primary)
    answering: list[Authority] = []
    silent: list[tuple[str, str]] = []
    for each in asked:
        try:
            answer = dns_update.answer_at(each, change.name, change.type)
        except dns_update.Refused as error:
            silent.append((each.name, str(error)))
            continue
        if answer != wanted:
            raise Failed(
                f"{each.label} and the primary, {change.primary.label}, disagree about "
                f"{change.type} of {change.name}: the one must follow the other first"
            )
        answering.append(each)
    heard = {each.name for each in answering}
    unheard = tuple(trouble for name, trouble in silent if name not in heard)
    return replace(change, authorities=tuple(answering)), unheard
