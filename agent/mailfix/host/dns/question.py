"""A question, and the packet that puts it to a name server (RFC 1035 section 4.1)."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from enum import IntFlag
from functools import cache

EDNS_PAYLOAD = 1232
"""Octets that we take over UDP: what no path has to fragment (DNS flag day 2020)."""

_HEADER = struct.Struct("!HHHHHH")
_OPT = b"\0" + struct.pack("!HHIH", 41, EDNS_PAYLOAD, 0, 0)
_IN = struct.pack("!H", 1)
_ORDINARY = re.compile(r"(?=.{1,253}\Z)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*")


class NotAName(ValueError):
    """What was asked for cannot be a name in DNS (RFC 1035 section 3.1)."""


class Wish(IntFlag):
    """What is wished of the server (RFC 1035 section 4.1.1, RFC 6840 section 5.7, RFC 4035)."""

    NONE = 0
    RECURSION = 0x0100
    VOUCHING = 0x0020
    NO_CHECKING = 0x0010


@dataclass(frozen=True, slots=True)
class Question:
    """``name`` is in lower case without its last dot, as dnspython writes it.

    ``rdtype`` is the type's mnemonic, ``code`` its number; ``section`` is the question section as
    it stands in the packet.
    """

    name: str
    rdtype: str
    code: int
    section: bytes

    @classmethod
    def about(cls, name: str, rdtype: str) -> Question:
        """Raises :class:`NotAName`."""
        plain = name.rstrip(".").lower()
        shown, wire = _ordinary(plain) if _ORDINARY.fullmatch(plain) else _unusual(plain)
        code = _code(rdtype)
        return cls(shown, rdtype, code, wire + struct.pack("!H", code) + _IN)

    def __str__(self) -> str:
        return f"{self.rdtype} {self.name}"

    def packet(self, number: int, wish: Wish, edns: bool) -> bytes:
        """Return the packet with ``number`` as its ID."""
        head = _HEADER.pack(number, wish, 1, 0, 0, 1 if edns else 0)
        return head + self.section + (_OPT if edns else b"")


@cache
def _code(rdtype: str) -> int:
    import dns.rdatatype

    return int(dns.rdatatype.from_text(rdtype))


def _ordinary(name: str) -> tuple[str, bytes]:
    """Nearly all names: a third of the time that a question takes is saved here."""
    labels = name.encode("ascii").split(b".")
    return name, b"".join(bytes((len(label),)) + label for label in labels) + b"\0"


def _unusual(name: str) -> tuple[str, bytes]:
    """Names with escapes (RFC 1035 section 5.1), or that are not in ASCII."""
    import dns.exception
    import dns.name

    try:
        owner = dns.name.from_text(name + ".")
        wire = owner.to_wire()
    except (dns.exception.DNSException, UnicodeError, ValueError) as error:
        raise NotAName(f"{name[:80]!r} is no name: {type(error).__name__}") from error
    return owner.to_text(omit_final_dot=True).lower(), wire or b""
