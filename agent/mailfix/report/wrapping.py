"""Lines of a report: a heading with its label, and what belongs to it."""

from __future__ import annotations

import textwrap

from mailfix.report.escape import clip, escape
from mailfix.report.style import Style

WIDTH = 100
LABEL_WIDTH = 10
MAX_LINE = 400


def headed(
    label: str, message: str, style: Style, colour: str = "red", *, bold: bool = True
) -> list[str]:
    """Wrap by the plain text; only a text that fits its line keeps its style."""
    plain = clip(escape(message), MAX_LINE)
    painted = style.paint(colour, label.ljust(LABEL_WIDTH))
    if len(plain) <= WIDTH - LABEL_WIDTH:
        return [painted + (style.bold(plain) if bold else plain)]
    first, *rest = textwrap.wrap(plain, WIDTH - LABEL_WIDTH)
    return [painted + first, *(" " * LABEL_WIDTH + line for line in rest)]


def labelled(label: str, text: str) -> list[str]:
    """A text under its heading, wrapped."""
    return textwrap.wrap(
        escape(text),
        WIDTH,
        initial_indent=f"  {label}".ljust(LABEL_WIDTH + 2),
        subsequent_indent=" " * (LABEL_WIDTH + 2),
        break_long_words=False,
    )


def one_line(label: str, text: str) -> str:
    """A text under its heading, cut."""
    return f"  {label}".ljust(LABEL_WIDTH + 2) + clip(escape(text), MAX_LINE)


def as_it_is(text: str) -> str:
    """A line under its heading that is copied as a whole: neither wrapped nor cut."""
    return " " * (LABEL_WIDTH + 2) + escape(text.strip())
