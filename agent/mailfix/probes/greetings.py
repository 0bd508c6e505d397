"""What the mail ports' listeners say first, asked on this host itself."""

from __future__ import annotations

import asyncio
import re

from mailfix.facts import SMTP_PORTS, Greeting, Listener
from mailfix.host import Host, dial
from mailfix.host.dial import Contact
from mailfix.model import Family

PATIENCE_S = 3.0
CONNECT_S = 0.5
IMPLICIT_TLS_PORTS = (465, 993, 995)
_LOOPBACK = {Family.IPV4: "127.0.0.1", Family.IPV6: "::1"}
_HOST_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,253}[A-Za-z0-9_])?\.?")


async def read(host: Host, listeners: tuple[Listener, ...]) -> tuple[Greeting, ...]:
    """Greet every listener of a plain-text mail port once per family that it accepts."""
    calls = sorted(
        {
            (listener.port, family, address_to_call(listener, family))
            for listener in listeners
            for family in listener.families
            if listener.port not in IMPLICIT_TLS_PORTS
        }
    )
    contacts = await asyncio.gather(*(_greet(host, address, port) for port, _, address in calls))
    return tuple(
        parse(port, family, contact.banner or "")
        for (port, family, _), contact in zip(calls, contacts, strict=True)
    )


async def _greet(host: Host, address: str, port: int) -> Contact:
    """A connection within the host takes no time, unless a firewall rule swallows it."""
    patience_s = host.deadline.within(PATIENCE_S)
    return await dial.greet(address, port, patience_s, connect_s=CONNECT_S)


def address_to_call(listener: Listener, family: Family) -> str:
    """Return an address of this host on which the listener takes calls."""
    if listener.address in ("0.0.0.0", "::"):
        return _LOOPBACK[family]
    return listener.address.removeprefix("::ffff:")


def parse(port: int, family: Family, banner: str) -> Greeting:
    """Tell by its first words which protocol a server speaks.

    RFC 5321 section 4.2 (SMTP begins with 220 and its host name), RFC 3501 section 7.1 (IMAP),
    RFC 1939 section 4 (POP3).
    """
    if re.match(r"[245]\d\d[ -]", banner) and (port in SMTP_PORTS or "SMTP" in banner.upper()):
        words = banner[4:].split()
        named = words and _HOST_NAME.fullmatch(words[0])
        name = words[0].lower().rstrip(".") if named else None
        return Greeting(port, family, "smtp", banner, name)
    if banner.startswith(("* OK", "* BYE", "* PREAUTH")):
        return Greeting(port, family, "imap", banner)
    if banner.startswith(("+OK", "-ERR")):
        return Greeting(port, family, "pop3", banner)
    return Greeting(port, family, "", banner)
