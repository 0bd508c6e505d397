"""The host to look at: understand what was typed, and find its addresses."""

from __future__ import annotations

import asyncio
import ipaddress
import re

from mailfix.model import Family, Known, Refusal, Unknown
from mailfix.outside.model import FamilyAddresses, Target
from mailfix.record_set import Lookup

ADDRESSES_PER_FAMILY = 8
_LABEL = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)", re.ASCII)
_NAME_LIMIT = 253


class TargetError(Refusal):
    """What was typed is neither a host name nor an address; says why."""


def read_target(text: str) -> Target:
    """Understand a host name (Unicode names too), an address or an address in brackets.

    :raises TargetError: it is none of them.
    """
    typed = text.strip()
    inner = typed[1:-1] if typed.startswith("[") and typed.endswith("]") else typed
    literal = inner[5:] if inner.lower().startswith("ipv6:") else inner
    try:
        address = ipaddress.ip_address(literal)
    except ValueError:
        return Target(_host_name(typed), is_address=False)
    if getattr(address, "scope_id", None) is not None:
        raise TargetError(f"{literal!r} is valid on one link only: give an address without a zone")
    return Target(str(address), is_address=True)


def _host_name(typed: str) -> str:
    if "@" in typed:
        raise TargetError(f"{typed!r} is a mail address: give the name of its mail server")
    if not typed.isprintable() or any(mark in typed for mark in " /:[]\\\"'"):
        raise TargetError(f"{typed!r} is no host name: give a name or an address without a port")
    name = _ascii(typed).removesuffix(".")
    labels = name.split(".")
    if len(name) > _NAME_LIMIT or not all(_LABEL.fullmatch(label) for label in labels):
        raise TargetError(f"{typed!r} is no host name")
    if all(label.isdigit() for label in labels):
        raise TargetError(f"{typed!r} is no complete IPv4 address")
    return name.lower()


def _ascii(typed: str) -> str:
    if typed.isascii():
        return typed
    import dns.exception
    import dns.name

    try:
        return dns.name.from_text(typed).to_text()
    except (dns.exception.DNSException, UnicodeError) as error:
        raise TargetError(f"{typed!r} is no host name: {error}") from None


async def addresses_of(target: Target, dns: Lookup) -> tuple[FamilyAddresses, ...]:
    """The target's addresses, IPv4 and IPv6, at most eight of each; Unknown where DNS failed."""
    if target.is_address:
        family = Family.IPV4 if ipaddress.ip_address(target.host).version == 4 else Family.IPV6
        return (FamilyAddresses(family, Known((target.host,))),)
    return tuple(
        await asyncio.gather(
            _lookup(target.host, Family.IPV4, dns), _lookup(target.host, Family.IPV6, dns)
        )
    )


async def _lookup(host: str, family: Family, dns: Lookup) -> FamilyAddresses:
    answer = await dns.lookup(host, "A" if family is Family.IPV4 else "AAAA")
    if isinstance(answer, Unknown):
        return FamilyAddresses(family, answer)
    found = answer.value.records
    kept = found[:ADDRESSES_PER_FAMILY]
    return FamilyAddresses(family, Known(kept), left_out=len(found) - len(kept))
