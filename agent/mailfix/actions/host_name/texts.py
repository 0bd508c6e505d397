"""The files that hold the host's name, with another name in them; the rest byte for byte. Pure."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Set as AbstractSet

OWN_LOOPBACK = "127.0.1.1"
"""The address that Debian gives to a host's own name (Debian Reference, section 5.1.1)."""

_ENTRY = re.compile(rb"(\s*(\S+)\s+)([^#]*?)(\s*(?:#.*)?)", re.DOTALL)


def with_name(text: bytes, name: str) -> bytes:
    """hostname(5) or mailname(5): the name in place of the first that stands there."""
    lines = text.splitlines(keepends=True)
    for number, line in enumerate(lines):
        held = line.partition(b"#")[0].strip()
        if held:
            lines[number] = line.replace(held, name.encode(), 1)
            return b"".join(lines)
    return _ended(text) + name.encode() + b"\n"


def with_host(text: bytes, name: str, old: AbstractSet[str], own: AbstractSet[str]) -> bytes:
    """hosts(5): the name, and its first label, before the ``old`` names of the host.

    ``own`` are the host's addresses. Old names stay as aliases. Where no line of an own address
    has the new name or an old one, a line for the name is added.
    """
    lines = text.splitlines(keepends=True)
    known = {each.lower() for each in (*old, name)}
    addresses = {_address(each.encode()) for each in (*own, OWN_LOOPBACK)}
    found = [
        number
        for number, line in enumerate(lines)
        if _address_in(line) in addresses and known & {each.lower() for each in _names_in(line)}
    ]
    for number in found:
        lines[number] = _named_first(lines[number], name)
    if found:
        return b"".join(lines)
    return _ended(text) + f"{OWN_LOOPBACK} {' '.join(_first(name))}\n".encode()


def _named_first(line: bytes, name: str) -> bytes:
    names = _names_in(line)
    if names[0].lower() == name:
        return line
    aliases = [each for each in names if each.lower() not in _first(name)]
    entry = _ENTRY.fullmatch(line)
    assert entry is not None
    written = " ".join((*_first(name), *aliases)).encode("utf-8", "surrogateescape")
    return entry[1] + written + entry[4]


def _first(name: str) -> tuple[str, str]:
    """The full name and the short one, in the order that hosts(5) asks for."""
    return name, name.partition(".")[0]


def _names_in(line: bytes) -> list[str]:
    entry = _ENTRY.fullmatch(line)
    return entry[3].decode("utf-8", "surrogateescape").split() if entry else []


def _address_in(line: bytes) -> object:
    entry = _ENTRY.fullmatch(line)
    return _address(entry[2]) if entry else None


def _address(word: bytes) -> object:
    try:
        return ipaddress.ip_address(word.decode("ascii", "replace"))
    except ValueError:
        return None


def _ended(text: bytes) -> bytes:
    """The text with its last line ended, so that another can follow."""
    return text if not text or text.endswith((b"\n", b"\r")) else text + b"\n"
