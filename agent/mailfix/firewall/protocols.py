"""Numbers of transport protocols, well-known ports and TCP flags, for texts that use names.

/etc/protocols and /etc/services belong to the host that is judged and are not read here; a name
that is not in these tables is not understood, never guessed.
"""

from __future__ import annotations

import ipaddress

from mailfix.firewall.addresses import AddressSet

PROTOCOLS = {
    "all": 0,
    "ip": 0,
    "icmp": 1,
    "igmp": 2,
    "ipv4": 4,
    "ipencap": 4,
    "tcp": 6,
    "egp": 8,
    "udp": 17,
    "dccp": 33,
    "ipv6": 41,
    "ipv6-route": 43,
    "ipv6-frag": 44,
    "gre": 47,
    "esp": 50,
    "ah": 51,
    "icmpv6": 58,
    "ipv6-icmp": 58,
    "ipv6-nonxt": 59,
    "ipv6-opts": 60,
    "ospf": 89,
    "ospfigp": 89,
    "pim": 103,
    "ipcomp": 108,
    "vrrp": 112,
    "sctp": 132,
    "mh": 135,
    "mobility-header": 135,
    "udplite": 136,
}

SERVICES = {
    "ftp-data": 20,
    "ftp": 21,
    "ssh": 22,
    "telnet": 23,
    "smtp": 25,
    "mail": 25,
    "domain": 53,
    "bootps": 67,
    "bootpc": 68,
    "http": 80,
    "www": 80,
    "pop3": 110,
    "pop-3": 110,
    "sunrpc": 111,
    "auth": 113,
    "ntp": 123,
    "netbios-ns": 137,
    "netbios-dgm": 138,
    "netbios-ssn": 139,
    "imap": 143,
    "imap2": 143,
    "snmp": 161,
    "ldap": 389,
    "https": 443,
    "microsoft-ds": 445,
    "submissions": 465,
    "smtps": 465,
    "ssmtp": 465,
    "urd": 465,
    "syslog": 514,
    "submission": 587,
    "ldaps": 636,
    "domain-s": 853,
    "imaps": 993,
    "pop3s": 995,
    "mysql": 3306,
    "sieve": 4190,
    "postgresql": 5432,
}

TCP_FLAGS = {
    "fin": 0x01,
    "syn": 0x02,
    "rst": 0x04,
    "psh": 0x08,
    "ack": 0x10,
    "urg": 0x20,
    "ecn": 0x40,
    "ece": 0x40,
    "cwr": 0x80,
    "all": 0x3F,
    "none": 0x00,
}

HIGHEST_PORT = 65535


def number(text: str) -> int:
    """A number in decimal or with 0x.

    Raises:
        ValueError: it is none, or negative.
    """
    value = int(text, 0) if text[:2].lower() == "0x" else int(text)
    if value < 0:
        raise ValueError(f"negative number {text!r}")
    return value


def protocol(text: str) -> int:
    """Raises ValueError for a name that is not in PROTOCOLS."""
    if text.isdecimal():
        return int(text)
    known = PROTOCOLS.get(text.lower())
    if known is None:
        raise ValueError(f"unknown protocol {text!r}")
    return known


def port(text: str) -> int:
    """Raises ValueError for a name that is not in SERVICES."""
    if text.isdecimal():
        return int(text)
    known = SERVICES.get(text.lower())
    if known is None:
        raise ValueError(f"unknown service {text!r}")
    return known


def port_range(text: str, separator: str = ":") -> tuple[int, int]:
    """``25``, ``1024:65535``, ``:1023``, ``1024:``; ValueError for anything else."""
    low, colon, high = text.partition(separator)
    first = port(low) if low else 0
    last = first if not colon else port(high) if high else HIGHEST_PORT
    if not first <= last <= HIGHEST_PORT:
        raise ValueError(f"{text!r:.40} is no range of ports")
    return (first, last)


def tcp_flags(text: str) -> int:
    """``SYN,ACK``, ``ALL``, ``NONE``; ValueError for anything else."""
    flags = 0
    for name in text.split(","):
        known = TCP_FLAGS.get(name.lower())
        if known is None:
            raise ValueError(f"unknown TCP flag {name!r}")
        flags |= known
    return flags


MAX_MASK_INTERVALS = 256
"""As many as a mask like 255.0.255.0 makes; with more of them 50,000 rules would fill gigabytes."""


def masked(address: int, mask: int, bits: int) -> AddressSet:
    """All addresses a with a & mask == address & mask.

    Raises:
        ValueError: the mask has so many holes that there are more than MAX_MASK_INTERVALS.
    """
    free = ~mask & ((1 << bits) - 1)
    tail = (~free & (free + 1)).bit_length() - 1
    holes = [1 << bit for bit in range(tail, bits) if free >> bit & 1]
    if 1 << len(holes) > MAX_MASK_INTERVALS:
        raise ValueError("the address mask has too many holes")
    starts = [address & mask]
    for hole in holes:
        starts += [start | hole for start in starts]
    return AddressSet.of((start, start + (1 << tail) - 1) for start in starts)


def address_and_mask(text: str) -> AddressSet:
    """``192.0.2.1``, ``192.0.2.0/24``, ``10.0.0.1/255.0.255.0``; ValueError for anything else."""
    address, slash, mask = text.partition("/")
    if slash and not mask.isdecimal():
        base = ipaddress.ip_address(address)
        return masked(int(base), int(ipaddress.ip_address(mask)), base.max_prefixlen)
    return AddressSet.network(text)
