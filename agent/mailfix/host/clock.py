"""Time: one deadline for the whole audit, so that no probe can outstay it."""

from __future__ import annotations

import time
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Deadline:
    """A moment on the monotonic clock, in seconds."""

    at: float

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        return cls(time.monotonic() + seconds)

    def within(self, seconds: float) -> float:
        """Return how long a step that would like ``seconds`` may take; never negative."""
        return max(0.0, min(seconds, self.at - time.monotonic()))
