"""What a power cut may leave on a disk: a small model of a file system, fed from a real run.

Every call that a process made is kept (strace(1)). What a file or a folder was told since its last
fsync(2) may be on the disk or not: of a file any beginning of it, the last write perhaps in part;
of a folder any of its entries, for fsync of a file says nothing about its name. That is harsher
than ext4 or xfs are.
"""

from __future__ import annotations

import codecs
import os
import random
import re
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

CALLS = (
    "openat,write,pwrite64,ftruncate,fsync,rename,unlink,mkdir,"
    "fchown,fchmod,fsetxattr,fremovexattr,utimensat"
)
LONGEST = 1 << 20
_CALL = re.compile(r"[0-9]+ +([a-z0-9]+)\((.*)\) += ([0-9]+)$")
_TEXT = re.compile(r'"((?:[^"\\]|\\.)*)"')
_TIME = re.compile(r"tv_sec=(-?[0-9]+)[^,]*, tv_nsec=([0-9]+)")


@dataclass(frozen=True, slots=True)
class Call:
    """One that went well: its texts decoded, the rest as strace writes it."""

    name: str
    rest: str
    texts: tuple[bytes, ...]
    result: int

    @property
    def numbers(self) -> list[int]:
        """The arguments in front of the first one that is no number."""
        return [int(word, 8 if word.startswith("0") else 10) for word in self._words()]

    def _words(self) -> Iterator[str]:
        for word in self.rest.split(", "):
            if not re.fullmatch(r"[0-9]+", word):
                return
            yield word


def calls(log: str) -> list[Call]:
    """Read what strace wrote; raises ValueError for a call that is split over several lines."""
    if "<unfinished" in log:
        raise ValueError("calls of several processes overlap")
    return [_call(found) for found in map(_CALL.match, log.splitlines()) if found]


def _call(found: re.Match[str]) -> Call:
    name, rest, result = found.groups()
    texts = tuple(codecs.escape_decode(text.encode("latin-1"))[0] for text in _TEXT.findall(rest))
    return Call(name, _TEXT.sub('"', rest), texts, int(result))


Entries: TypeAlias = "dict[str, Node]"
Naming: TypeAlias = "dict[str, Node | None]"
"""Names that a folder gets or loses at one stroke."""


@dataclass(slots=True, eq=False)
class Node:
    """A file or a folder: what it was, and what was done to it; ``flushed`` is how much is safe.

    A file that was there before has its ``origin``.
    """

    entries: Entries | None = None
    origin: Path | None = None
    done: list[Call] = field(default_factory=list)
    named: list[Naming] = field(default_factory=list)
    flushed: int = 0

    def flush(self) -> None:
        self.flushed = max(len(self.done), len(self.named))


class Disk:
    """The model. Everything happens under ``top``, which was like ``source`` in the beginning."""

    def __init__(self, top: Path, source: Path) -> None:
        self.top = top
        self.root = _found(source)
        self._open: dict[int, Node] = {}

    def take(self, call: Call) -> None:
        """Note what a call does."""
        match call.name:
            case "openat":
                self._opened(call)
            case "mkdir":
                self._name({call.texts[0]: Node(entries={})})
            case "rename":
                old, new = call.texts
                self._name({old: None, new: self._node(os.fsdecode(old))})
            case "unlink":
                self._name({call.texts[0]: None})
            case "fsync":
                self._open[call.numbers[0]].flush()
            case _:
                self._open[call.numbers[0]].done.append(call)

    def _opened(self, call: Call) -> None:
        path = os.fsdecode(call.texts[0])
        node = self._node(path)
        if node is None:
            node = Node()
            self._name({call.texts[0]: node})
        self._open[call.result] = node

    def _name(self, named: dict[bytes, Node | None]) -> None:
        """The paths are of one folder."""
        paths = {Path(os.fsdecode(path)): node for path, node in named.items()}
        folder = self._node(str(next(iter(paths)).parent))
        assert folder is not None
        folder.named.append({path.name: node for path, node in paths.items()})

    def _node(self, path: str) -> Node | None:
        node: Node | None = self.root
        for part in Path(path).relative_to(self.top).parts:
            node = _entries(node, len(node.named)).get(part) if node else None
        return node

    def after_a_cut(self, chance: random.Random, kept: float) -> Leftover:
        """One of the disks that there may be now; ``kept`` is how likely what is not safe stays."""
        return Leftover(self.top, self.root, chance, kept)


@dataclass(frozen=True, slots=True)
class Leftover:
    """A disk as it may be found after a power cut."""

    top: Path
    root: Node
    chance: random.Random
    kept: float

    def write(self) -> None:
        """Have it on the real disk."""
        shutil.rmtree(self.top, ignore_errors=True)
        self._folder(self.top, self.root)

    def _folder(self, path: Path, node: Node) -> None:
        path.mkdir(mode=0o700)
        pending = node.named[node.flushed :]
        stays = [each for each in pending if self.chance.random() < self.kept]
        for name, child in _named(_entries(node, node.flushed), stays).items():
            if child.entries is not None:
                self._folder(path / name, child)
            else:
                self._file(path / name, child)

    def _file(self, path: Path, node: Node) -> None:
        if node.origin is not None:
            owner = node.origin.lstat()
            shutil.copyfile(node.origin, path, follow_symlinks=False)
            os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)
            shutil.copystat(node.origin, path, follow_symlinks=False)
        else:
            path.touch(mode=0o600)
        if node.done:
            self._redo(path, node)

    def _redo(self, path: Path, node: Node) -> None:
        pending = len(node.done) - node.flushed
        stays = sum(self.chance.random() < self.kept for _ in range(pending))
        with path.open("r+b", buffering=0) as file:
            for call in node.done[: node.flushed + stays]:
                _apply(file.fileno(), call, len(call.texts[0]) if call.texts else 0)
            torn = node.done[node.flushed + stays :][:1]
            for call in torn:
                if call.name == "write":
                    _apply(file.fileno(), call, self.chance.randrange(len(call.texts[0])))


def _apply(descriptor: int, call: Call, length: int) -> None:
    numbers = call.numbers
    match call.name:
        case "write":
            os.lseek(descriptor, 0, os.SEEK_END)
            os.write(descriptor, call.texts[0][:length])
        case "pwrite64":
            os.pwrite(descriptor, call.texts[0], 0)
        case "ftruncate":
            os.ftruncate(descriptor, numbers[1])
        case "fchown":
            os.fchown(descriptor, numbers[1], numbers[2])
        case "fchmod":
            os.fchmod(descriptor, numbers[1])
        case "fsetxattr":
            os.setxattr(descriptor, call.texts[0], call.texts[1])
        case "fremovexattr":
            os.removexattr(descriptor, call.texts[0])
        case "utimensat":
            accessed, modified = (
                int(seconds) * 10**9 + int(ns) for seconds, ns in _TIME.findall(call.rest)
            )
            os.utime(descriptor, ns=(accessed, modified))


def _found(path: Path) -> Node:
    if path.is_dir() and not path.is_symlink():
        return Node(entries={each.name: _found(each) for each in path.iterdir()})
    return Node(origin=path)


def _entries(node: Node, count: int) -> Entries:
    return _named(node.entries or {}, node.named[:count])


def _named(entries: Entries, changes: Iterable[Naming]) -> Entries:
    found: Naming = dict(entries)
    for each in changes:
        found |= each
    return {name: node for name, node in found.items() if node is not None}
