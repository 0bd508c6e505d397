"""Ending a process that holds a lock and does not let go of it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psutil

PATIENCE_S = 5.0


def end(pid: int, lock: str) -> bool:
    """Kill the process, with all that it started, if it has the file ``lock`` open.

    Returns whether it was the holder. It is stopped first, so that it starts nothing more while
    its descendants are listed: a program that outlived it could go on changing the host. It is not
    asked to end by itself, as it may hang, and its journal tells how far it got.
    """
    import psutil

    try:
        holder = psutil.Process(pid)
        if not _has_open(pid, lock):
            return False
        holder.suspend()
        family = [holder, *holder.children(recursive=True)]
    except psutil.Error:
        return False
    for process in family:
        _kill(process)
    psutil.wait_procs(family, timeout=PATIENCE_S)
    return True


def _kill(process: psutil.Process) -> None:
    import psutil

    try:
        process.kill()
    except psutil.Error:
        return


def _has_open(pid: int, file: str) -> bool:
    """A number in a file may be an old one that another process has by now: this tells."""
    folder = f"/proc/{pid}/fd"
    try:
        wanted = os.stat(file)
        return any(_is(os.path.join(folder, name), wanted) for name in os.listdir(folder))
    except OSError:
        return False


def _is(path: str, wanted: os.stat_result) -> bool:
    try:
        return os.path.samestat(os.stat(path), wanted)
    except OSError:
        return False
