"""The public half of private keys on disk; the private half never leaves this module."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable
from dataclasses import dataclass

from mailfix.facts import MailUser
from mailfix.host import process
from mailfix.host.clock import Deadline
from mailfix.host.files import read_text
from mailfix.mail_records.dkim import ED25519, ED25519_BITS, RSA, PublicKey
from mailfix.mail_records.rsa_key import BadKey, is_ed25519, read_private
from mailfix.model import Fact, Known, Unknown

MAX_BYTES = 64 * 1024
MAX_PATHS = 4000
PATIENCE_S = 5.0
_PEM = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----\s+(.*?)-----END \1-----", re.DOTALL)


@dataclass(frozen=True, slots=True)
class KeyFile:
    """What a file holds; ``trouble`` says why nobody could sign with it, "" where one could."""

    key: Fact[PublicKey]
    trouble: str = ""


def read_key(path: str) -> KeyFile:
    """Return the public half of the private key in a PEM file (RFC 7468)."""
    text = read_text(path, MAX_BYTES)
    if isinstance(text, Unknown):
        return KeyFile(text)
    if text.value is None:
        return _useless("the file is missing")
    return key_of_text(text.value)


def read_keys(paths: Iterable[str]) -> dict[str, KeyFile]:
    """Read many key files, by their path."""
    return {path: read_key(path) for path in paths}


def key_of_text(text: str) -> KeyFile:
    """Return the public half of a private key in PEM."""
    try:
        return KeyFile(_public(text))
    except BadKey as error:
        return _useless(str(error))


def _useless(trouble: str) -> KeyFile:
    return KeyFile(Unknown(trouble), trouble)


def _public(text: str) -> Fact[PublicKey]:
    found = _PEM.search(text)
    if found is None:
        raise BadKey("it holds no private key in PEM form")
    if "ENCRYPTED" in found[1] or "Proc-Type" in found[2]:
        raise BadKey("its private key is encrypted, and the mail server has no pass phrase")
    if not found[1].endswith("PRIVATE KEY"):
        raise BadKey(f"it holds no private key, but a {found[1].lower()[:40]}")
    try:
        der = base64.b64decode("".join(found[2].split()), validate=True)
    except (binascii.Error, ValueError):
        raise BadKey("its private key is not base64") from None
    if is_ed25519(der):
        return _public_ed25519(found[0])
    numbers = read_private(der)
    return Known(PublicKey(RSA, numbers.bits, base64.b64encode(numbers.spki()).decode()))


def _public_ed25519(pem: str) -> Fact[PublicKey]:
    try:
        from cryptography.hazmat.primitives import serialization
    except ImportError:
        return Unknown("python3-cryptography, which reads ed25519 keys, is not installed")
    try:
        private = serialization.load_pem_private_key(pem.encode(), None)
    except (ValueError, TypeError):
        raise BadKey("its ed25519 key is damaged") from None
    raw = private.public_key().public_bytes(
        serialization.Encoding.Raw, serialization.PublicFormat.Raw
    )
    return Known(PublicKey(ED25519, ED25519_BITS, base64.b64encode(raw).decode()))


async def readable_by(
    user: MailUser, paths: Iterable[str], deadline: Deadline
) -> Fact[frozenset[str]]:
    """Return those of the paths that a user may read, without its supplementary groups.

    Exim drops those before it delivers (specification, transport option initgroups).
    """
    wanted = sorted(set(paths))
    readable: set[str] = set()
    for start in range(0, len(wanted), MAX_PATHS):
        become = (f"--reuid={user.uid}", f"--regid={user.gid}", "--clear-groups", "--")
        search = ("-maxdepth", "0", "-readable", "-print0")
        part = wanted[start : start + MAX_PATHS]
        done = await process.run(
            ("setpriv", *become, "find", "-H", *part, *search), deadline, PATIENCE_S
        )
        if isinstance(done, Unknown):
            return done
        if done.value.stderr.startswith("setpriv:"):
            return Unknown(f"who may read the keys: {done.value.complaint}")
        readable.update(done.value.stdout.split("\0"))
    return Known(frozenset(readable & set(wanted)))
