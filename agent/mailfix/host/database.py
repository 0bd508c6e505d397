"""Reading a panel's SQLite file, without ever writing to it."""

from __future__ import annotations

import contextlib

from mailfix.host.files import exists
from mailfix.model import Fact, Known, Unknown

BUSY_TIMEOUT_S = 1.0


def first_column(file: str, query: str, limit: int) -> Fact[tuple[str, ...]]:
    """Return the first column of at most ``limit`` rows; a missing file has none."""
    import sqlite3

    if not exists(file):
        return Known(())
    try:
        with contextlib.closing(
            sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=BUSY_TIMEOUT_S)
        ) as database:
            rows = database.execute(query).fetchmany(limit)
    except sqlite3.Error as error:
        return Unknown(f"{file} cannot be read: {error}")
    return Known(tuple(str(row[0]) for row in rows))
