"""Colour on a terminal, and none anywhere else."""

from __future__ import annotations

from dataclasses import dataclass

_CODES = {"red": "31", "green": "32", "yellow": "33", "cyan": "36", "bold": "1"}


@dataclass(frozen=True, slots=True)
class Style:
    """Paints text with ECMA-48 escape sequences where ``colour`` is on."""

    colour: bool

    def paint(self, name: str, text: str) -> str:
        return f"\x1b[{_CODES[name]}m{text}\x1b[0m" if self.colour else text

    def bold(self, text: str) -> str:
        return self.paint("bold", text)
