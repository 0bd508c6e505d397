"""Macros in SPF records (RFC 7208 section 7)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from mailfix.mail_records.clipping import clipped
from mailfix.mail_records.spf.problem import SpfError

DOMAIN_LETTERS = frozenset("slodiphv")
EXPLANATION_LETTERS = DOMAIN_LETTERS | frozenset("crt")
NAME_LENGTH = 253
_PIECE = re.compile(
    r"%\{(?P<letter>[A-Za-z])(?P<digits>[0-9]*)(?P<reverse>[rR]?)(?P<delimiters>[-.+,/_=]*)\}"
    r"|%(?P<special>[%_-])"
    r"|(?P<literal>[^%]+)"
)
_SPECIAL = {"%": "%", "_": " ", "-": "%20"}
_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_VISIBLE = re.compile(r"[!-~]*")
_VISIBLE_AND_SPACE = re.compile(r"[ -~]*")
_ENDS_IN_MACRO = re.compile(r".*(%[%_-]|%\{[^{}]*\})", re.DOTALL)
_TOP_LABEL = re.compile(r"(?=.*[A-Za-z-])[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?")


@dataclass(frozen=True, slots=True)
class Macro:
    """``%{ir.}`` and its like: ``rightmost`` is how many parts are kept, 0 for all of them.

    ``letter`` is in lower case; ``escaped`` tells that it was written in upper case.
    """

    letter: str
    rightmost: int
    is_reversed: bool
    delimiters: str
    escaped: bool

    def expand(self, values: Mapping[str, str]) -> str:
        parts = re.split(f"[{re.escape(self.delimiters)}]", values[self.letter])
        if self.is_reversed:
            parts.reverse()
        kept = ".".join(parts[-self.rightmost :])
        return _url_escaped(kept) if self.escaped else kept


Piece: TypeAlias = str | Macro


@dataclass(frozen=True, slots=True)
class MacroString:
    """A text with macros in it, as it was written and in pieces."""

    text: str
    pieces: tuple[Piece, ...]

    @property
    def letters(self) -> frozenset[str]:
        """The macros that it uses, in lower case."""
        return frozenset(piece.letter for piece in self.pieces if isinstance(piece, Macro))

    def expand(self, values: Mapping[str, str]) -> str:
        """Fill in the values of its letters."""
        return "".join(
            piece if isinstance(piece, str) else piece.expand(values) for piece in self.pieces
        )


def parse_domain_spec(text: str) -> MacroString:
    """Read a ``domain-spec`` (RFC 7208 section 7.1); raises :class:`SpfError`."""
    spec = parse_macro_string(text)
    if not _ENDS_IN_MACRO.fullmatch(text) and not _ends_in_top_label(text):
        raise SpfError(f"{clipped(text)!r} is no full domain name")
    return spec


def parse_macro_string(text: str) -> MacroString:
    """Read a ``macro-string`` of a record; raises :class:`SpfError`."""
    if not _VISIBLE.fullmatch(text):
        raise SpfError(f"{clipped(text)!r} holds a character that no SPF record may hold")
    return MacroString(text, _pieces(text, DOMAIN_LETTERS))


def parse_explanation(text: str) -> MacroString:
    """Read an ``explain-string`` (RFC 7208 section 6.2); raises :class:`SpfError`."""
    if not _VISIBLE_AND_SPACE.fullmatch(text):
        raise SpfError("the explanation is not plain ASCII text")
    return MacroString(text, _pieces(text, EXPLANATION_LETTERS))


def shortened_name(name: str) -> str:
    """Drop the final dot, and labels from the left until it fits DNS (RFC 7208 section 7.3)."""
    name = name.removesuffix(".")
    if len(name) <= NAME_LENGTH:
        return name
    fitting = name.find(".", len(name) - NAME_LENGTH - 1)
    return name[fitting + 1 :] if fitting >= 0 else name


def _ends_in_top_label(text: str) -> bool:
    _, dot, label = text.removesuffix(".").rpartition(".")
    return bool(dot and _TOP_LABEL.fullmatch(label))


def _pieces(text: str, letters: frozenset[str]) -> tuple[Piece, ...]:
    pieces: list[Piece] = []
    place = 0
    while place < len(text):
        found = _PIECE.match(text, place)
        if found is None:
            raise SpfError(f"{clipped(text[place:], 20)!r} is no macro")
        pieces.append(_piece(found, letters))
        place = found.end()
    return tuple(pieces)


def _piece(found: re.Match[str], letters: frozenset[str]) -> Piece:
    if found["literal"]:
        return found["literal"]
    if found["special"]:
        return _SPECIAL[found["special"]]
    letter = found["letter"].lower()
    if letter not in letters:
        raise SpfError(f"there is no macro {clipped(found[0])} here")
    return Macro(
        letter,
        _rightmost(found["digits"]),
        bool(found["reverse"]),
        found["delimiters"] or ".",
        found["letter"].isupper(),
    )


def _rightmost(digits: str) -> int:
    number = digits.lstrip("0")
    if digits and not number:
        raise SpfError("a macro keeps 0 parts")
    return int(number[:4]) if number else 0


def _url_escaped(text: str) -> str:
    octets = text.encode("utf-8", "surrogateescape")
    return "".join(chr(octet) if octet in _UNRESERVED else f"%{octet:02X}" for octet in octets)
