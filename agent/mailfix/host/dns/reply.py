"""Reading what a name server sent, of which every octet may be hostile.

The sections are walked here, for only the few records that answer the question are worth their
time; dnspython reads what is neither an address, a text nor an ordinary name.
"""

from __future__ import annotations

import re
import socket
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from mailfix.host.dns.question import Question

if TYPE_CHECKING:
    from dns.rdataclass import RdataClass
    from dns.rdatatype import RdataType

MAX_RECORDS = 100
MAX_CHAIN = 16
_MAX_WALKED = 3 * MAX_RECORDS

NOERROR, FORMERR, NXDOMAIN, NOTIMP, BADVERS = 0, 1, 3, 4, 16
_A, _NS, _CNAME, _SOA, _PTR, _MX, _TXT, _AAAA, _OPT = 1, 2, 5, 6, 12, 15, 16, 28, 41
_IN = 1
_NAMING = frozenset({2, 5, 6, 12, 15, 33, 39})
_RESPONSE, _AUTHORITATIVE, _TRUNCATED, _SECURE = 0x8000, 0x0400, 0x0200, 0x0020
_OPCODE, _RCODE = 0x7800, 0x000F
_POINTER = 0xC0
_MAX_LABEL = 63
_MAX_POINTERS = 16
_ORDINARY_NAME = re.compile(rb"(?=.{1,253}\Z)[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63})*")
_TO_QUESTION = b"\xc0\x0c"
_HEADER = struct.Struct("!HHHHHH")
_RECORD = struct.Struct("!HHIH")
_SOA_NUMBERS = struct.Struct("!IIIII")


class NotOurs(ValueError):
    """It is not the answer to our question; whoever sent it, ours may still come."""


class Garbled(ValueError):
    """It answers our question, but it is no DNS message."""


class TooMany(ValueError):
    """It holds more records than any mail domain needs; its text tells how many."""


@dataclass(frozen=True, slots=True)
class Record:
    """A record of the answer section that has the type of the question, or is a CNAME.

    ``octets`` are the data of a TXT record: two may differ though their texts are the same.
    """

    owner: str
    code: int
    ttl: int
    text: str
    octets: bytes = b""

    @property
    def is_alias(self) -> bool:
        return self.code == _CNAME


@dataclass(frozen=True, slots=True)
class Reply:
    """``has_soa`` and ``has_ns`` tell what stands in the authority section (RFC 2308 2.2)."""

    rcode: int
    authoritative: bool
    truncated: bool
    secure: bool
    records: tuple[Record, ...]
    has_soa: bool
    has_ns: bool
    wire: bytes

    @property
    def answers(self) -> bool:
        """Whether it says what there is, be it nothing."""
        return self.rcode in (NOERROR, NXDOMAIN)

    @property
    def is_referral(self) -> bool:
        """It names other servers in place of an answer (RFC 1034 section 4.3.1)."""
        bare = self.rcode == NOERROR and not self.records
        return bare and self.has_ns and not self.has_soa

    @property
    def refuses_edns(self) -> bool:
        """RFC 6891 section 7."""
        return self.rcode in (FORMERR, NOTIMP, BADVERS)


def read(wire: bytes, question: Question) -> Reply:
    """Read the answer to a question.

    :raises NotOurs: it is no response, or one to another question.
    :raises Garbled: it breaks off, or what it holds breaks the format.
    :raises TooMany: more than 100 records, or such a lot besides that nobody reads it.
    """
    import dns.exception

    try:
        return _read(wire, question)
    except (IndexError, struct.error, dns.exception.DNSException, OverflowError) as error:
        raise Garbled(type(error).__name__) from error


def rcode_text(rcode: int) -> str:
    """Return the mnemonic, such as ``SERVFAIL``, or the number of an rcode that has none."""
    import dns.rcode

    return dns.rcode.to_text(dns.rcode.Rcode.make(rcode))


def _read(wire: bytes, question: Question) -> Reply:
    if len(wire) < _HEADER.size:
        raise NotOurs("too short")
    _, flags, questions, answers, authorities, additionals = _HEADER.unpack_from(wire)
    at = _after_question(wire, flags, questions, question)
    if max(answers, authorities, additionals) > _MAX_WALKED:
        raise TooMany(str(answers))
    truncated = bool(flags & _TRUNCATED)
    records: tuple[Record, ...] = ()
    named, rcode = frozenset[int](), flags & _RCODE
    if not truncated:
        records, at = _answers(wire, at, answers, question)
        named, at = _types(wire, at, authorities)
        rcode |= _extended_rcode(wire, at, additionals)
    return Reply(
        rcode=rcode,
        authoritative=bool(flags & _AUTHORITATIVE),
        truncated=truncated,
        secure=bool(flags & _SECURE),
        records=records,
        has_soa=_SOA in named,
        has_ns=_NS in named,
        wire=wire,
    )


def _after_question(wire: bytes, flags: int, questions: int, question: Question) -> int:
    """Return where the answer section begins; a server that gives up may leave the question out."""
    if not flags & _RESPONSE or flags & _OPCODE:
        raise NotOurs("no response to a query")
    if questions == 0 and flags & _RCODE not in (NOERROR, NXDOMAIN):
        return _HEADER.size
    end = _HEADER.size + len(question.section)
    if questions != 1 or wire[_HEADER.size : end].lower() != question.section.lower():
        raise NotOurs("another question")
    return end


def _answers(
    wire: bytes, at: int, count: int, question: Question
) -> tuple[tuple[Record, ...], int]:
    found: list[Record] = []
    for _ in range(count):
        start, at = at, _after_name(wire, at)
        code, rdclass, ttl, size = _RECORD.unpack_from(wire, at)
        at += _RECORD.size
        if code in (question.code, _CNAME) and rdclass == _IN:
            owner = _owner(wire, start, question)
            octets = wire[at : at + size] if code == _TXT else b""
            text = _text(wire, at, size, code)
            found.append(Record(owner, code, _seconds(ttl), text, octets))
        at += size
    if at > len(wire):
        raise IndexError("the answer section breaks off")
    return tuple(found), at


def _types(wire: bytes, at: int, count: int) -> tuple[frozenset[int], int]:
    found = set()
    for _ in range(count):
        at = _after_name(wire, at)
        code, _, _, size = _RECORD.unpack_from(wire, at)
        at += _RECORD.size + size
        found.add(code)
    return frozenset(found), at


def _extended_rcode(wire: bytes, at: int, count: int) -> int:
    """Return the upper bits that stand in the OPT record (RFC 6891 section 6.1.3)."""
    for _ in range(count):
        at = _after_name(wire, at)
        code, _, ttl, size = _RECORD.unpack_from(wire, at)
        if code == _OPT:
            return int(ttl >> 24) << 4
        at += _RECORD.size + size
    return 0


def _after_name(wire: bytes, at: int) -> int:
    while (length := wire[at]) not in range(_POINTER, 256):
        if length > _MAX_LABEL:
            raise IndexError("no such kind of label")
        at += 1 + length
        if length == 0:
            return at
    return at + 2


def _owner(wire: bytes, at: int, question: Question) -> str:
    return question.name if wire[at : at + 2] == _TO_QUESTION else _name(wire, at)


def _name(wire: bytes, at: int) -> str:
    """Read a name wherever it goes on (RFC 1035 section 4.1.4), in lower case without its dot."""
    return _ordinary_name(wire, at) or _any_name(wire, at)


def _ordinary_name(wire: bytes, at: int) -> str:
    """Nearly all names: those of letters, digits, hyphens and underscores; "" for any other."""
    labels: list[bytes] = []
    pointers = 0
    while length := wire[at]:
        if length >= _POINTER:
            target = (length - _POINTER) << 8 | wire[at + 1]
            pointers += 1
            if target >= at or pointers > _MAX_POINTERS:
                return ""
            at = target
            continue
        labels.append(wire[at + 1 : at + 1 + length])
        at += 1 + length
    name = b".".join(labels)
    dots_between = name.count(b".") == len(labels) - 1
    return name.decode("ascii").lower() if dots_between and _ORDINARY_NAME.fullmatch(name) else ""


def _any_name(wire: bytes, at: int) -> str:
    import dns.name

    return dns.name.from_wire(wire, at)[0].to_text(omit_final_dot=True).lower()


def _text(wire: bytes, at: int, size: int, code: int) -> str:
    if code in _PLAIN:
        return _PLAIN[code](wire[at : at + size], size)
    if code in _NAMES and (name := _ordinary_data(wire, at, size, _NAMES[code])):
        return name
    if code == _SOA and (authority := _ordinary_authority(wire, at, size)):
        return authority
    import dns.rdata

    text = dns.rdata.from_wire(*_kind(code), wire, at, size).to_text()
    return _undotted(text.lower()) if code in _NAMING else text


def _ordinary_data(wire: bytes, at: int, size: int, numbers: int) -> str:
    """Read data of some 16-bit numbers and a name that ends it; "" where the name is unusual."""
    start = at + 2 * numbers
    if _after_name(wire, start) != at + size:
        return ""
    words = [str(int.from_bytes(wire[each : each + 2], "big")) for each in range(at, start, 2)]
    name = _ordinary_name(wire, start)
    return " ".join((*words, name)) if name else ""


def _ordinary_authority(wire: bytes, at: int, size: int) -> str:
    """Read the data of an SOA record (RFC 1035 section 3.3.13); "" where a name is unusual."""
    second = _after_name(wire, at)
    numbers = _after_name(wire, second)
    if numbers + _SOA_NUMBERS.size != at + size:
        return ""
    names = (_ordinary_name(wire, at), _ordinary_name(wire, second))
    return (
        " ".join((*names, *map(str, _SOA_NUMBERS.unpack_from(wire, numbers)))) if all(names) else ""
    )


def _address(family: socket.AddressFamily) -> Callable[[bytes, int], str]:
    def read(octets: bytes, size: int) -> str:
        try:
            return socket.inet_ntop(family, octets)
        except ValueError as error:
            raise IndexError(f"an address of {size} octets") from error

    return read


def _strings(octets: bytes, size: int) -> str:
    """The character strings of a TXT record, joined (RFC 1035 section 3.3.14)."""
    found, at = [], 0
    while at < size:
        end = at + 1 + octets[at]
        found.append(octets[at + 1 : end])
        at = end
    if at != len(octets) or not found:
        raise IndexError("a string breaks off")
    return b"".join(found).decode("latin-1")


_NAMES: Mapping[int, int] = {_NS: 0, _CNAME: 0, _PTR: 0, _MX: 1}
"""How many 16-bit numbers stand before the name (RFC 1035 section 3.3)."""
_PLAIN: Mapping[int, Callable[[bytes, int], str]] = {
    _A: _address(socket.AF_INET),
    _AAAA: _address(socket.AF_INET6),
    _TXT: _strings,
}


@cache
def _kind(code: int) -> tuple[RdataClass, RdataType]:
    """The class IN and the type, as dnspython's own enumerations, which spares it the search."""
    import dns.rdataclass
    import dns.rdatatype

    return dns.rdataclass.IN, dns.rdatatype.RdataType.make(code)


def _undotted(text: str) -> str:
    words = text.split(" ")
    return " ".join(word[:-1] if word.endswith(".") and word != "." else word for word in words)


def _seconds(ttl: int) -> int:
    """A TTL with its highest bit set means zero (RFC 2181 section 8)."""
    return ttl if ttl < 1 << 31 else 0
