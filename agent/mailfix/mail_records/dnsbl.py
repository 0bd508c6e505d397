"""Blocklists in DNS, and what they say of an address (RFC 5782)."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from enum import Enum

from mailfix.mail_records.clipping import clipped
from mailfix.model import Fact, Known, Unknown
from mailfix.record_set import Lookup

_ANSWERS = ipaddress.ip_network("127.0.0.0/8")
_REFUSALS = (ipaddress.ip_network("127.255.255.0/24"), ipaddress.ip_network("127.0.0.1/32"))
_LISTED_ENTRY = "127.0.0.2"
_FREE_ENTRY = {4: "127.0.0.1", 6: "::ffff:7f00:1"}
_OWN_RESOLVER = "let this host ask by a resolver of its own, such as unbound"
_WHY_REFUSED = {
    "127.255.255.252": "it does not know this name of a list: correct dnsbls in the configuration",
    "127.255.255.254": f"it does not answer public or unnamed resolvers: {_OWN_RESOLVER}",
    "127.255.255.255": f"the resolver that was used asks it too often: {_OWN_RESOLVER}",
}
_SPAMHAUS = "spamhaus.org"
_SPAMHAUS_CODES = {
    "127.0.0.2": "SBL: a source of spam",
    "127.0.0.3": "CSS: a source of low-reputation mail",
    "127.0.0.4": "XBL: a hijacked or infected host",
    "127.0.0.5": "XBL: a hijacked or infected host",
    "127.0.0.6": "XBL: a hijacked or infected host",
    "127.0.0.7": "XBL: a hijacked or infected host",
    "127.0.0.9": "DROP: a hijacked or rogue network",
    "127.0.0.10": "PBL: a range of end users, entered by its provider",
    "127.0.0.11": "PBL: a range of end users, entered by Spamhaus",
}


class _Answer(Enum):
    """What a list can say about one entry."""

    LISTED = "listed"
    REFUSED = "refused"
    STRANGE = "strange"


@dataclass(frozen=True, slots=True)
class Listing:
    """What the blocklist ``zone`` says of an address.

    ``codes`` are the A records of its answer, ``meaning`` what they stand for where that is known,
    ``text`` the reason that it gives (TXT), cut to 200 characters.
    """

    zone: str
    address: str
    listed: Fact[bool]
    codes: tuple[str, ...] = field(default=())
    meaning: str = ""
    text: str = ""


def entry(address: str, zone: str) -> str:
    """Return the name under which a list keeps an address (RFC 5782 sections 2.1 and 2.4).

    Raises :class:`ValueError` for what is no address.
    """
    pointer = ipaddress.ip_address(address).reverse_pointer
    return f"{pointer.removesuffix('.in-addr.arpa').removesuffix('.ip6.arpa')}.{zone}"


async def examine(lookup: Lookup, address: str, zone: str) -> Listing:
    """Ask one list for an address, and for its own test entries (RFC 5782 section 5).

    A list whose test entries are wrong is dead, takes everything for listed or does not answer
    this resolver: what it says is unknown then. For IPv6 the entry that must be listed is that of
    IPv4, which shows that the list lives, for many lists hold no IPv6 address at all.
    """
    version = ipaddress.ip_address(address).version
    found = await _ask(lookup, entry(address, zone))
    if isinstance(found, Unknown):
        return Listing(zone, address, found)
    doubt = _doubt(found.value) or await _test(lookup, zone, version)
    if doubt:
        return Listing(zone, address, Unknown(f"{zone}: {doubt}"))
    if not found.value:
        return Listing(zone, address, Known(False))
    text = await _reason(lookup, entry(address, zone))
    return Listing(zone, address, Known(True), found.value, _meaning(zone, found.value), text)


async def _ask(lookup: Lookup, name: str) -> Fact[tuple[str, ...]]:
    answer = await lookup.lookup(name, "A")
    return answer if isinstance(answer, Unknown) else Known(answer.value.records)


async def _test(lookup: Lookup, zone: str, version: int) -> str:
    """Say why the list cannot be believed, "" where it can."""
    listed = await _ask(lookup, entry(_LISTED_ENTRY, zone))
    free = await _ask(lookup, entry(_FREE_ENTRY[version], zone))
    for answer in (listed, free):
        if isinstance(answer, Unknown):
            return answer.reason
        if doubt := _doubt(answer.value):
            return doubt
    if isinstance(listed, Known) and not listed.value:
        return "its own test entry is not listed: it is dead, or does not answer this resolver"
    if isinstance(free, Known) and free.value:
        return "it lists everything: it is dead"
    return ""


def _doubt(codes: tuple[str, ...]) -> str:
    kinds = {_kind(code): code for code in codes}
    if _Answer.REFUSED in kinds:
        code = kinds[_Answer.REFUSED]
        return _WHY_REFUSED.get(code, f"it refuses to answer this resolver ({code})")
    if _Answer.STRANGE in kinds:
        return f"it answers with {kinds[_Answer.STRANGE]}, as no blocklist does: it is dead"
    return ""


def _kind(code: str) -> _Answer:
    try:
        parsed = ipaddress.ip_address(code)
    except ValueError:
        return _Answer.STRANGE
    if any(parsed in network for network in _REFUSALS):
        return _Answer.REFUSED
    return _Answer.LISTED if parsed in _ANSWERS else _Answer.STRANGE


def _meaning(zone: str, codes: tuple[str, ...]) -> str:
    if zone != _SPAMHAUS and not zone.endswith((f".{_SPAMHAUS}", ".dq.spamhaus.net")):
        return ""
    told = (_SPAMHAUS_CODES[code] for code in codes if code in _SPAMHAUS_CODES)
    return ", ".join(dict.fromkeys(told))


async def _reason(lookup: Lookup, name: str) -> str:
    answer = await lookup.lookup(name, "TXT")
    if isinstance(answer, Unknown) or not answer.value.records:
        return ""
    return clipped(answer.value.records[0])
