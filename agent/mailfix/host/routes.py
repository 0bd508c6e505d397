"""The kernel's default routes, as /proc/net tells them (proc_pid_net(5))."""

from __future__ import annotations

import ipaddress
import sys

from mailfix.host.files import read_text
from mailfix.model import Fact, Family, Known, Unknown

TABLES = {Family.IPV4: "/proc/net/route", Family.IPV6: "/proc/net/ipv6_route"}
RTF_UP, RTF_REJECT = 0x1, 0x200
NO_INTERFACE = "*"


def has_default(family: Family) -> Fact[bool]:
    """Tell whether there is a default route that is up and does not refuse."""
    device = default_interface(family)
    return device if isinstance(device, Unknown) else Known(device.value is not None)


def default_interface(family: Family) -> Fact[str | None]:
    """Return the interface of the default route, or None where there is no such route."""
    text = read_text(TABLES[family])
    if isinstance(text, Unknown):
        return text
    parse = parse_ipv4 if family is Family.IPV4 else parse_ipv6
    return Known(parse(text.value or ""))


def networks(family: Family) -> Fact[tuple[tuple[str, str], ...]]:
    """Return each route's interface and network such as ``10.0.0.0/8``, the narrowest first.

    Routes that lead everywhere or nowhere are left out.
    """
    text = read_text(TABLES[family])
    if isinstance(text, Unknown):
        return text
    read = _networks_ipv4 if family is Family.IPV4 else _networks_ipv6
    try:
        found = read(text.value or "")
    except ValueError as error:
        return Unknown(f"{TABLES[family]} is not understood: {error}")
    narrowest_first = sorted(found, key=lambda each: -each[1].prefixlen)
    return Known(tuple((device, str(network)) for device, network in narrowest_first))


def _networks_ipv4(text: str) -> list[tuple[str, ipaddress.IPv4Network]]:
    lines = [line.split() for line in text.splitlines()[1:]]
    return [
        (words[0], ipaddress.IPv4Network((_in_host_order(words[1]), _dotted(words[7]))))
        for words in lines
        if len(words) > 7 and words[0] != NO_INTERFACE and _usable(words[3])
        if words[7] != "00000000"
    ]


def _networks_ipv6(text: str) -> list[tuple[str, ipaddress.IPv6Network]]:
    lines = [line.split() for line in text.splitlines()]
    return [
        (words[9], ipaddress.IPv6Network((int(words[0], 16), int(words[1], 16))))
        for words in lines
        if len(words) > 9 and words[1] != "00" and words[9] != "lo" and _usable(words[8])
    ]


def _in_host_order(word: str) -> int:
    """The kernel prints IPv4 addresses as numbers in the machine's own byte order."""
    return int.from_bytes(int(word, 16).to_bytes(4, sys.byteorder), "big")


def _dotted(mask: str) -> str:
    return str(ipaddress.IPv4Address(_in_host_order(mask)))


def parse_ipv4(text: str) -> str | None:
    """Read ``/proc/net/route``: interface, destination, gateway, flags, …, metric, mask."""
    found = []
    for line in text.splitlines()[1:]:
        words = line.split()
        if len(words) <= 7 or words[0] == NO_INTERFACE:
            continue
        if words[1] == words[7] == "00000000" and _usable(words[3]):
            found.append((int(words[6]) if words[6].isdecimal() else 0, words[0]))
    return min(found)[1] if found else None


def parse_ipv6(text: str) -> str | None:
    """Read ``/proc/net/ipv6_route``: destination, its length, …, metric, …, flags, interface."""
    found = []
    for line in text.splitlines():
        words = line.split()
        if len(words) > 9 and words[0] == "0" * 32 and words[1] == "00" and _usable(words[8]):
            found.append((_hex(words[5]), words[9]))
    return min(found)[1] if found else None


def _usable(flags: str) -> bool:
    bits = _hex(flags)
    return bool(bits & RTF_UP) and not bits & RTF_REJECT


def _hex(text: str) -> int:
    try:
        return int(text, 16)
    except ValueError:
        return 0
