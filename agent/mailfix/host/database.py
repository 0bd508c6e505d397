"""Reading a panel's SQLite file, without ever changing anything beside it."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from mailfix.host.files import exists, scratch_file
from mailfix.model import Fact, Known, Unknown

BUSY_TIMEOUT_S = 1.0
MAX_BYTES = 256 * 1024 * 1024
_VERSIONS = slice(18, 20)
_WRITE_AHEAD = b"\x02\x02"
_TRIES = 3


def first_column(file: str, query: str, limit: int) -> Fact[tuple[str, ...]]:
    """Return the first column of at most ``limit`` rows; a missing file has none.

    A database with a write-ahead log (https://www.sqlite.org/wal.html, section 5) cannot be read
    in place without making files beside it, so a copy of it is read.
    """
    if not exists(file):
        return Known(())
    try:
        if not _has_write_ahead_log(file):
            return _rows(file, query, limit)
        with scratch_file("copy") as copy:
            if not _copied(file, copy):
                return Unknown(f"{file} is being changed all the time")
            return _rows(copy, query, limit)
    except OSError as error:
        return Unknown(f"{file} cannot be read: {error.strerror}")


def _has_write_ahead_log(file: str) -> bool:
    """Tell it by the header (https://www.sqlite.org/fileformat2.html, section 1.3)."""
    with Path(file).open("rb") as database:
        return database.read(_VERSIONS.stop)[_VERSIONS] == _WRITE_AHEAD


def _copied(file: str, copy: str) -> bool:
    """Copy a database and its log; a checkpoint in between would tear them apart, so look twice."""
    for _ in range(_TRIES):
        before = _state(file)
        for ending in ("", "-wal"):
            _copy_one(file + ending, copy + ending)
        if _state(file) == before:
            return True
    return False


def _state(file: str) -> tuple[int, int]:
    found = os.stat(file)
    return (found.st_mtime_ns, found.st_size)


def _copy_one(source: str, target: str) -> None:
    try:
        content = Path(source).open("rb")  # noqa: SIM115
    except FileNotFoundError:
        Path(target).unlink(missing_ok=True)
        return
    with content:
        if os.fstat(content.fileno()).st_size > MAX_BYTES:
            raise OSError(27, "it is too large", source)
        Path(target).write_bytes(content.read(MAX_BYTES))


def _rows(file: str, query: str, limit: int) -> Fact[tuple[str, ...]]:
    import sqlite3

    address = f"{Path(file).as_uri()}?mode=ro"
    try:
        with contextlib.closing(
            sqlite3.connect(address, uri=True, timeout=BUSY_TIMEOUT_S)
        ) as database:
            rows = database.execute(query).fetchmany(limit)
    except sqlite3.Error as error:
        return Unknown(f"{file} cannot be read: {error}")
    return Known(tuple(str(row[0]) for row in rows))
