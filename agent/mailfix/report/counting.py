"""How many of something, in words."""

from __future__ import annotations


def counted(number: int, word: str, plural: str = "") -> str:
    """For example ``1 rule`` or ``2 rules``; ``plural`` where it takes more than an s."""
    return f"{number} {word}" if number == 1 else f"{number} {plural or word + 's'}"
