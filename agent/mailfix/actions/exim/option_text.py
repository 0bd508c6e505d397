"""Main options and macros in the text of an exim configuration, and edits of one of them.

Exim specification, chapter 6: the main section ends at the first ``begin``; a line that ends with
a backslash goes on; white space around a line counts for nothing, so that a carriage return at its
end does no harm; ``#`` begins a comment only as the first character of a line, within a continued
one, too. Texts are bytes: what is not edited stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

_BEGIN = re.compile(rb"begin\s+\w")
_MACRO = re.compile(rb"([A-Z][A-Za-z0-9_]*)\s*==?\s*(.*)", re.DOTALL)
_OPTION = re.compile(rb"(hide\s+)?(no_|not_)?([a-z][a-z0-9_]*)\s*(?:=\s*(.*))?", re.DOTALL)
_IF = re.compile(rb"\.ifn?def\b")


class Kind(StrEnum):
    OPTION = "option"
    MACRO = "macro"


@dataclass(frozen=True, slots=True)
class Setting:
    """A line, or several that continue each other, that sets an option or defines a macro.

    ``start`` and ``end`` are offsets into the text, white space at both ends and the line end left
    out; ``head`` is what stands before the name and has to stay. ``value`` is None for a boolean
    that stands alone, and joined where it is continued. ``broken``: a comment stands between its
    lines.
    """

    kind: Kind
    name: str
    value: str | None
    start: int
    end: int
    line: int
    head: str = ""
    broken: bool = False


@dataclass(frozen=True, slots=True)
class _Logical:
    """A logical line: where it stands, and its text with the continuations joined."""

    start: int
    end: int
    line: int
    text: bytes
    broken: bool


def settings(text: bytes) -> Iterator[Setting]:
    """Every option and every macro that the main section sets, in order, in blocks, too."""
    for logical in _logical_lines(text):
        if _BEGIN.match(logical.text):
            return
        if found := _setting(logical):
            yield found


def _setting(logical: _Logical) -> Setting | None:
    if macro := _MACRO.fullmatch(logical.text):
        return _of(logical, Kind.MACRO, macro[1], macro[2], b"")
    if option := _OPTION.fullmatch(logical.text):
        return _of(logical, Kind.OPTION, option[3], option[4], option[1] or b"")
    return None


def _of(logical: _Logical, kind: Kind, name: bytes, value: bytes | None, head: bytes) -> Setting:
    return Setting(
        kind=kind,
        name=_decoded(name),
        value=None if value is None else _decoded(value),
        start=logical.start,
        end=logical.end,
        line=logical.line,
        head=_decoded(head),
        broken=logical.broken,
    )


def _decoded(text: bytes) -> str:
    return text.decode("utf-8", "surrogateescape")


def _logical_lines(text: bytes) -> Iterator[_Logical]:
    """Comments and empty lines are left out."""
    parts: list[bytes] = []
    start = end = line = 0
    skipped = broken = False
    for number, (offset, content) in enumerate(_physical_lines(text), start=1):
        stripped = content.strip()
        if stripped.startswith(b"#"):
            skipped = bool(parts)
            continue
        if not stripped and not parts:
            continue
        if not parts:
            start, line, broken = offset + len(content) - len(content.lstrip()), number, False
        broken, skipped = broken or skipped, False
        end = max(start, offset + len(content.rstrip()))
        parts.append(stripped.removesuffix(b"\\"))
        if not stripped.endswith(b"\\"):
            yield _Logical(start, end, line, b"".join(parts).strip(), broken)
            parts = []
    if parts:
        yield _Logical(start, end, line, b"".join(parts).strip(), broken)


def _physical_lines(text: bytes) -> Iterator[tuple[int, bytes]]:
    offset = 0
    for line in text.split(b"\n"):
        yield offset, line
        offset += len(line) + 1


def options_named(text: bytes, name: str) -> list[Setting]:
    """The places in the main section that set this option."""
    return [each for each in settings(text) if each.kind is Kind.OPTION and each.name == name]


def macros_named(text: bytes, name: str) -> list[Setting]:
    """The places in the main section that define this macro."""
    return [each for each in settings(text) if each.kind is Kind.MACRO and each.name == name]


def with_value(text: bytes, setting: Setting, value: str) -> bytes:
    """The text with another value in one place, and not one byte changed elsewhere."""
    new = f"{setting.head}{setting.name} = {value}".encode("utf-8", "surrogateescape")
    return text[: setting.start] + new + text[setting.end :]


def with_first_line(text: bytes, line: str) -> bytes:
    """The text with one more line before all others."""
    first, newline, _ = text.partition(b"\n")
    end = b"\r\n" if newline and first.endswith(b"\r") else b"\n"
    return line.encode("utf-8", "surrogateescape") + end + text


def mentions(text: bytes, name: str) -> int:
    """How often a macro's name stands in the text, but for comments and questions (``.ifdef``).

    Exim replaces a macro's name wherever it stands, in the middle of a word, too.
    """
    lines = [each.text for each in _logical_lines(text) if not _IF.match(each.text)]
    return sum(line.count(name.encode()) for line in lines)
