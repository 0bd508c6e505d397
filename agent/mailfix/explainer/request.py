"""What the administrator asks, read from the words of the command line."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from mailfix.firewall import Direction
from mailfix.model import Family, Refusal
from mailfix.report.explain.explanation import Asked

SERVICES = {
    "smtp": 25,
    "submission": 587,
    "submissions": 465,
    "smtps": 465,
    "imap": 143,
    "imap2": 143,
    "imaps": 993,
    "pop3": 110,
    "pop3s": 995,
    "sieve": 4190,
    "domain": 53,
}
"""The ports of mail services by their names in services(5)."""


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked, and over which families; none: over those that the host has.

    ``cure``: the smallest change that opens a blocked port is asked for, too.
    """

    asked: Asked
    families: tuple[Family, ...] = ()
    cure: bool = False


def read_request(
    port: str,
    *,
    out: bool = False,
    udp: bool = False,
    source: str | None = None,
    to: str | None = None,
    family: Family | None = None,
    cure: bool = False,
) -> Request:
    """Make sense of the command line's words.

    Raises:
        Refusal: they make none.
    """
    if source is not None and out:
        raise Refusal("--from is for what comes in; with --out it is --to")
    if to is not None and not out:
        raise Refusal("--to is for what goes out: add --out, or use --from")
    far = _address(to if out else source)
    if far is not None and cure:
        raise Refusal("--cure opens a port for the Internet: ask without an address")
    families = (family,) if family else ()
    if far is not None:
        of_far = Family.IPV4 if far.version == 4 else Family.IPV6
        if family not in (None, of_far):
            raise Refusal(f"{far} is no address of {family}")
        families = (of_far,)
    asked = Asked(
        direction=Direction.OUT if out else Direction.IN,
        protocol="udp" if udp else "tcp",
        port=port_number(port),
        far=None if far is None else str(far),
    )
    return Request(asked, families, cure)


def port_number(text: str) -> int:
    """Return the port given by its number or by the name of a mail service.

    Raises:
        Refusal: it is neither.
    """
    if text in SERVICES:
        return SERVICES[text]
    if text.isascii() and text.isdecimal() and len(text) < 6 and 0 < int(text) < 65536:
        return int(text)
    raise Refusal(f"{text[:40]!r} is no port: 1 to 65535, or one of {', '.join(SERVICES)}")


def _address(text: str | None) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    if text is None:
        return None
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        raise Refusal(f"{text[:60]!r} is no IP address") from None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
