"""What many want to know and one finds out."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Shared(Generic[K, V]):
    """Finds out each key's value once; where the one who does is cancelled, the next one does."""

    def __init__(self) -> None:
        self._found: dict[K, V] = {}
        self._searching: dict[K, asyncio.Future[None] | None] = {}

    async def get(self, key: K, find: Callable[[], Awaitable[V]]) -> V:
        """Return the value, which ``find`` finds out where nobody did before."""
        while key not in self._found:
            if key in self._searching:
                await asyncio.shield(self._over(key))
            else:
                await self._find_out(key, find)
        return self._found[key]

    async def _find_out(self, key: K, find: Callable[[], Awaitable[V]]) -> None:
        self._searching[key] = None
        try:
            self._found[key] = await find()
        finally:
            over = self._searching.pop(key)
            if over is not None:
                over.set_result(None)

    def _over(self, key: K) -> asyncio.Future[None]:
        """Nearly every key is asked for by one alone, who needs no signal that it is found."""
        over = self._searching[key]
        if over is None:
            over = self._searching[key] = asyncio.get_running_loop().create_future()
        return over
