"""TLSA records of a mail server, held against the certificate that it shows (RFC 7672)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

TRUST_ANCHOR, END_ENTITY = 2, 3
MAX_BYTES = 65536
_WHOLE, _PUBLIC_KEY = 0, 1
_SEQUENCE = 0x30
_VERSION = 0xA0
_KEY_PLACE = 5
_HASHES: dict[int, Callable[[bytes], bytes]] = {
    0: lambda content: content,
    1: lambda content: hashlib.sha256(content).digest(),
    2: lambda content: hashlib.sha512(content).digest(),
}


@dataclass(frozen=True, slots=True)
class Association:
    """A TLSA record (RFC 6698 section 2.1): what it is about, which part of it, and how told."""

    usage: int
    selector: int
    matching: int
    content: bytes

    @property
    def usable(self) -> bool:
        """Senders of mail take the usages 2 and 3 alone (RFC 7672 section 3.1)."""
        known = self.selector in (_WHOLE, _PUBLIC_KEY) and self.matching in _HASHES
        return known and self.usage in (TRUST_ANCHOR, END_ENTITY)

    def matches(self, certificate: bytes) -> bool:
        """Tell whether it is this certificate (DER) that is meant; raises :class:`ValueError`."""
        part = public_key_of(certificate) if self.selector == _PUBLIC_KEY else certificate
        return _HASHES[self.matching](part) == self.content


def parse_record(record: str) -> Association:
    """Read a TLSA record in presentation form; raises :class:`ValueError`."""
    words = record.split()
    if len(words) < len(("usage", "selector", "matching", "content")):
        raise ValueError("a TLSA record has four parts")
    usage, selector, matching = (int(word) for word in words[:3])
    return Association(usage, selector, matching, bytes.fromhex("".join(words[3:])))


def record_of(certificate: bytes) -> str:
    """Return the record that survives a renewal with the same key: DANE-EE, key, SHA-256.

    Raises :class:`ValueError` for what is no certificate.
    """
    digest = hashlib.sha256(public_key_of(certificate)).hexdigest()
    return f"{END_ENTITY} {_PUBLIC_KEY} 1 {digest}"


def public_key_of(certificate: bytes) -> bytes:
    """Return the SubjectPublicKeyInfo of a certificate, both in DER (RFC 5280 section 4.1).

    Raises :class:`ValueError` for what is no certificate.
    """
    if len(certificate) > MAX_BYTES:
        raise ValueError("not a certificate: too long")
    (outer,) = (content for _, content, _ in _elements(certificate[:MAX_BYTES]))
    signed = next((content for tag, content, _ in _elements(outer) if tag == _SEQUENCE), b"")
    fields = [(tag, whole) for tag, _, whole in _elements(signed)]
    if fields and fields[0][0] == _VERSION:
        fields = fields[1:]
    if len(fields) <= _KEY_PLACE or fields[_KEY_PLACE][0] != _SEQUENCE:
        raise ValueError("not a certificate: it holds no public key")
    return fields[_KEY_PLACE][1]


def _elements(data: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Split DER into its elements (X.690 section 8.1): tag, content, and the whole of it."""
    at = 0
    while at < len(data):
        header = data[at : at + 6]
        if len(header) < len(("tag", "length")):
            raise ValueError("not a certificate: it ends too early")
        length, start = header[1], 2
        if length & 0x80:
            start += length & 0x7F
            length = int.from_bytes(header[2:start], "big")
        end = at + start + length
        if start > len(header) or end > len(data):
            raise ValueError("not a certificate: it ends too early")
        yield header[0], data[at + start : end], data[at:end]
        at = end
