"""Who listens, over which families, reachable from where; the owner only on the mail ports."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection

from mailfix.facts import MAIL_PORTS, Listener, Reach
from mailfix.host import Host, sockets
from mailfix.host.sockets import ListeningSocket
from mailfix.model import Fact, Family, Known, Unknown

_V6ONLY_LINE = re.compile(r"\[::\]:(\d{1,5})\s.*\bv6only:1\b")
BINDV6ONLY = "/proc/sys/net/ipv6/bindv6only"


async def read(host: Host) -> Fact[tuple[Listener, ...]]:
    """Return the listeners on all TCP ports."""
    found = sockets.listening()
    if isinstance(found, Unknown):
        return found
    v6only = await _v6only_ports(host, found.value)
    return Known(tuple(sorted(_distinct(found.value, v6only), key=_order)))


async def _v6only_ports(host: Host, found: tuple[ListeningSocket, ...]) -> Collection[int]:
    doubtful = {socket.port for socket in found if socket.address == "::"}
    if not doubtful:
        return ()
    told = await host.run("ss", "-Hltne")
    if isinstance(told, Known) and told.value.code == 0:
        return parse_v6only(told.value.stdout)
    paired = {socket.port for socket in found if socket.address == "0.0.0.0"}
    default = host.read(BINDV6ONLY)
    always = isinstance(default, Known) and (default.value or "").strip() == "1"
    return doubtful if always else paired


def parse_v6only(text: str) -> frozenset[int]:
    """Read the ports of ``[::]`` sockets that refuse IPv4 from ``ss -Hltne`` (ss(8))."""
    return frozenset(int(port) for port in _V6ONLY_LINE.findall(text))


def _distinct(found: tuple[ListeningSocket, ...], v6only: Collection[int]) -> set[Listener]:
    owners = {socket.pid: _owner(socket.pid) for socket in found if socket.port in MAIL_PORTS}
    return {
        _listener(socket, v6only, owners[socket.pid] if socket.port in MAIL_PORTS else None)
        for socket in found
    }


def _owner(pid: int | None) -> sockets.Process | None:
    return sockets.process(pid) if pid else None


def _listener(
    socket: ListeningSocket, v6only: Collection[int], owner: sockets.Process | None
) -> Listener:
    return Listener(
        port=socket.port,
        address=socket.address,
        families=families(socket.address, socket.port in v6only),
        reach=reach(socket.address),
        pid=owner.pid if owner else None,
        process=owner.name if owner else None,
        user=owner.user if owner else None,
        unit=owner.unit if owner else None,
    )


def families(address: str, v6only: bool) -> tuple[Family, ...]:
    """Return the families that a socket bound to ``address`` accepts (ipv6(7), IPV6_V6ONLY)."""
    parsed = ipaddress.ip_address(address)
    if isinstance(parsed, ipaddress.IPv4Address) or parsed.ipv4_mapped:
        return (Family.IPV4,)
    if parsed.is_unspecified and not v6only:
        return (Family.IPV4, Family.IPV6)
    return (Family.IPV6,)


def reach(address: str) -> Reach:
    """Tell a loopback listener from one that the network can reach."""
    parsed = ipaddress.ip_address(address)
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return Reach.LOOPBACK if (mapped or parsed).is_loopback else Reach.NETWORK


def on_mail_ports(found: Fact[tuple[Listener, ...]]) -> Fact[tuple[Listener, ...]]:
    """Return the listeners that may be mail's."""
    if isinstance(found, Unknown):
        return found
    return Known(tuple(each for each in found.value if each.port in MAIL_PORTS))


def _order(listener: Listener) -> tuple[int, str, int]:
    return listener.port, listener.address, listener.pid or 0
