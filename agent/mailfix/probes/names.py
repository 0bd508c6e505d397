"""The host's name in the places where it is kept, and what DNS makes of a name."""

from __future__ import annotations

import asyncio
import ipaddress

from mailfix.facts import HostNames, NameRecords
from mailfix.host import Host
from mailfix.model import Fact, Known, Unknown
from mailfix.record_set import RecordSet

HOSTNAME_FILE = "/etc/hostname"
HOSTS_FILE = "/etc/hosts"
MAILNAME_FILE = "/etc/mailname"


def read(host: Host) -> Fact[HostNames]:
    """Return the host name as kernel, hostname(5), hosts(5) and mailname(5) have it."""
    hosts = host.read(HOSTS_FILE)
    return Known(
        HostNames(
            kernel=host.kernel_name(),
            hostname_file=_first_word(host.read(HOSTNAME_FILE)),
            hosts_file=hosts
            if isinstance(hosts, Unknown)
            else Known(parse_hosts(hosts.value or "")),
            mailname=_first_word(host.read(MAILNAME_FILE)),
        )
    )


def _first_word(text: Fact[str | None]) -> Fact[str | None]:
    return text if isinstance(text, Unknown) else Known(parse_name_file(text.value or ""))


def parse_name_file(text: str) -> str | None:
    """Read hostname(5) or mailname(5): the first word of the first line that is no comment."""
    for line in text.splitlines():
        words = line.partition("#")[0].split()
        if words:
            return words[0]
    return None


def parse_hosts(text: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Read hosts(5): pairs of an address and its names, the canonical name first."""
    entries = []
    for line in text.splitlines():
        words = line.partition("#")[0].split()
        if len(words) > 1 and _is_address(words[0]):
            entries.append((words[0], tuple(words[1:])))
    return tuple(entries)


def _is_address(word: str) -> bool:
    try:
        ipaddress.ip_address(word)
    except ValueError:
        return False
    return True


async def fqdn(host: Host, names: HostNames) -> Fact[str | None]:
    """Return the fully qualified name as programs of this host see it (hostname(1), --fqdn).

    Known(None) where the host has only a short name.
    """
    if "." in names.kernel.strip("."):
        return Known(names.kernel.lower().rstrip("."))
    told = await host.run("hostname", "--fqdn", timeout_s=4.0)
    if isinstance(told, Unknown):
        return told
    name = told.value.stdout.strip().lower().rstrip(".")
    if told.value.code == 0 and name:
        return Known(name if "." in name else None)
    if "not known" in told.value.stderr or "not known" in told.value.stdout:
        return Known(None)
    return Unknown(f"hostname --fqdn: {told.value.complaint}")


async def records(host: Host, name: str) -> Fact[NameRecords | None]:
    """Ask DNS for a host name's addresses, and whether it is a zone or mail domain of its own."""
    ipv4, ipv6, soa, mx = await asyncio.gather(
        *(host.dns.lookup(name, rdtype) for rdtype in ("A", "AAAA", "SOA", "MX"))
    )
    known = [answer for answer in (ipv4, ipv6, soa, mx) if isinstance(answer, Known)]
    if not known:
        return ipv4 if isinstance(ipv4, Unknown) else Unknown("DNS gave no answer")
    return Known(
        NameRecords(
            name=name,
            exists=any(answer.value.exists for answer in known),
            ipv4=_addresses(ipv4),
            ipv6=_addresses(ipv6),
            zone_apex=_any(soa),
            has_mx=_any(mx),
        )
    )


def _addresses(answer: Fact[RecordSet]) -> Fact[tuple[str, ...]]:
    return answer if isinstance(answer, Unknown) else Known(answer.value.records)


def _any(answer: Fact[RecordSet]) -> Fact[bool]:
    return answer if isinstance(answer, Unknown) else Known(bool(answer.value.records))
