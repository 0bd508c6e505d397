"""What the program that owns the firewall's rules is told: ufw, firewalld, CSF.

It keeps the rules in files of its own, which it writes in its own way. So the files are kept as
they were, and once the program was told to take its rules back, they are put back as they were,
unless somebody else has had something of theirs written there since.
"""

from __future__ import annotations

import difflib
import os
import re
import shlex
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import ClassVar

from mailfix.changes.change import Drift, Failed, Place, Present, Seen
from mailfix.changes.file import FileChange, FileState, read_state
from mailfix.changes.present import PresentRules
from mailfix.changes.rules import RulesChange, run
from mailfix.firewall.cure import (
    ChainEdit,
    Command,
    ListedSetting,
    OwnersWay,
    SetChange,
    States,
)
from mailfix.firewall.saved import with_item

SHIPPED = {"/etc/firewalld/": "/usr/lib/firewalld/"}
"""Where a file comes from that is first made as a copy."""


@dataclass(frozen=True, slots=True)
class OwnedFile:
    """A file of the owner's as it was; None where there was none."""

    path: str
    before: FileState | None

    def text_before(self) -> bytes:
        """What the owner starts from, be it a file that came with it."""
        if self.before is not None:
            return self.before.data
        for own, shipped in SHIPPED.items():
            if self.path.startswith(own):
                found = read_state(os.path.realpath(shipped + self.path.removeprefix(own)))
                return found.data if found else b""
        return b""

    def is_untouched(self) -> bool:
        """Whether it was not even written again."""
        now = read_state(self.path)
        if now is None or self.before is None:
            return now is self.before
        times = (each.attributes.modified_ns for each in (now, self.before))
        return now.is_like(self.before) and len(set(times)) == 1


@dataclass(frozen=True, slots=True)
class OwnerChange:
    """``commands`` make it, after the ``settings``; ``undo`` takes it back, the files what is left.

    ``chains`` and ``sets`` are the running rules that the owner makes of it. What concerns
    ``ports`` in the ``files`` is its own doing. With ``back`` it is taken back.
    """

    owner: str
    commands: tuple[tuple[str, ...], ...]
    undo: tuple[tuple[str, ...], ...]
    reload: tuple[str, ...]
    settings: tuple[ListedSetting, ...]
    files: tuple[OwnedFile, ...]
    chains: tuple[ChainEdit, ...]
    sets: tuple[SetChange, ...]
    ports: tuple[int, ...]
    back: bool = False

    kind: ClassVar[str] = "owner"
    survives_boot: ClassVar[bool] = True

    @classmethod
    def of(
        cls,
        way: OwnersWay,
        port: int,
        chains: tuple[ChainEdit, ...],
        sets: tuple[SetChange, ...] = (),
    ) -> OwnerChange:
        """Keep the owner's files as they are now; raises Failed."""
        paths = dict.fromkeys(map(os.path.realpath, way.files))
        files = tuple(OwnedFile(path, read_state(path)) for path in paths)
        return cls(
            owner=way.owner,
            commands=way.commands,
            undo=way.undo,
            reload=way.reload,
            settings=way.settings,
            files=files,
            chains=chains,
            sets=sets,
            ports=(port,),
        )

    @property
    def place(self) -> Place:
        return Place.FIREWALL

    @property
    def slot(self) -> str:
        return f"owner {self.owner}"

    @property
    def cuts_off(self) -> bool:
        return True

    @property
    def inverse(self) -> OwnerChange:
        return replace(self, back=not self.back)

    def followed_by(self, later: OwnerChange) -> OwnerChange:
        """Raises Drift where ``later`` was not made for what this one leaves."""
        rules = self._rules.followed_by(later._rules)
        known = {each.path for each in self.files}
        undo = (*later.undo, *self.undo) if self.undo and later.undo else ()
        return replace(
            self,
            commands=tuple(dict.fromkeys((*self.commands, *later.commands))),
            undo=undo,
            settings=(*self.settings, *later.settings),
            files=(*self.files, *(each for each in later.files if each.path not in known)),
            chains=rules.chains,
            sets=rules.sets,
            ports=(*self.ports, *later.ports),
        )

    @property
    def _rules(self) -> RulesChange:
        """What it comes to in the running rules."""
        return RulesChange(self.chains, self.sets, self.back)

    def describe(self) -> str:
        told = self.undo if self.back else self.commands
        if not told:
            return f"bring back the rules of {self.owner}"
        return "run " + " && ".join(map(shlex.join, told))

    def preview(self) -> tuple[str, ...]:
        told = self.undo if self.back else self.commands
        settings = (f"{each.file}: add {each.item} to {each.name}" for each in self.settings)
        return (*settings, *map(shlex.join, told), *self._rules.preview())

    def look(self, *, interrupted: bool = False) -> Seen:
        made = self._is_made(PresentRules.read())
        if made is not None:
            return Seen(Present.BEFORE if made is self.back else Present.AFTER)
        if interrupted:
            return Seen(Present.PARTLY)
        return Seen(Present.OTHER, tuple(self._differences()))

    def _is_made(self, now: PresentRules) -> bool | None:
        """By the running rules; by the files where the owner has not loaded any."""
        traces = self._has_traces()
        if not self._is_loaded(now):
            return traces
        chains = [self._is_in(each, now.lines(each.chain)) for each in self.chains]
        found = {*chains, *map(now.holds, self.sets)}
        if found == {False}:
            return None if traces else False
        return True if found == {True} else None

    def _is_in(self, edit: ChainEdit, present: Sequence[str]) -> bool | None:
        """Whether the chain has what comes and lacks what goes; None where that is half so."""
        if self.settings:
            return _by_count(edit, present)
        states = States(edit)
        state = states.state_of(present)
        return {0: False, states.last: True}.get(-1 if state is None else state)

    def _is_loaded(self, now: PresentRules) -> bool:
        return all(now.has(each.chain) for each in self.chains)

    def _has_traces(self) -> bool:
        """Whether a file differs from what it was by something that is the owner's doing."""
        return any(self._own_lines(each) for each in self.files)

    def _own_lines(self, file: OwnedFile) -> list[str]:
        changed = _changed_lines(file)
        if self._settings_in(file):
            return [] if self._foreign_lines(file) else changed
        return [line for line in changed if self._is_own(line)]

    def _foreign_lines(self, file: OwnedFile) -> list[str]:
        changed = _changed_lines(file)
        if not self._settings_in(file):
            return [line for line in changed if not self._is_own(line)]
        now = read_state(file.path)
        text = _decoded(file.text_before())
        for setting in self._settings_in(file):
            text = with_item(text, setting.name, setting.item) or text
            if now is not None and text == _decoded(now.data):
                return []
        return changed

    def _settings_in(self, file: OwnedFile) -> list[ListedSetting]:
        return [each for each in self.settings if os.path.realpath(each.file) == file.path]

    def _is_own(self, line: str) -> bool:
        return any(re.search(rf"\b{port}\b", line) for port in self.ports)

    def _differences(self) -> Iterator[str]:
        yield from self._rules.look().difference
        for each in self.files:
            now = read_state(each.path)
            yield from FileChange(each.path, each.before, now).preview()

    def make(self) -> None:
        if self.back:
            self._take_back()
            return
        if self._is_made(PresentRules.read()):
            return
        for setting in self.settings:
            _set(setting)
        for command in self.commands:
            run(Command(command))

    def _take_back(self) -> None:
        """Where the owner refuses to take its rules back, the files bring it to that."""
        now = PresentRules.read()
        if self._is_loaded(now) and self._is_made(now) is not False:
            for command in self.undo:
                with suppress(Failed):
                    run(Command(command))
        for file in self.files:
            self._put_back(file)
        now = PresentRules.read()
        if self.reload and self._is_loaded(now) and self._is_made(now) is not False:
            run(Command(self.reload))

    def _put_back(self, file: OwnedFile) -> None:
        """Byte for byte, with its times; what others have changed there since stays."""
        if file.is_untouched():
            return
        if self._foreign_lines(file) and not _is_backup(file.path):
            if self._own_lines(file):
                raise Drift(f"{file.path} was changed by somebody else meanwhile")
            return
        FileChange(file.path, read_state(file.path), file.before).force()

    def verify(self) -> None:
        made = self._is_made(PresentRules.read())
        if made is None or made is self.back:
            deed = "take back" if self.back else "make"
            raise Failed(f"{self.owner} did not {deed} the rules as was planned")
        if not self.back and self.files and not self._has_traces():
            raise Failed(f"{self.owner} did not write its rules down")


def _is_backup(path: str) -> bool:
    """firewalld keeps what a file was before its last change."""
    return path.endswith(".old")


def _changed_lines(file: OwnedFile) -> list[str]:
    """The lines that came or went, without spaces at their ends; none for a backup."""
    if _is_backup(file.path):
        return []
    now = read_state(file.path)
    if now is None and file.before is None:
        return []
    before, after = _lines(file.text_before()), _lines(now.data if now else b"")
    return [
        line[2:] for line in difflib.ndiff(before, after) if line[:2] in ("- ", "+ ") and line[2:]
    ]


def _by_count(edit: ChainEdit, present: Sequence[str]) -> bool | None:
    """Of an owner that makes all of its rules anew, and puts them where it likes."""
    before, after, now = Counter(edit.before), Counter(edit.after), Counter(present)
    concerned = (before - after) + (after - before)
    if all(now[text] == after[text] for text in concerned):
        return True
    return False if all(now[text] == before[text] for text in concerned) else None


def _lines(data: bytes) -> Sequence[str]:
    return [line.strip() for line in _decoded(data).splitlines()]


def _decoded(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _set(setting: ListedSetting) -> None:
    """Add the item to the setting in the owner's file; raises Failed."""
    path = os.path.realpath(setting.file)
    before = read_state(path)
    if before is None:
        raise Failed(f"there is no {path}")
    text = with_item(_decoded(before.data), setting.name, setting.item)
    if text is None:
        raise Failed(f"{path} has no setting {setting.name}")
    FileChange.of(path, before, text.encode("utf-8", "surrogateescape")).make()
