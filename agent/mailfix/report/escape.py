"""Text from outside, made harmless for a terminal."""

from __future__ import annotations


def escape(text: str) -> str:
    r"""Write what is not printable as ``\xNN``, ``\uNNNN`` or ``\UNNNNNNNN``.

    Not printable are control characters (C0, C1, DEL), every separator but the space,
    bidirectional overrides, zero-width and other format characters, and unpaired surrogates
    (str.isprintable). What can be seen, a backslash included, stays as it is.
    """
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else _escaped(ord(character)) for character in text
    )


def clip(text: str, limit: int) -> str:
    """Shorten to at most ``limit`` characters, of which the last says that there was more."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _escaped(code: int) -> str:
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
