"""The resolvers that this host is told to ask (resolv.conf(5))."""

from __future__ import annotations

import ipaddress

from mailfix.host.files import read_text
from mailfix.model import Fact, Known, Unknown

FILE = "/etc/resolv.conf"
MAX_NAMESERVERS = 3
"""MAXNS: the C library reads no more of them."""


def nameservers() -> Fact[tuple[str, ...]]:
    """Return the addresses of the resolvers, in the order in which they are asked."""
    text = read_text(FILE)
    return text if isinstance(text, Unknown) else Known(parse(text.value or ""))


def parse(text: str) -> tuple[str, ...]:
    """Read the ``nameserver`` lines; what is no address is passed over, as the C library does."""
    lines = (line.split() for line in text.splitlines() if line.startswith("nameserver"))
    named = (words[1] for words in lines if len(words) > 1 and words[0] == "nameserver")
    return tuple(dict.fromkeys(each for each in named if _is_address(each)))[:MAX_NAMESERVERS]


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
