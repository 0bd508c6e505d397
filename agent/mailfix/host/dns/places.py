"""How many questions are on their way at once: fewer when many of them get lost."""

from __future__ import annotations

import asyncio
from collections import deque
from types import TracebackType

MOST = 128
"""Some resolvers refuse more than 150 at once (dnsmasq(8), --dns-forward-max)."""
LEAST = 8
_START = 64
_STEP = 8
_COUNTED = 64
_MANY_TRIES = 4
"""An answer that needs so many was lost on its way again and again, not only slow in coming."""
_MUCH_LOSS = 0.2
_LITTLE_LOSS = 0.1


class Places:
    """An asynchronous context manager for each question, first come, first served."""

    def __init__(self) -> None:
        self.limit = _START
        self._taken = 0
        self._queue: deque[asyncio.Future[None]] = deque()
        self._answered = 0
        self._lost = 0

    async def __aenter__(self) -> None:
        if self._taken < self.limit and not self._queue:
            self._taken += 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._queue.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            self._leave_the_queue(turn)
            raise

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._taken -= 1
        self._let_in()

    def learn(self, tries: int) -> None:
        """Count a question that was answered after so many tries."""
        self._answered += 1
        self._lost += tries >= _MANY_TRIES
        if self._answered < _COUNTED:
            return
        loss = self._lost / self._answered
        if loss > _MUCH_LOSS:
            self.limit = max(LEAST, self.limit // 2)
        elif loss < _LITTLE_LOSS:
            self.limit = min(MOST, self.limit + _STEP)
        self._answered = self._lost = 0

    def _let_in(self) -> None:
        while self._queue and self._taken < self.limit:
            turn = self._queue.popleft()
            if not turn.done():
                self._taken += 1
                turn.set_result(None)

    def _leave_the_queue(self, turn: asyncio.Future[None]) -> None:
        """Give back the place that was given in the moment of the cancellation."""
        if turn.done() and not turn.cancelled():
            self._taken -= 1
            self._let_in()
