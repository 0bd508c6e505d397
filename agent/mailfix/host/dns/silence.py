"""Whether the resolvers are dead, so that nobody waits for them any longer."""

from __future__ import annotations

import time

NEVER_HEARD_QUESTIONS = 8
NO_MORE_HEARD_QUESTIONS = 40


class Silence:
    """The resolvers never spoke, or stopped to speak for good: for ``lasting_s`` seconds at least.

    A few names that they cannot find out about are not enough. ``has_heard``: one ever spoke.
    """

    def __init__(self, lasting_s: float) -> None:
        self._lasting_s = lasting_s
        self._since: float | None = None
        self.has_heard = False
        self._questions = 0

    @property
    def is_lasting(self) -> bool:
        if self._since is None or time.monotonic() - self._since < self._lasting_s:
            return False
        enough = NO_MORE_HEARD_QUESTIONS if self.has_heard else NEVER_HEARD_QUESTIONS
        return self._questions >= enough

    @property
    def was_never_broken(self) -> bool:
        """Nothing was ever heard, for long enough."""
        return not self.has_heard and self.is_lasting

    def asked(self) -> None:
        """Count a question that is put; these count as long as nothing was ever heard."""
        self._since = self._since or time.monotonic()
        self._questions += not self.has_heard

    def went_on(self) -> None:
        """Count a question that ended in silence; these count once something was heard."""
        self._questions += self.has_heard

    def ended(self) -> None:
        self._since, self.has_heard, self._questions = time.monotonic(), True, 0
