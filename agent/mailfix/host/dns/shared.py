"""What many want to know and one finds out."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Shared(Generic[K, V]):
    """Finds out each key's value once; whoever is cancelled while waiting spoils nobody else's."""

    def __init__(self) -> None:
        self._found: dict[K, V] = {}
        self._searching: dict[K, asyncio.Task[V]] = {}

    async def get(self, key: K, find: Callable[[], Awaitable[V]]) -> V:
        """Return the value, which ``find`` finds out where nobody did before."""
        if key in self._found:
            return self._found[key]
        if key not in self._searching:
            self._searching[key] = asyncio.create_task(self._keep(key, find))
        return await asyncio.shield(self._searching[key])

    async def _keep(self, key: K, find: Callable[[], Awaitable[V]]) -> V:
        try:
            self._found[key] = value = await find()
        finally:
            del self._searching[key]
        return value
