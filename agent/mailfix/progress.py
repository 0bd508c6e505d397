"""How far a long audit has come."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Progress:
    """Counts the looks at mail domains: ``done`` of ``planned``; each may be looked at again."""

    domains: int = 0
    planned: int = 0
    done: int = 0

    def __str__(self) -> str:
        if not self.planned:
            return "still waiting for answers"
        share = self.done * 100 // self.planned
        whose = (
            "1 mail domain takes" if self.domains == 1 else f"{self.domains:,} mail domains take"
        )
        return f"still waiting for answers: {share} % of what {whose}"
