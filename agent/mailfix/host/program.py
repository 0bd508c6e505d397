"""Running one program after another, for work that must not be done side by side.

As :mod:`mailfix.host.process` does it: by argument list, from a pinned PATH, in the C locale,
bounded.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from mailfix.host import process
from mailfix.host.clock import Deadline
from mailfix.host.process import Output
from mailfix.model import Fact, Known, Unknown

PATIENCE_S = 30.0


_WITH_US = ("setpriv", "--pdeathsig", "KILL", "--")


def run(argv: Sequence[str], *, text_in: str = "", timeout_s: float = PATIENCE_S) -> Fact[Output]:
    """Run a program to its end; see :func:`mailfix.host.process.run`. Not from within asyncio.

    It ends with us (prctl(2), PR_SET_PDEATHSIG): a recovery must not find the host as before while
    something that was started for the transaction is yet to act.
    """
    program = process.find_program(argv[0])
    if program is None:
        return Unknown(f"{argv[0]} is not installed")
    bound = _WITH_US if process.find_program(_WITH_US[0]) else ()
    whole = (*bound, program, *argv[1:])
    running = process.run(whole, Deadline.after(timeout_s), timeout_s, text_in=text_in)
    done = asyncio.run(running)
    return done if isinstance(done, Known) else Unknown(done.reason.removeprefix(_told(bound)))


def _told(bound: Sequence[str]) -> str:
    return f"{' '.join(bound)} " if bound else ""
