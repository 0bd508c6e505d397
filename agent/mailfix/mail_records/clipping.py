"""What somebody else wrote, shortened so that it can be shown."""

from __future__ import annotations

SHOWN = 200


def clipped(text: str, length: int = SHOWN) -> str:
    return text if len(text) <= length else f"{text[:length]}..."
