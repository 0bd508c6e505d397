"""Which addresses the Internet can reach."""

from __future__ import annotations

import ipaddress
from functools import lru_cache

_DOCUMENTATION = tuple(
    ipaddress.ip_network(network)
    for network in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32")
)


@lru_cache(maxsize=4096)
def is_public(address: str) -> bool:
    """Tell whether the Internet could reach an address (RFC 6890); documentation ranges count."""
    parsed = ipaddress.ip_address(address.partition("%")[0])
    return parsed.is_global or any(parsed in network for network in _DOCUMENTATION)
