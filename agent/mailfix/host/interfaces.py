"""Interfaces, their addresses, and the source address that the kernel picks."""

from __future__ import annotations

import errno
import ipaddress
import socket

from mailfix.facts import HostAddress
from mailfix.model import Fact, Family, Known, Unknown

# Addresses of a root name server. Connecting a UDP socket asks the kernel for its route and sends
# nothing.
FAR_AWAY = {Family.IPV4: "198.41.0.4", Family.IPV6: "2001:503:ba3e::2:30"}
_NO_ROUTE = {
    *(errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL),
    *(errno.EACCES, errno.EINVAL),  # the routes "prohibit" and "blackhole", ip-route(8)
}


def addresses() -> Fact[tuple[HostAddress, ...]]:
    """Return the addresses of the interfaces that are up, loopback and link-local left out."""
    import psutil

    try:
        found, states = psutil.net_if_addrs(), psutil.net_if_stats()
    except OSError as error:
        return Unknown(f"the interfaces cannot be listed: {error.strerror}")
    return Known(
        tuple(
            HostAddress(name, family, entry.address)
            for name, entries in sorted(found.items())
            if name in states and states[name].isup
            for entry in entries
            if (family := _family(entry.family)) and _is_useful(entry.address)
        )
    )


def _family(number: int) -> Family | None:
    return {socket.AF_INET: Family.IPV4, socket.AF_INET6: Family.IPV6}.get(
        socket.AddressFamily(number)
    )


def _is_useful(address: str) -> bool:
    parsed = ipaddress.ip_address(address.partition("%")[0])
    return not (parsed.is_loopback or parsed.is_link_local)


def source_address(family: Family) -> Fact[str | None]:
    """Return the source address that the kernel picks towards the Internet; None: no route."""
    kind = socket.AF_INET if family is Family.IPV4 else socket.AF_INET6
    try:
        with socket.socket(kind, socket.SOCK_DGRAM) as probe:
            probe.connect((FAR_AWAY[family], 53))
            return Known(str(probe.getsockname()[0]))
    except OSError as error:
        if error.errno in _NO_ROUTE:
            return Known(None)
        return Unknown(f"the kernel does not tell its {family.label} route: {error.strerror}")
