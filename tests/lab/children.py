"""Long-running programs that the lab starts: known by their own pid, never by name."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

from .machine import LabError, environment

PATIENCE_SECONDS = 10.0


def start(command: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
    """Start a program that dies with this thread; what it prints goes to ``log``."""
    with log.open("wb") as output:
        return subprocess.Popen(
            ("setpriv", "--pdeathsig", "KILL", *command),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment(),
            start_new_session=True,
        )


def stop(process: subprocess.Popen[bytes]) -> None:
    """Kill the program and wait until it is gone."""
    process.kill()
    process.wait(PATIENCE_SECONDS)


def only_child(pid: int) -> int | None:
    """The pid of a process's first child, or None while there is none.

    Raises LabError when the process itself is gone.
    """
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as listing:
            children = listing.read().split()
    except OSError as error:
        raise LabError(f"process {pid} ended") from error
    return int(children[0]) if children else None


def kill(pid: int) -> None:
    """Kill one process by its pid; that it is gone already is fine."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
