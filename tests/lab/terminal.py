"""Somebody at a terminal of the host who answers what a program asks."""

from __future__ import annotations

import os
import pty
import select
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .mailhost import MailHost

PROMPT = b"(Enter: "
PATIENCE_S = 120.0


@dataclass(frozen=True, slots=True)
class Session:
    """What was on the screen, and how the program ended."""

    screen: str
    exit_code: int


def answered(host: MailHost, command: Sequence[str], answers: Iterable[str]) -> Session:
    """Run a program on a terminal of its own; each question gets the next answer, then Enter."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvp("nsenter", [*host.enter(), *command])  # noqa: S606
    try:
        screen = _talk(terminal, list(answers))
    finally:
        os.close(terminal)
        _, status = os.waitpid(pid, 0)
    return Session(screen.decode("utf-8", "replace"), os.waitstatus_to_exitcode(status))


def _talk(terminal: int, answers: list[str]) -> bytes:
    screen, seen, deadline = b"", 0, time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if not select.select([terminal], [], [], 0.5)[0]:
            continue
        try:
            piece = os.read(terminal, 65536)
        except OSError:
            break
        if not piece:
            break
        screen += piece
        if PROMPT in screen[seen:] and screen.endswith(b")\r\n"):
            seen = len(screen)
            os.write(terminal, (answers.pop(0) if answers else "").encode() + b"\n")
    return screen
