"""The changes chosen so far, and the files as they will leave them.

Several actions may change one file, one after the other: each is made for what the one before it
leaves. A draft gives them that, and in the end one change of each file, in the order of their
places.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from mailfix.changes.change import Change
from mailfix.changes.file import FileChange, FileState, read_state


@dataclass(frozen=True, slots=True)
class Draft:
    """``changes`` in the order in which they are to be made."""

    changes: tuple[Change, ...] = ()

    @property
    def contents(self) -> Mapping[str, bytes | None]:
        """What it makes of files, by their own paths; None is no file."""
        return {
            each.path: each.after.data if each.after else None
            for each in self.changes
            if isinstance(each, FileChange)
        }

    def read(self, path: str) -> FileState | None:
        """The file at ``path``, or where a link there leads, as the draft leaves it.

        None where there is none. Raises :class:`mailfix.changes.Failed`.
        """
        real = os.path.realpath(path)
        for change in reversed(self.changes):
            if isinstance(change, FileChange) and change.path == real:
                return change.after
        return read_state(real)

    def file(self, path: str, after: bytes | None) -> FileChange:
        """What makes the file hold ``after`` once the draft is made; None removes it.

        Raises :class:`mailfix.changes.Failed`.
        """
        return FileChange.of(os.path.realpath(path), self.read(path), after)

    def with_changes(self, changes: Iterable[Change]) -> Draft:
        """The draft with these made after it."""
        slots = {each.slot: each for each in self.changes}
        for change in changes:
            earlier = slots.get(change.slot)
            slots[change.slot] = change if earlier is None else earlier.followed_by(change)
        return replace(self, changes=tuple(sorted(slots.values(), key=lambda each: each.place)))
