"""RSA keys in DER, as far as DKIM needs them: modulus and exponent, nothing else.

A library checks a private key before it tells the public half, which takes 60 ms a key; a host of
10,000 domains has 10,000 keys.
"""

from __future__ import annotations

from dataclasses import dataclass

INTEGER, BIT_STRING, OCTET_STRING, SEQUENCE = 0x02, 0x03, 0x04, 0x30
RSA_ENCRYPTION = bytes.fromhex("06092a864886f70d010101")
ED25519 = bytes.fromhex("06032b6570")
NULL = b"\x05\x00"
MAX_ITEMS = 3
MAX_BITS = 16384


class BadKey(ValueError):
    """The bytes are no key that DKIM can use; the text says what they are instead."""


@dataclass(frozen=True, slots=True)
class RsaNumbers:
    """The public half of an RSA key (RFC 8017 section 3.1)."""

    modulus: int
    exponent: int

    @property
    def bits(self) -> int:
        return self.modulus.bit_length()

    def spki(self) -> bytes:
        """Return the key as a SubjectPublicKeyInfo (RFC 5280 section 4.1), as DKIM publishes it."""
        pair = _written(SEQUENCE, _number(self.modulus) + _number(self.exponent))
        algorithm = _written(SEQUENCE, RSA_ENCRYPTION + NULL)
        return _written(SEQUENCE, algorithm + _written(BIT_STRING, b"\x00" + pair))


def read_public(der: bytes) -> RsaNumbers:
    """Read a SubjectPublicKeyInfo, or the bare RSAPublicKey that some publish (RFC 8017 A.1.1).

    Raises :class:`BadKey`.
    """
    items = _items(der)
    if [tag for tag, _ in items] == [SEQUENCE, BIT_STRING]:
        _require_rsa(items[0][1])
        items = _items(items[1][1][1:])
    if [tag for tag, _ in items] != [INTEGER, INTEGER]:
        raise BadKey("not an RSA public key")
    return _numbers(items[0][1], items[1][1])


def read_private(der: bytes) -> RsaNumbers:
    """Return the public half of an RSAPrivateKey (RFC 8017 A.1.2), bare or in PKCS #8 (RFC 5958).

    Raises :class:`BadKey`.
    """
    items = _items(der)
    if [tag for tag, _ in items] == [INTEGER, SEQUENCE, OCTET_STRING]:
        _require_rsa(items[1][1])
        items = _items(items[2][1])
    if [tag for tag, _ in items] != [INTEGER, INTEGER, INTEGER]:
        raise BadKey("not an RSA private key")
    return _numbers(items[1][1], items[2][1])


def is_ed25519(der: bytes) -> bool:
    """Tell whether a PKCS #8 key is one for Ed25519 (RFC 8410 section 7). Raises BadKey."""
    items = _items(der)
    tags = [tag for tag, _ in items]
    return tags == [INTEGER, SEQUENCE, OCTET_STRING] and items[1][1].startswith(ED25519)


def _require_rsa(algorithm: bytes) -> None:
    if not algorithm.startswith(RSA_ENCRYPTION):
        raise BadKey("not an RSA key")


def _numbers(modulus: bytes, exponent: bytes) -> RsaNumbers:
    found = RsaNumbers(int.from_bytes(modulus), int.from_bytes(exponent))
    if not 0 < found.bits <= MAX_BITS or found.exponent < 3:
        raise BadKey("an RSA key with impossible numbers")
    return found


def _items(der: bytes) -> list[tuple[int, bytes]]:
    """Return tag and content of the first items of the SEQUENCE that the bytes are (X.690, 8)."""
    tag, content, end = _element(der, 0)
    if tag != SEQUENCE or end != len(der):
        raise BadKey("not DER, or cut off")
    items: list[tuple[int, bytes]] = []
    at = 0
    while at < len(content) and len(items) < MAX_ITEMS:
        tag, inner, at = _element(content, at)
        items.append((tag, inner))
    return items


def _element(data: bytes, at: int) -> tuple[int, bytes, int]:
    if at + 2 > len(data):
        raise BadKey("not DER, or cut off")
    tag, length, start = data[at], data[at + 1], at + 2
    if length > 0x80:
        width = length & 0x7F
        length, start = int.from_bytes(data[start : start + width]), start + width
    end = start + length
    if end > len(data):
        raise BadKey("cut off")
    return tag, data[start:end], end


def _number(value: int) -> bytes:
    return _written(INTEGER, value.to_bytes(value.bit_length() // 8 + 1))


def _written(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    width = (size.bit_length() + 7) // 8
    return bytes([tag, 0x80 | width]) + size.to_bytes(width) + content
