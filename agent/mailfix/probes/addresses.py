"""From which addresses this host's mail leaves, and their reverse DNS."""

from __future__ import annotations

import asyncio
import ipaddress
from dataclasses import replace

from mailfix.facts import HostAddress, Mta, Outgoing, PtrName, ReverseDns
from mailfix.host import Host
from mailfix.host.dns import reverse_name
from mailfix.mail_records.public_address import is_public
from mailfix.model import Fact, Family, Known, Unknown

MAX_PTR_NAMES = 10


def outgoing(
    family: Family,
    source: str | None,
    addresses: tuple[HostAddress, ...],
    configured: str | None,
) -> Outgoing | None:
    """Return from where mail leaves; None where the kernel has no route or no usable address."""
    if source is None or ipaddress.ip_address(source.partition("%")[0]).is_link_local:
        return None
    interface = next((each.interface for each in addresses if each.address == source), "")
    return Outgoing(source, interface, _public(family, source, configured))


def through(leaving: Outgoing | None, device: Fact[str | None]) -> Outgoing | None:
    """Return the same, with the interface of the default route where the kernel told one."""
    if leaving is None or isinstance(device, Unknown) or device.value is None:
        return leaving
    return replace(leaving, interface=device.value)


def _public(family: Family, source: str, configured: str | None) -> Fact[str]:
    if configured:
        return Known(configured)
    if is_public(source):
        return Known(source)
    return Unknown(
        f"the host sends from {source}, a private address; behind which address the Internet sees "
        f"it cannot be read here: set public_{family.value} in /etc/mailfix/mailfix.yml"
    )


def bound_source(mta: Mta | None, family: Family) -> Fact[str | None]:
    """Return the address to which the MTA binds its outgoing connections, if it does."""
    if mta is None:
        return Known(None)
    return mta.source_ipv4 if family is Family.IPV4 else mta.source_ipv6


async def reverse_dns(host: Host, leaving: Outgoing | None) -> Fact[ReverseDns | None]:
    """Return the PTR set of the outgoing public address, and where each name leads back."""
    if leaving is None:
        return Known(None)
    if isinstance(leaving.public, Unknown):
        return leaving.public
    address = leaving.public.value
    answer = await host.dns.lookup(reverse_name(address), "PTR")
    if isinstance(answer, Unknown):
        return answer
    names = answer.value.records[:MAX_PTR_NAMES]
    rdtype = "AAAA" if ":" in address else "A"
    forward = await asyncio.gather(*(host.dns.lookup(name, rdtype) for name in names))
    return Known(
        ReverseDns(
            address,
            tuple(
                PtrName(name, each if isinstance(each, Unknown) else Known(each.value.records))
                for name, each in zip(names, forward, strict=True)
            ),
        )
    )
