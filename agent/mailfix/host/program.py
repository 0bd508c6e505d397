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
from mailfix.model import Fact

PATIENCE_S = 30.0


def run(argv: Sequence[str], *, text_in: str = "", timeout_s: float = PATIENCE_S) -> Fact[Output]:
    """Run a program to its end; see :func:`mailfix.host.process.run`. Not from within asyncio."""
    running = process.run(argv, Deadline.after(timeout_s), timeout_s, text_in=text_in)
    return asyncio.run(running)
