"""A probe's time and its faults end with the probe."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from mailfix.host import Host
from mailfix.model import Fact, Unknown

T = TypeVar("T")


async def bounded(host: Host, what: str, probe: Awaitable[Fact[T]]) -> Fact[T]:
    """Await a probe until the deadline; a fault in it makes its own fact unknown, no other."""
    try:
        async with asyncio.timeout(host.deadline.within(3600)):
            return await probe
    except TimeoutError:
        return Unknown(f"{what}: not found out in the time that an audit may take")
    except Exception as error:
        return Unknown(f"{what}: mailfix failed to read it: {type(error).__name__}: {error}")
