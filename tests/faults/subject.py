"""A small host in a folder, and a transaction that changes it in every way that changes have."""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from mailfix.apply import kinds
from mailfix.changes import Change, Failed, Place, Present, Seen
from mailfix.changes.draft import Draft
from mailfix.host import program
from mailfix.model import Unknown

OLD, HALF, NEW = "old", "half", "new"
PATIENCE_S = 1.0
MTIME_NS = 1_234_567_890_123_456_789
GOOD_SWITCH = """#!/bin/sh
echo half >"$2"
echo "$1" >"$2"
"""
EDITED = b"# kept as it is: \xff\xfe\r\nprimary_hostname = old\r\n"
ACL_USER_READ = struct.pack(
    "<I" + "HHI" * 5,
    *(2, 1, 6, 0xFFFFFFFF, 2, 4, 4321, 4, 4, 0xFFFFFFFF, 16, 4, 0xFFFFFFFF, 32, 0, 0xFFFFFFFF),
)
"""u::rw-,u:4321:r--,g::r--,m::r--,o::--- as acl(5) is kept in an attribute (linux/xattr.h)."""


@dataclass(frozen=True, slots=True)
class Switch:
    """A state that a program keeps, and sets in two steps."""

    program: str
    file: str
    before: str
    after: str

    kind: ClassVar[str] = "switch"
    survives_boot: ClassVar[bool] = False

    @property
    def place(self) -> Place:
        return Place.UNIT

    @property
    def slot(self) -> str:
        return f"switch {self.file}"

    def followed_by(self, later: Switch) -> Switch:
        return replace(self, after=later.after)

    @property
    def cuts_off(self) -> bool:
        return False

    @property
    def inverse(self) -> Switch:
        return replace(self, before=self.after, after=self.before)

    def describe(self) -> str:
        return f"switch to {self.after}"

    def preview(self) -> tuple[str, ...]:
        return (f"{self.program} {self.after}",)

    def _now(self) -> str:
        try:
            return Path(self.file).read_text("utf-8").strip()
        except OSError as error:
            raise Failed(f"{self.file}: {error.strerror}") from None

    def look(self, *, interrupted: bool = False) -> Seen:
        now = self._now()
        known = {self.before: Present.BEFORE, self.after: Present.AFTER}
        if interrupted:
            known |= {HALF: Present.PARTLY, "": Present.PARTLY}
        return Seen(known.get(now, Present.OTHER), (now,) if now not in known else ())

    def make(self) -> None:
        done = program.run([self.program, self.after, self.file], timeout_s=PATIENCE_S)
        if isinstance(done, Unknown):
            raise Failed(done.reason)
        if done.value.code:
            raise Failed(done.value.complaint)

    def verify(self) -> None:
        if self._now() != self.after:
            raise Failed("it is not switched")


def register() -> None:
    """Have journals know the switch, in this process alone."""
    kinds.KINDS = {**kinds.KINDS, Switch.kind: Switch}


def build(host: Path) -> None:
    """The host before anything is done to it."""
    (host / "elsewhere").mkdir(parents=True)
    _file(host / "edited.conf", EDITED, mode=0o640, owner=(12345, 54321), note=b"\x00\xff")
    _file(host / "removed.conf", b"old = yes\n", mode=0o400, owner=(0, 4321), mtime_ns=0)
    _file(host / "elsewhere/linked.conf", b"a = 1\n", mode=0o2755, owner=(33, 33))
    _file(host / "listed.conf", b"b = 1\n" * 2000, mode=0o640, owner=(0, 0), acl=ACL_USER_READ)
    (host / "link.conf").symlink_to("elsewhere/linked.conf")
    _file(host / "switch", GOOD_SWITCH.encode(), mode=0o755, owner=(0, 0))
    _file(host / "state", f"{OLD}\n".encode(), mode=0o644, owner=(0, 0))


def _file(
    path: Path,
    data: bytes,
    *,
    mode: int,
    owner: tuple[int, int],
    mtime_ns: int = MTIME_NS,
    note: bytes | None = None,
    acl: bytes | None = None,
) -> None:
    path.write_bytes(data)
    os.chown(path, *owner)
    path.chmod(mode)
    if note is not None:
        os.setxattr(path, "user.note", note)
    if acl is not None:
        os.setxattr(path, "system.posix_acl_access", acl)
    os.utime(path, ns=(mtime_ns, mtime_ns))


def changes(host: Path) -> tuple[Change, ...]:
    """What shall be done to it; raises Failed where it cannot be looked at."""
    draft = Draft()
    for name, data in (
        ("edited.conf", EDITED.replace(b"old", b"new")),
        ("removed.conf", None),
        ("created.conf", b"new = yes\n"),
        ("link.conf", b"a = 2\n"),
        ("listed.conf", b"b = 2\n" * 2000),
    ):
        draft = draft.with_changes([draft.file(str(host / name), data)])
    switch = Switch(str(host / "switch"), str(host / "state"), OLD, NEW)
    return draft.with_changes([switch]).changes


@dataclass(frozen=True, slots=True)
class Entry:
    """A file, folder or link as it is found; what a program writes itself has no time."""

    kind: int
    content: bytes = b""
    mode: int = 0
    owner: tuple[int, int] = (0, 0)
    modified_ns: int | None = None
    extended: tuple[tuple[str, bytes], ...] = ()


NOTHING = Entry(0)
Snapshot = Mapping[str, Entry]


def snapshot(host: Path) -> Snapshot:
    """All there is, by its path; a file that somebody forgot shows here, too."""
    return {str(path.relative_to(host)): _entry(path) for path in _below(host)}


def _below(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        yield path
        if path.is_dir() and not path.is_symlink():
            yield from _below(path)


def _entry(path: Path) -> Entry:
    status = path.lstat()
    kind = stat.S_IFMT(status.st_mode)
    if stat.S_ISLNK(kind):
        return Entry(kind, os.readlink(path).encode())
    if not stat.S_ISREG(kind):
        return Entry(kind)
    return Entry(
        kind,
        path.read_bytes(),
        stat.S_IMODE(status.st_mode),
        (status.st_uid, status.st_gid),
        status.st_mtime_ns if path.name != "state" else None,
        tuple((name, os.getxattr(path, name)) for name in sorted(os.listxattr(path))),
    )


def without_times(seen: Snapshot) -> Snapshot:
    return {path: replace(entry, modified_ns=None) for path, entry in seen.items()}
