"""The few fields of a certificate that are told, read from its DER form. Pure.

The standard library decodes a certificate only after it was verified, and those that do not verify
are the ones to tell about.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime

from mailfix.outside.model import Certificate

ELEMENTS_LIMIT = 5000
NAMES_LIMIT = 100
NAME_LIMIT = 255

_SEQUENCE = 0x30
_SET = 0x31
_OCTET_STRING = 0x04
_UTC_TIME = 0x17
_GENERALIZED_TIME = 0x18
_VERSION = 0xA0
_EXTENSIONS = 0xA3
_DNS_NAME = 0x82
_IP_ADDRESS = 0x87
_LONG_FORM = 0x80
_LENGTH_BYTES_LIMIT = 4
_TBS_FIELDS = 6

_SUBJECT_ALT_NAME = bytes.fromhex("551d11")
_ATTRIBUTES = {
    bytes.fromhex("550403"): "CN",
    bytes.fromhex("55040a"): "O",
    bytes.fromhex("55040b"): "OU",
    bytes.fromhex("550406"): "C",
}
_ENCODINGS = {0x0C: "utf-8", 0x13: "ascii", 0x14: "latin-1", 0x16: "ascii", 0x1E: "utf-16-be"}


@dataclass(frozen=True, slots=True)
class _Element:
    """One tag-length-value element (X.690, section 8.1)."""

    tag: int
    content: bytes

    def children(self, tag: int | None = None) -> list[_Element]:
        if tag is not None and self.tag != tag:
            raise ValueError("not a certificate: a structure of another kind is in its place")
        found, rest = [], self.content
        while rest:
            element, rest = _first(rest)
            found.append(element)
            if len(found) > ELEMENTS_LIMIT:
                raise ValueError("not a certificate that can be read: too many parts")
        return found


def decode(der: bytes) -> Certificate:
    """Read a certificate (RFC 5280, section 4.1).

    At most 100 alternative names of 255 characters are kept.

    :raises ValueError: these bytes are no certificate.
    """
    certificate, _ = _first(der)
    parts = certificate.children(_SEQUENCE)
    fields = parts[0].children(_SEQUENCE) if parts else []
    if fields and fields[0].tag == _VERSION:
        fields = fields[1:]
    if len(fields) < _TBS_FIELDS:
        raise ValueError("not a certificate: fields are missing")
    _serial, _algorithm, issuer, validity, subject = fields[:5]
    times = validity.children(_SEQUENCE)
    if len(times) != len(("notBefore", "notAfter")):
        raise ValueError("not a certificate: no validity")
    return Certificate(
        common_name=_attributes(subject).get("CN", ""),
        names=_alternative_names(fields),
        issuer=", ".join(f"{key}={value}" for key, value in _attributes(issuer).items()),
        not_before=_time(times[0]),
        not_after=_time(times[1]),
        self_signed=issuer.content == subject.content,
    )


def _first(data: bytes) -> tuple[_Element, bytes]:
    if len(data) < len(("tag", "length")):
        raise ValueError("not a certificate: it ends too early")
    length, start = data[1], 2
    if length & _LONG_FORM:
        size = length & ~_LONG_FORM
        if not 0 < size <= _LENGTH_BYTES_LIMIT:
            raise ValueError("not a certificate: a length that DER does not allow")
        start += size
        length = int.from_bytes(data[2:start], "big")
    if start + length > len(data):
        raise ValueError("not a certificate: it ends too early")
    return _Element(data[0], data[start : start + length]), data[start + length :]


def _attributes(name: _Element) -> dict[str, str]:
    found: dict[str, str] = {}
    for relative in name.children(_SEQUENCE):
        for attribute in relative.children(_SET):
            pair = attribute.children(_SEQUENCE)
            key = _ATTRIBUTES.get(pair[0].content) if pair else None
            if key is not None and len(pair) > 1:
                found.setdefault(key, _text(pair[1]))
    return found


def _text(element: _Element) -> str:
    encoding = _ENCODINGS.get(element.tag, "latin-1")
    return element.content.decode(encoding, errors="replace")[:NAME_LIMIT]


def _time(element: _Element) -> datetime:
    digits = element.content.decode("ascii", errors="replace").removesuffix("Z")
    if element.tag == _UTC_TIME:
        century = "19" if digits[:2] >= "50" else "20"
        digits = century + digits
    elif element.tag != _GENERALIZED_TIME:
        raise ValueError("not a certificate: no time where one belongs")
    return datetime.strptime(digits, "%Y%m%d%H%M%S").replace(tzinfo=UTC)


def _alternative_names(fields: list[_Element]) -> tuple[str, ...]:
    wrappers = [field for field in fields if field.tag == _EXTENSIONS]
    extensions = [item for wrapper in wrappers for item in wrapper.children()]
    names: list[str] = []
    for extension in [item for outer in extensions for item in outer.children(_SEQUENCE)]:
        parts = extension.children(_SEQUENCE)
        if parts and parts[0].content == _SUBJECT_ALT_NAME and parts[-1].tag == _OCTET_STRING:
            general_names, _ = _first(parts[-1].content)
            names += [_general_name(item) for item in general_names.children(_SEQUENCE)]
    return tuple(name for name in names if name)[:NAMES_LIMIT]


def _general_name(element: _Element) -> str:
    if element.tag == _DNS_NAME:
        return element.content.decode("ascii", errors="replace")[:NAME_LIMIT]
    if element.tag == _IP_ADDRESS and len(element.content) in (4, 16):
        return str(ipaddress.ip_address(element.content))
    return ""
