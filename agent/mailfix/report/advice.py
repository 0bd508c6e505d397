"""Advice as paragraphs: prose to be wrapped, and lines that are copied as they are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Paragraph:
    """``lines`` is one line of prose; with ``verbatim`` they are records, a letter, commands."""

    lines: tuple[str, ...]
    verbatim: bool


def paragraphs(advice: str) -> Iterator[Paragraph]:
    """Part at empty lines; a paragraph that begins with a space is verbatim."""
    for text in advice.strip("\n").split("\n\n"):
        if text.startswith(" "):
            yield Paragraph(tuple(line.strip() for line in text.split("\n")), verbatim=True)
        else:
            yield Paragraph((" ".join(text.split()),), verbatim=False)
