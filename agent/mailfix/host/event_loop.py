"""One event loop from a coroutine's beginning to its end."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run it and return what it returns.

    asyncio.run formats what its coroutine returns when it puts the signal handler back (its repr
    goes into an exception that is caught at once); of thousands of domains or rules that takes
    seconds. So nothing is returned to it.
    """
    returned: list[T] = []

    async def keep() -> None:
        returned.append(await coroutine)

    asyncio.run(keep())
    return returned[0]
