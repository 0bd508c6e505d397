"""Whether a certificate was made for a host. Pure."""

from __future__ import annotations

import ipaddress

from mailfix.outside.model import Certificate, Target


def is_for(certificate: Certificate, target: Target) -> bool:
    """Whether a name of the certificate is the target's (RFC 9525, section 6.3).

    The common name counts only where there is no other name, as older software has it.
    """
    names = certificate.names or (certificate.common_name,)
    if target.is_address:
        return any(_same_address(name, target.host) for name in names)
    return any(_covers(name.lower().rstrip("."), target.host) for name in names)


def _covers(name: str, host: str) -> bool:
    if name.startswith("*."):
        label, _, parent = host.partition(".")
        return bool(label) and parent == name[2:] and "." in parent
    return name == host


def _same_address(name: str, address: str) -> bool:
    try:
        return ipaddress.ip_address(name) == ipaddress.ip_address(address)
    except ValueError:
        return False
