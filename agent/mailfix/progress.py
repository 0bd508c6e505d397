"""How far a long audit has come."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Progress:
    """Counts the mail domains; ``looked_at`` of ``domains`` so far."""

    domains: int = 0
    looked_at: int = 0

    def __str__(self) -> str:
        if not self.domains:
            return "still waiting for answers"
        return f"{self.looked_at:,} of {self.domains:,} mail domains looked at"
