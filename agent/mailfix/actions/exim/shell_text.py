"""Assignments in files that a shell reads, such as /etc/default/exim4, and edits of one of them."""

from __future__ import annotations

import re
import shlex


def _assignments(text: bytes, name: str) -> list[re.Match[bytes]]:
    """The plain ones: a line of its own, the value a single word, quoted or not."""
    line = rb"^[ \t]*" + re.escape(name.encode()) + rb"=([^\r\n]*)"
    return list(re.finditer(line, text, re.MULTILINE))


def value(text: bytes, name: str) -> str | None:
    """What the last assignment gives a variable; None where there is none that is plain."""
    found = _assignments(text, name)
    if not found:
        return None
    try:
        words = shlex.split(found[-1][1].decode("utf-8", "surrogateescape"), comments=True)
    except ValueError:
        return None
    return " ".join(words[:1])


def with_value(text: bytes, name: str, new: str) -> bytes:
    """The text with another value in the last assignment, which must be there; else as it was."""
    last = _assignments(text, name)[-1]
    quoted = f"'{new}'".encode("utf-8", "surrogateescape")
    return text[: last.start(1)] + quoted + text[last.end(1) :]


def line_of(text: bytes, name: str) -> int:
    """The number of the line of the last assignment, which must be there."""
    return text.count(b"\n", 0, _assignments(text, name)[-1].start()) + 1
