"""The content of one file, or that it is there at all."""

from __future__ import annotations

import difflib
import os
from dataclasses import dataclass, replace
from typing import ClassVar

from mailfix.changes.change import Drift, Failed, Place, Present, Seen
from mailfix.host import durable
from mailfix.host.durable import LABELS, Attributes

CONTEXT_LINES = 2
NOTHING = "/dev/null"


@dataclass(frozen=True, slots=True)
class FileState:
    """A file as it was, or as it shall be."""

    data: bytes
    attributes: Attributes

    def is_like(self, other: FileState | None) -> bool:
        """Whether content, mode, owner and extended attributes are the same.

        Times may differ, and labels that the kernel gives by its own policy.
        """
        return other is not None and self._identity() == other._identity()

    def _identity(self) -> tuple[object, ...]:
        known = self.attributes
        extended = [each for each in known.extended if each[0] not in LABELS]
        return self.data, known.mode, known.uid, known.gid, extended


@dataclass(frozen=True, slots=True)
class FileChange:
    """``path`` is the file's own, with no symbolic link in its last part; None is no file."""

    path: str
    before: FileState | None
    after: FileState | None

    kind: ClassVar[str] = "file"
    survives_boot: ClassVar[bool] = True

    @classmethod
    def of(cls, path: str, before: FileState | None, after: bytes | None) -> FileChange:
        """What makes the file at ``path``, which is no link, hold ``after``; None removes it.

        A new file gets mode 0644 and belongs to root.
        """
        attributes = before.attributes if before else Attributes(0o644, 0, 0)
        new = None if after is None else FileState(after, _of_later(attributes))
        return cls(path, before, new)

    @property
    def place(self) -> Place:
        return Place.FILE

    @property
    def slot(self) -> str:
        return f"file {self.path}"

    def followed_by(self, later: FileChange) -> FileChange:
        return replace(self, after=later.after)

    @property
    def cuts_off(self) -> bool:
        return False

    @property
    def inverse(self) -> FileChange:
        return replace(self, before=self.after, after=self.before)

    @property
    def _beside(self) -> str:
        """A name that neither run-parts(8) nor exim's split configuration takes."""
        folder, name = os.path.split(self.path)
        return os.path.join(folder, f".{name}.mailfix-new")

    def describe(self) -> str:
        if self.after is None:
            return f"remove {self.path}"
        return f"change {self.path}" if self.before else f"make {self.path}"

    def preview(self) -> tuple[str, ...]:
        return tuple(_diff(self.path, self.before, self.after))

    def look(self, *, interrupted: bool = False) -> Seen:
        now = read_state(self.path)
        if _same(now, self.before):
            return Seen(Present.BEFORE)
        if _same(now, self.after):
            return Seen(Present.AFTER)
        return Seen(Present.OTHER, tuple(_diff(self.path, self.after, now)))

    def make(self) -> None:
        """All or nothing; the times that a file had come back with its content."""
        present = self.look().present
        if present is Present.OTHER:
            raise Drift(f"{self.path} was changed by somebody else meanwhile")
        if present is Present.BEFORE:
            self._put()
        self._settle(flush=present is Present.AFTER)

    @property
    def handle(self) -> str:
        return self.path

    def force(self) -> None:
        """Make it whatever is there now; raises Failed."""
        self._put()

    def from_the_present(self, *, forced: bool) -> FileChange:
        """With the times that the file has now, so that taking the change back is exact."""
        now = read_state(self.path)
        ours = now is not None and now.is_like(self.before)
        return replace(self, before=now) if ours or forced else self

    def _put(self) -> None:
        try:
            if self.after is None:
                durable.remove(self.path)
            else:
                after = self.after
                durable.replace(self.path, after.data, after.attributes, self._beside)
        except OSError as error:
            raise Failed(f"{self.path} cannot be written: {error.strerror}") from None

    def _settle(self, *, flush: bool) -> None:
        """Flush what an interrupted attempt had not, and remove what it left."""
        folder = os.path.dirname(self.path)
        try:
            if os.path.lexists(self._beside):
                durable.remove(self._beside)
            elif flush and os.path.isdir(folder):
                durable.flush_folder(folder)
        except OSError as error:
            raise Failed(f"{folder} cannot be tidied up: {error.strerror}") from None

    def verify(self) -> None:
        if not _same(read_state(self.path), self.after):
            raise Failed(f"{self.path} does not hold what was written to it")


def _of_later(attributes: Attributes) -> Attributes:
    """Without times: those of its making, so that what watches the file sees the change."""
    return replace(attributes, accessed_ns=None, modified_ns=None)


def _same(one: FileState | None, other: FileState | None) -> bool:
    return one is other if one is None else one.is_like(other)


def read_state(path: str) -> FileState | None:
    """The file at ``path``, which is no link; None where there is none.

    Raises:
        Failed: it cannot be read, or has several names.
    """
    try:
        found = durable.read(path)
    except OSError as error:
        raise Failed(f"{path} cannot be read: {error.strerror}") from None
    if found is None:
        return None
    if found.links > 1:
        raise Failed(f"{path} has {found.links} names (hard links): changing it would part them")
    return FileState(found.data, found.attributes)


def _diff(path: str, before: FileState | None, after: FileState | None) -> list[str]:
    found = list(
        difflib.unified_diff(
            _lines(before),
            _lines(after),
            path if before else NOTHING,
            path if after else NOTHING,
            n=CONTEXT_LINES,
            lineterm="",
        )
    )
    if before and after and before.attributes.mode != after.attributes.mode:
        found.append(f"mode {before.attributes.mode:o} becomes {after.attributes.mode:o}")
    return found


def _lines(state: FileState | None) -> list[str]:
    return state.data.decode("utf-8", "surrogateescape").splitlines() if state else []
