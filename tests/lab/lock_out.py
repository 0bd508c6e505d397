"""On the mail host: changes that harm, made under the guard as ``mailfix fix`` makes its own.

Copied into the host's Python (see ``test_fix_guard.py``), so that the guard and the boot unit,
which run the real program, know the kinds of change that are defined here.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from mailfix.apply import guard, kinds
from mailfix.apply.journal import Plan
from mailfix.apply.store import Store
from mailfix.apply.transaction import carry_out
from mailfix.changes import Change, Place, Present, Seen
from mailfix.changes.file import FileChange, read_state
from mailfix.host import boot, program
from mailfix.model import Known

TABLE = "table inet lock_out { chain in { type filter hook input priority -300; policy drop; }; }"
KEPT_FILE = "/etc/kept"
BOMB = "/root/bomb"


class Plain:
    """What the changes below have in common: nothing about them is about another's."""

    place: ClassVar[Place] = Place.FIREWALL
    cuts_off: ClassVar[bool] = True

    @property
    def slot(self) -> str:
        return type(self).__name__

    def followed_by(self, later: object) -> object:
        return later

    def describe(self) -> str:
        return self.slot

    def preview(self) -> tuple[str, ...]:
        return (repr(self),)

    def verify(self) -> None:
        return


@dataclass(frozen=True)
class LockOut(Plain):
    """Drops everything that comes in, then hangs for ``hangs_s`` with a child of its own."""

    shut: bool
    hangs_s: float

    kind: ClassVar[str] = "lock-out"
    survives_boot: ClassVar[bool] = False

    @property
    def inverse(self) -> LockOut:
        return LockOut(not self.shut, 0)

    def look(self, *, interrupted: bool = False) -> Seen:
        told = program.run(("nft", "list", "table", "inet", "lock_out"))
        is_shut = isinstance(told, Known) and told.value.code == 0
        return Seen(Present.AFTER if is_shut is self.shut else Present.BEFORE)

    def make(self) -> None:
        if self.look().present is Present.BEFORE:
            told = program.run(
                ("nft", "-f", "-"), text_in=TABLE if self.shut else "delete table inet lock_out"
            )
            assert isinstance(told, Known)
            assert told.value.code == 0, told.value.stderr
        if self.hangs_s:
            program.run(("sleep", str(self.hangs_s)), timeout_s=self.hangs_s + 1)


@dataclass(frozen=True)
class Bomb(Plain):
    """Kills whoever takes it back, once: the process that recovers dies half-way."""

    armed: bool

    kind: ClassVar[str] = "bomb"
    survives_boot: ClassVar[bool] = True

    @property
    def inverse(self) -> Bomb:
        return Bomb(not self.armed)

    def look(self, *, interrupted: bool = False) -> Seen:
        return Seen(Present.AFTER if os.path.exists(BOMB) is self.armed else Present.BEFORE)

    def make(self) -> None:
        if self.armed:
            open(BOMB, "w").close()
        elif os.path.exists(BOMB):
            os.unlink(BOMB)
            os.kill(os.getpid(), signal.SIGKILL)


def _known(known: Mapping[str, type]) -> dict[str, type]:
    return {**known, LockOut.kind: LockOut, Bomb.kind: Bomb}


kinds.KINDS = _known(kinds.KINDS)


def file_change() -> FileChange:
    return FileChange.of(KEPT_FILE, read_state(KEPT_FILE), b"changed\n")


def changes(scenario: str) -> tuple[Change, ...]:
    """The changes of one scenario, in their order."""
    found: dict[str, tuple[object, ...]] = {
        "lock-out": (file_change(), LockOut(True, 0)),
        "hanging": (file_change(), LockOut(True, 600)),
        "file": (file_change(),),
        "bomb": (file_change(), Bomb(True), LockOut(True, 0)),
    }
    return found[scenario]  # type: ignore[return-value]


def run(scenario: str, seconds: int) -> None:
    """Make the changes under a guard of ``seconds``, 0 for none; prints the number and the end."""
    store = Store()
    with store.locked():
        number = store.next_number()
        plan = Plan(number, boot.identity(), "", (scenario,), changes(scenario), seconds)
        journal = store.begin(plan)
        if seconds:
            guard.arm(store, number, seconds)
        else:
            guard.stand_by(store, number)
        outcome = carry_out(journal, lambda line: None)
    sys.stdout.write(f"{number} {outcome.end.value}\n")
    sys.stdout.flush()
    if scenario == "lock-out":
        time.sleep(600)
