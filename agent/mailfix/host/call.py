"""Calling the host's own listeners one after another; see :mod:`mailfix.host.dial`.

Not from within asyncio.
"""

from __future__ import annotations

import asyncio

from mailfix.host import dial
from mailfix.host.dial import Contact


def greet(address: str, port: int, timeout_s: float) -> Contact:
    """Open a connection, read the first reply and take leave; see :func:`dial.greet`."""
    return asyncio.run(dial.greet(address, port, timeout_s))
