"""Which names fit this host: those that its address leads to and that lead back to it. Pure."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from mailfix.facts import Facts, ReverseDns
from mailfix.model import Fact, Family, Known, Unknown

LIMIT = 64
"""Bytes of a host name in Linux (gethostname(2), HOST_NAME_MAX)."""

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})+")


@dataclass(frozen=True, slots=True)
class Fitting:
    """Names whose PTR and address records agree, for ``addresses``, from which mail leaves."""

    names: tuple[str, ...]
    addresses: tuple[str, ...]


def fitting(facts: Facts) -> Fact[Fitting]:
    """The names that fit every address from which mail leaves and that has one that fits.

    Unknown where DNS did not tell of one of them: a name that fits may be missing, or one too many.
    """
    confirmed: list[tuple[str, frozenset[str]]] = []
    for family in Family:
        reverse = facts.reverse_dns.of(family)
        if isinstance(reverse, Unknown):
            return reverse
        if reverse.value is None:
            continue
        names = _confirmed(reverse.value)
        if isinstance(names, Unknown):
            return names
        confirmed.append((reverse.value.address, names.value))
    return Known(_common(confirmed))


def _common(confirmed: list[tuple[str, frozenset[str]]]) -> Fitting:
    """Where no name fits all addresses, every one that fits any: the choice is not ours."""
    sets = [names for _, names in confirmed if names]
    common = frozenset.intersection(*sets) if sets else frozenset()
    chosen = common or frozenset().union(*sets)
    fits = tuple(address for address, names in confirmed if names & chosen)
    return Fitting(tuple(sorted(chosen)), fits or tuple(address for address, _ in confirmed))


def _confirmed(reverse: ReverseDns) -> Fact[frozenset[str]]:
    found = set()
    for each in reverse.names:
        if isinstance(each.leads_to, Unknown):
            return each.leads_to
        name = each.name.lower().rstrip(".")
        if is_host_name(name) and _holds(each.leads_to.value, reverse.address):
            found.add(name)
    return Known(frozenset(found))


def _holds(addresses: tuple[str, ...], address: str) -> bool:
    return ipaddress.ip_address(address) in (ipaddress.ip_address(each) for each in addresses)


def is_host_name(name: str) -> bool:
    """A full name that a host may have (RFC 1123 section 2.1), of a length that Linux takes."""
    return len(name) <= LIMIT and _NAME.fullmatch(name) is not None


def doubt(name: str, addresses: tuple[str, ...]) -> str:
    """Why a name that fits may still not be the one that is wanted; "" where nothing says so."""
    if name.count(".") == 1:
        return f"{name} is a bare domain, not a host within it"
    if any(_spells(name, address) for address in addresses):
        return f"{name} is made from the address: it looks like the provider's, not like yours"
    return ""


def _spells(name: str, address: str) -> bool:
    """Whether every part of the address stands in the name, in whatever order."""
    found = ipaddress.ip_address(address)
    other, parts = (
        (r"\D+", address.split("."))
        if found.version == 4
        else (r"[^0-9a-f]+", found.exploded.split(":"))
    )
    written = re.split(other, name)
    return all(part in written or (part.lstrip("0") or "0") in written for part in parts)
