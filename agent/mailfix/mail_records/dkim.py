"""The signature that the MTA puts on a domain's mail, and the key that DNS publishes (RFC 6376)."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass, field
from enum import StrEnum

from mailfix.mail_records.proposal import ProposedSet
from mailfix.mail_records.rsa_key import BadKey, read_public
from mailfix.model import Fact, Known, Unknown
from mailfix.record_set import Lookup, RecordSet

RSA, ED25519 = "rsa", "ed25519"
ED25519_BYTES = 32
ED25519_BITS = 256
LEAST_BITS = 1024
MAX_SHOWN = 200
MAX_EVIDENCE = 6
_TAG = re.compile(r"([A-Za-z][A-Za-z0-9_]*)[ \t\r\n]*=(.*)", re.DOTALL)
_VALUE = re.compile(r"[\x21-\x3a\x3c-\x7e \t\r\n]*")
_ANY_SPACE = re.compile(r"[ \t\r\n]+")
_OF_ANOTHER_KIND = re.compile(r"\s*v\s*=(?!\s*dkim)", re.IGNORECASE)
_KEY_LIKE = re.compile(r'^[\s"]*(?:v\s*=|k\s*=|MII)|(?:^|[;\s"])p\s*=', re.IGNORECASE)


class BadRecord(ValueError):
    """A text that is no usable key record; the message says why."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """The public half of a signing key; ``text`` is its value of the tag ``p=``.

    ``kind`` is "rsa" or "ed25519" as in the tag ``k=``. ``bits`` is the length of the modulus.
    """

    kind: str
    bits: int
    text: str

    @property
    def record(self) -> str:
        """The text of the key record that publishes it (RFC 6376 section 3.6.1)."""
        return f"v=DKIM1; k={self.kind}; p={self.text}"


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature: ``domain`` is its d=, ``selector`` its s=, ``identity`` its i= ("" if unset).

    ``file`` holds the private key, "" where the configuration itself holds it. ``trouble`` says
    why the MTA cannot sign with it, "" where it can.
    """

    domain: str
    selector: str
    key: Fact[PublicKey]
    file: str = ""
    trouble: str = ""
    identity: str = ""

    @property
    def name(self) -> str:
        """Where receivers look for the key."""
        return f"{self.selector}._domainkey.{self.domain}"


@dataclass(frozen=True, slots=True)
class Signing:
    """How the MTA signs mail of a domain.

    ``trouble`` says why the MTA cannot sign, "" where it can: where one of the signatures cannot
    be made, none is. With ``strict``, mail that cannot be signed is not sent; otherwise it leaves
    unsigned. Where the MTA is set to sign, but has no key for the domain, there are no signatures,
    and ``setting`` is what it looks for the key by.
    """

    signatures: tuple[Signature, ...]
    trouble: str = ""
    strict: bool = False
    setting: str = ""


class KeyFault(StrEnum):
    """What is wrong with a published key; ``UNSUITABLE`` is one that receivers may not use."""

    MISSING = "missing"
    DIFFERS = "differs"
    SEVERAL = "several"
    REVOKED = "revoked"
    INVALID = "invalid"
    UNSUITABLE = "unsuitable"


@dataclass(frozen=True, slots=True)
class KeyVerdict:
    """What receivers make of the key record of one selector.

    ``detail`` tells the fault in words. ``kind`` and ``bits`` are of the published key, "" and 0
    where none can be read. ``uncompared`` says why the key was not held against the private key,
    "" where it was. ``testing`` is the flag t=y.
    """

    fault: KeyFault | None = None
    detail: str = ""
    kind: str = ""
    bits: int = 0
    testing: bool = False
    uncompared: str = ""
    evidence: tuple[str, ...] = ()
    proposal: ProposedSet | None = None


@dataclass(frozen=True, slots=True)
class PublishedKey:
    """The key record that belongs to a signature."""

    signature: Signature
    verdict: Fact[KeyVerdict]


@dataclass(frozen=True, slots=True)
class PublishedKeys:
    """The key records of all signatures that a domain's mail carries."""

    keys: tuple[PublishedKey, ...] = ()

    @property
    def proposals(self) -> tuple[ProposedSet, ...]:
        """What should be published instead of what is there."""
        verdicts = [key.verdict.value for key in self.keys if isinstance(key.verdict, Known)]
        return tuple(verdict.proposal for verdict in verdicts if verdict.proposal)


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """A key record as its publisher wrote it (RFC 6376 section 3.6.1); ``key`` is empty if revoked.

    ``hashes`` and ``services`` are empty where all are meant.
    """

    kind: str
    key: bytes
    hashes: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    flags: tuple[str, ...] = field(default=())


async def examine(
    lookup: Lookup, domain: str, signing: Fact[Signing | None]
) -> Fact[PublishedKeys | None]:
    """Ask for the key record of each selector that is used; None where nothing is signed."""
    if isinstance(signing, Unknown):
        return signing
    if signing.value is None:
        return Known(None)
    keys = []
    for signature in signing.value.signatures:
        answer = await lookup.lookup(signature.name, "TXT")
        keys.append(PublishedKey(signature, _verdict(signature, answer)))
    return Known(PublishedKeys(tuple(keys)))


def _verdict(signature: Signature, answer: Fact[RecordSet]) -> Fact[KeyVerdict]:
    return answer if isinstance(answer, Unknown) else Known(judge(signature, answer.value))


def judge(signature: Signature, found: RecordSet) -> KeyVerdict:
    """Hold what DNS has at a selector against the signature, as receivers do."""
    texts = tuple(text for text in found.records if _is_meant_as_key(text))
    if not texts:
        nothing = "nothing is published there" if not found.records else "no DKIM key is among it"
        return _faulty(signature, found, (), KeyFault.MISSING, nothing)
    if len(texts) > 1:
        detail = f"{len(texts)} key records are published, and receivers take any of them"
        return _faulty(signature, found, texts, KeyFault.SEVERAL, detail)
    try:
        record = parse_record(texts[0])
        if not record.key:
            detail = "the key is revoked: its p= is empty"
            return _faulty(signature, found, texts, KeyFault.REVOKED, detail)
        key = public_key(record)
    except BadRecord as error:
        return _faulty(signature, found, texts, KeyFault.INVALID, str(error))
    return _judge_key(signature, found, texts, record, key)


def _is_meant_as_key(text: str) -> bool:
    """Leave out what a wildcard or a habit puts beside keys: SPF, DMARC, tokens of providers."""
    return not _OF_ANOTHER_KIND.match(text) and bool(_KEY_LIKE.search(text))


def _judge_key(
    signature: Signature,
    found: RecordSet,
    texts: tuple[str, ...],
    record: KeyRecord,
    key: PublicKey,
) -> KeyVerdict:
    own = signature.key
    if isinstance(own, Known) and own.value.text != key.text:
        detail = f"the published key ({key.kind}, {key.bits} bits) is another one"
        return _faulty(signature, found, texts, KeyFault.DIFFERS, detail, key)
    if unsuitable := _unsuitable(signature, record, key):
        return _faulty(signature, found, texts, KeyFault.UNSUITABLE, unsuitable, key)
    return KeyVerdict(
        kind=key.kind,
        bits=key.bits,
        testing="y" in record.flags,
        uncompared=own.reason if isinstance(own, Unknown) else "",
        proposal=_proposal(signature, found, texts) if "y" in record.flags else None,
    )


def _unsuitable(signature: Signature, record: KeyRecord, key: PublicKey) -> str:
    if record.hashes and "sha256" not in record.hashes:
        return f"it is for the hash {shown(':'.join(record.hashes))} alone (h=), not sha256"
    if record.services and not {"*", "email"} & set(record.services):
        return f"it is not for mail: s={shown(':'.join(record.services))}"
    if "s" in record.flags and not _is_at(signature.identity, signature.domain):
        return f"its t=s forbids the identity i={shown(signature.identity)}"
    if key.kind == RSA and key.bits < LEAST_BITS:
        return f"it has {key.bits} bits, and receivers take {LEAST_BITS} at least (RFC 8301)"
    return ""


def _is_at(identity: str, domain: str) -> bool:
    return not identity or identity.rpartition("@")[2].lower() == domain


def _faulty(
    signature: Signature,
    found: RecordSet,
    texts: tuple[str, ...],
    fault: KeyFault,
    detail: str,
    key: PublicKey | None = None,
) -> KeyVerdict:
    return KeyVerdict(
        fault,
        detail,
        kind=key.kind if key else "",
        bits=key.bits if key else 0,
        evidence=_evidence(signature, found),
        proposal=_proposal(signature, found, texts),
    )


def _proposal(signature: Signature, found: RecordSet, texts: tuple[str, ...]) -> ProposedSet | None:
    """Publish the key that signs, in the place of every other key."""
    if isinstance(signature.key, Unknown) or signature.trouble:
        return None
    record = signature.key.value.record
    others = tuple(text for text in texts if text != record)
    add = () if record in texts else (record,)
    return ProposedSet(found.owner or signature.name, "TXT", add, others)


def _evidence(signature: Signature, found: RecordSet) -> tuple[str, ...]:
    name = signature.name
    at = f"{name} (a CNAME to {found.owner})" if found.owner not in ("", name) else name
    if not found.exists:
        return (f"DNS: {at} does not exist",)
    if not found.records:
        return (f"DNS: no TXT record at {at}",)
    return tuple(f"DNS: {at} TXT {shown(text)}" for text in found.records[:MAX_EVIDENCE])


def shown(text: str) -> str:
    """Return a text from outside, cut to a length that can be read."""
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}... ({len(text)} characters)"


def parse_record(text: str) -> KeyRecord:
    """Read a key record (RFC 6376 section 3.6.1); raises :class:`BadRecord`."""
    if text.lstrip().startswith('"'):
        raise BadRecord("the text begins with a quotation mark that belongs to the zone file")
    if "\\" in text:
        raise BadRecord("a backslash of the zone file stands in the text")
    tags = _tags(text)
    if "v" in tags and next(iter(tags.items())) != ("v", "DKIM1"):
        raise BadRecord(f"it must begin with v=DKIM1, not with {shown(text[:40])}")
    if "p" not in tags:
        raise BadRecord("it has no key: the tag p= is missing")
    kind = tags.get("k", RSA).lower()
    if kind not in (RSA, ED25519):
        raise BadRecord(f"receivers do not know the key type k={shown(kind)}")
    try:
        key = base64.b64decode(_ANY_SPACE.sub("", tags["p"]), validate=True)
    except (binascii.Error, ValueError):
        raise BadRecord("its p= is not base64, or is cut off") from None
    lists = (_words(tags.get(name, "")) for name in ("h", "s", "t"))
    return KeyRecord(kind, key, *lists)


def _tags(text: str) -> dict[str, str]:
    """Read a tag list (RFC 6376 section 3.2)."""
    tags: dict[str, str] = {}
    for part in text.split(";"):
        stripped = part.strip(" \t\r\n")
        match = _TAG.fullmatch(stripped)
        if not stripped:
            continue
        if match is None:
            raise BadRecord(f"it is no list of tags: {shown(stripped[:60])}")
        name, value = match[1], match[2].strip(" \t\r\n")
        if name in tags:
            raise BadRecord(f"the tag {shown(name)}= stands in it twice")
        if not _VALUE.fullmatch(value):
            raise BadRecord(f"the tag {shown(name)}= holds a character that no tag may hold")
        tags[name] = value
    return tags


def _words(value: str) -> tuple[str, ...]:
    return tuple(word.strip().lower() for word in value.split(":") if word.strip())


def public_key(record: KeyRecord) -> PublicKey:
    """Return the key of a record, in the one form that can be compared; raises BadRecord."""
    if record.kind == ED25519:
        if len(record.key) != ED25519_BYTES:
            raise BadRecord(
                f"an ed25519 key has {ED25519_BYTES} bytes (RFC 8463), this one {len(record.key)}"
            )
        return PublicKey(ED25519, ED25519_BITS, base64.b64encode(record.key).decode())
    try:
        numbers = read_public(record.key)
    except BadKey as error:
        raise BadRecord(f"its p= holds no RSA key: {error}") from None
    return PublicKey(RSA, numbers.bits, base64.b64encode(numbers.spki()).decode())
