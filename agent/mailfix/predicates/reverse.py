"""Checks of the PTR set of the outgoing address, and of the HELO name against it."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from mailfix.facts import Mta, NameRecords, Outgoing, PtrName, ReverseDns
from mailfix.mail_records.proposal import ProposedSet
from mailfix.model import Family, Known, Unknown
from mailfix.predicates.answer import Answer, failed, passed, unknown

PROVIDER_NAMES = re.compile(
    r"(\.compute(-\d+)?\.amazonaws\.com|\.bc\.googleusercontent\.com|\.cloudapp\.azure\.com"
    r"|\.your-server\.de|\.contaboserver\.net|\.hstgr\.cloud|\.vps\.ovh\.(net|ca)|\.ip-\d+-\d+-\d+\.(eu|net)"
    r"|\.vultrusercontent\.com|\.linodeusercontent\.com|\.members\.linode\.com|\.scw\.cloud"
    r"|\.poneytelecom\.eu|\.kimsufi\.com|\.fvds\.ru|\.twc1\.net|\.regruhosting\.ru"
    r"|\.secureserver\.net|\.stratoserver\.net|\.online-server\.cloud|\.ionos\.\w+)$"
)
SHORT_HELO_ADVICE = (
    "Give the mail server a full name, with its domain, that leads to {address} (exim: "
    "primary_hostname, or the host name itself; postfix: myhostname)."
)
POOL_WORDS = re.compile(
    r"(^|[.\d_-])(dyn|dynamic|dsl|adsl|vdsl|dhcp|pool|ppp|pppoe|dialup|cable|broadband|static|"
    r"customers?|clients?|cust|unassigned|unused|reverse|rev|host|ip|vps|cloud)([.\d_-]|$)"
)


def _sends(mta: Mta | None, family: Family) -> bool:
    if mta is None or not mta.sends_directly:
        return False
    return family is Family.IPV4 or mta.speaks_ipv6


def _subject(family: Family, reverse_dns: ReverseDns) -> dict[str, str | int]:
    return {"family": family.value, "address": reverse_dns.address}


def _names(reverse_dns: ReverseDns) -> str:
    return ", ".join(name.name for name in reverse_dns.names)


def _words(reverse_dns: ReverseDns, record: str) -> dict[str, str | int]:
    return {"address": reverse_dns.address, "names": _names(reverse_dns), "record": record}


def _full_helo(mta: Mta) -> str:
    """The name of HELO where it is known and has a domain, else ""."""
    return mta.helo.value if isinstance(mta.helo, Known) and "." in mta.helo.value else ""


def _pointer(mta: Mta, reverse_dns: ReverseDns) -> str:
    """The PTR record that the address should have, as a line of a zone file."""
    helo = _full_helo(mta)
    if not helo:
        return "  a PTR record with the full name of the mail server"
    pointer = ipaddress.ip_address(reverse_dns.address).reverse_pointer
    return _line(ProposedSet(pointer, "PTR", (helo,)))


def _leading_back(mta: Mta, reverse_dns: ReverseDns) -> str:
    """What makes the PTR set lead back: the address of a name of it, or the name of HELO in it."""
    names, helo = [each.name for each in reverse_dns.names], _full_helo(mta)
    if helo and helo not in names:
        return _pointer(mta, reverse_dns)
    rdtype = "A" if ipaddress.ip_address(reverse_dns.address).version == 4 else "AAAA"
    return _line(ProposedSet(helo or names[0], rdtype, (reverse_dns.address,)))


def _line(proposed: ProposedSet) -> str:
    return "\n".join(f"  zone file: {line}" for line in proposed.zone_lines())


def present(mta: Mta | None, reverse_dns: ReverseDns | None, family: Family) -> Iterator[Answer]:
    """The outgoing address has a PTR record."""
    if mta is None or reverse_dns is None or not _sends(mta, family):
        return
    words = _words(reverse_dns, _pointer(mta, reverse_dns))
    pointer = ipaddress.ip_address(reverse_dns.address).reverse_pointer
    if reverse_dns.names:
        yield passed(_subject(family, reverse_dns), words)
    else:
        evidence = (f"DNS: no PTR at {pointer}",)
        fixable = mta.server == "exim"
        yield failed(_subject(family, reverse_dns), words, evidence, fixable=fixable)


def confirmed(mta: Mta | None, reverse_dns: ReverseDns | None, family: Family) -> Iterator[Answer]:
    """One of the PTR names leads back to the address (forward-confirmed, RFC 8601 3)."""
    if mta is None or reverse_dns is None or not reverse_dns.names or not _sends(mta, family):
        return
    subject = _subject(family, reverse_dns)
    words = _words(reverse_dns, _leading_back(mta, reverse_dns))
    leads = [name.leads_to for name in reverse_dns.names]
    unread = [fact.reason for fact in leads if isinstance(fact, Unknown)]
    if any(_includes(fact.value, reverse_dns.address) for fact in leads if isinstance(fact, Known)):
        yield passed(subject, words)
    elif unread:
        yield unknown(subject, unread[0])
    else:
        yield failed(subject, words, _leads(reverse_dns), fixable=mta.server == "exim")


def _includes(addresses: tuple[str, ...], address: str) -> bool:
    return ipaddress.ip_address(address) in (ipaddress.ip_address(each) for each in addresses)


def _leads(reverse_dns: ReverseDns) -> tuple[str, ...]:
    return tuple(
        f"{name.name} leads to {', '.join(name.leads_to.value) or 'no address'}"
        for name in reverse_dns.names
        if isinstance(name.leads_to, Known)
    )


def matches_helo(
    mta: Mta | None, reverse_dns: ReverseDns | None, family: Family
) -> Iterator[Answer]:
    """The name in HELO is one of the PTR set.

    Silent where another rule names the cause: a HELO that is no full name, a PTR set that does not
    lead back or that the provider made.
    """
    if mta is None or reverse_dns is None or not _sends(mta, family):
        return
    if all(_is_told_elsewhere(name, reverse_dns.address) for name in reverse_dns.names):
        return
    subject = _subject(family, reverse_dns)
    match mta.helo:
        case Unknown(reason):
            yield unknown(subject, reason)
        case Known(helo) if "." in helo:
            words = _words(reverse_dns, _pointer(mta, reverse_dns)) | {"helo": helo}
            same = helo in {name.name for name in reverse_dns.names}
            yield passed(subject, words) if same else failed(subject, words)


def _is_told_elsewhere(name: PtrName, address: str) -> bool:
    astray = isinstance(name.leads_to, Known) and not _includes(name.leads_to.value, address)
    return astray or is_generic(name.name, address)


def not_generic(
    mta: Mta | None, reverse_dns: ReverseDns | None, family: Family
) -> Iterator[Answer]:
    """The PTR set holds a name that a person chose, not one that a provider hands out."""
    if mta is None or reverse_dns is None or not reverse_dns.names or not _sends(mta, family):
        return
    words = _words(reverse_dns, _pointer(mta, reverse_dns))
    generic = all(is_generic(name.name, reverse_dns.address) for name in reverse_dns.names)
    answer = failed if generic else passed
    yield answer(_subject(family, reverse_dns), words)


def is_generic(name: str, address: str) -> bool:
    """Tell whether a host name is made from its address, or is of a provider's making."""
    if PROVIDER_NAMES.search(name):
        return True
    parsed = ipaddress.ip_address(address)
    if isinstance(parsed, ipaddress.IPv6Address):
        return _spells_ipv6(name, parsed)
    octets = [str(octet) for octet in parsed.packed]
    numbers = [number.lstrip("0") or "0" for number in re.findall(r"\d+", name)]
    if _runs_through(numbers, octets) or parsed.packed.hex() in name:
        return True
    if "".join(octet.zfill(3) for octet in octets) in name:
        return True
    return bool(POOL_WORDS.search(name)) and _runs_through(numbers, octets[2:])


def _runs_through(numbers: list[str], octets: list[str]) -> bool:
    """Tell whether the octets stand in a row among the numbers, in either direction."""
    width = len(octets)
    rows = [numbers[start : start + width] for start in range(len(numbers) - width + 1)]
    return octets in rows or octets[::-1] in rows


def _spells_ipv6(name: str, address: ipaddress.IPv6Address) -> bool:
    digits = address.packed.hex()
    written = "".join(re.findall(r"[0-9a-f]", re.sub(r"[.:-]", "", name)))
    halves = (digits, digits[::-1], digits[16:])
    compressed = address.compressed.replace(":", "-")
    return any(half in written for half in halves) or compressed in name


def helo_leads_back(
    mta: Mta | None, helo_records: NameRecords | None, outgoing: Outgoing | None, family: Family
) -> Iterator[Answer]:
    """The name in HELO is fully qualified and leads to the outgoing address (RFC 5321 4.1.4).

    A name without any address is told once, for IPv4.
    """
    if mta is None or helo_records is None or outgoing is None or not _sends(mta, family):
        return
    helo = helo_records.name
    if family is Family.IPV6 and helo_records.ipv4 == helo_records.ipv6 == Known(()):
        return
    subject = {"family": family.value}
    found = helo_records.addresses(family)
    if isinstance(outgoing.public, Unknown):
        yield unknown(subject, outgoing.public.reason)
    elif isinstance(found, Unknown):
        yield unknown(subject, found.reason)
    else:
        address = outgoing.public.value
        shown = ", ".join(found.value) or "no address"
        words = {"helo": helo, "address": address, "found": shown, "family": family.label}
        if "." not in helo:
            yield failed(subject, words, advice=SHORT_HELO_ADVICE)
        elif _includes(found.value, address):
            yield passed(subject, words)
        else:
            yield failed(subject, words)
