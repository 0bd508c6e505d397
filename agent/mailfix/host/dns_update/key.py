"""The file that holds a TSIG key, as tsig-keygen(8) writes it and named.conf(5) includes it."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from mailfix.host.dns_update.trouble import Refused
from mailfix.host.secret_file import NotSecret, read_secret

ALGORITHMS = frozenset(
    {
        *("hmac-sha1", "hmac-sha224", "hmac-sha256", "hmac-sha384", "hmac-sha512"),
        *("hmac-sha256-128", "hmac-sha384-192", "hmac-sha512-256"),
    }
)
"""Of RFC 8945 section 6, without those that must not be used."""

_NAME = re.compile(r"(?=.{1,253}\.?$)[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*\.?")
_BLANK = re.compile(r"\s+|//[^\n]*|#[^\n]*|/\*.*?\*/", re.DOTALL)
_TOKEN = re.compile(r'"([^"\n]*)"|([{};])|([^\s"{};]+)')


@dataclass(frozen=True, slots=True)
class TsigKey:
    """A key that the server knows, too; ``secret`` is in base64 and never shown."""

    name: str
    algorithm: str
    secret: str = field(repr=False)


def read_key(path: str) -> TsigKey:
    """The key in a file that belongs to root and that nobody else can read.

    Raises:
        Refused: it is open to others, missing, or holds something else.
    """
    try:
        text = read_secret(path, "the key")
    except NotSecret as error:
        raise Refused(str(error)) from None
    return parse_key(text, f"the key {path}")


def parse_key(text: str, where: str) -> TsigKey:
    """Read ``key NAME { algorithm ALGORITHM; secret BASE64; };``, with BIND's comments.

    Raises :class:`Refused`; what the file holds is never told.
    """
    words = list(_words(text, where))
    if not (len(words) > 4 and words[0] == "key" and words[2] == "{" and "}" in words):
        raise Refused(f"{where} does not hold what tsig-keygen writes: key NAME {{ … }};")
    end = words.index("}")
    if words[end + 1 :] not in ([], [";"]):
        raise Refused(f"{where} holds more than one key")
    options = _options(words[3:end], where)
    return TsigKey(
        name=_name(words[1], where),
        algorithm=_algorithm(options.get("algorithm", ""), where),
        secret=_secret(options.get("secret", ""), where),
    )


def _words(text: str, where: str) -> Iterator[str]:
    at = 0
    while at < len(text):
        if blank := _BLANK.match(text, at):
            at = blank.end()
        elif token := _TOKEN.match(text, at):
            at = token.end()
            yield next(each for each in token.groups() if each is not None)
        else:
            raise Refused(f"{where} has a quotation mark too few")


def _options(words: Sequence[str], where: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for at in range(0, len(words), 3):
        name, value, end = (*words[at : at + 3], "", "", "")[:3]
        if end != ";" or name not in ("algorithm", "secret") or name in found:
            raise Refused(f"{where} does not hold one algorithm and one secret")
        found[name] = value
    return found


def _name(word: str, where: str) -> str:
    if not _NAME.fullmatch(word):
        raise Refused(f"{where} has a name that no key can have")
    return word.removesuffix(".").lower()


def _algorithm(word: str, where: str) -> str:
    known = word.removesuffix(".").lower()
    if known not in ALGORITHMS:
        raise Refused(f"{where} is of no algorithm that is in use, such as hmac-sha256")
    return known


def _secret(word: str, where: str) -> str:
    try:
        decoded = base64.b64decode(word, validate=True)
    except (binascii.Error, ValueError):
        decoded = b""
    if not decoded:
        raise Refused(f"{where} has no secret in base64")
    return word
