"""Names of addresses."""

from __future__ import annotations

import ipaddress


def reverse_name(address: str) -> str:
    """Return the name whose PTR records belong to an address (RFC 1035 3.5, RFC 3596 2.5)."""
    return ipaddress.ip_address(address).reverse_pointer
