"""The Internet's address space: unicast without the special-purpose ranges.

RFC 6890 and the IANA special-purpose address registries. The documentation ranges
(192.0.2.0/24, 198.51.100.0/24, 203.0.113.0/24, 2001:db8::/32) count as public, so that a lab
looks like the Internet. IPv6 is 2000::/3, the only global unicast that IANA hands out.
"""

from __future__ import annotations

from functools import cache

from mailfix.firewall.addresses import AddressSet
from mailfix.model import Family

_NOT_PUBLIC_IPV4 = (
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "224.0.0.0/3",
)


@cache
def internet(family: Family) -> AddressSet:
    """All public unicast addresses of ``family``."""
    if family is Family.IPV6:
        return AddressSet.network("2000::/3")
    special = AddressSet.union_of(AddressSet.network(text) for text in _NOT_PUBLIC_IPV4)
    return AddressSet.network("0.0.0.0/0") - special
