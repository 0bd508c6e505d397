"""Postfix's effective settings, asked of postconf(1)."""

from __future__ import annotations

from mailfix.facts import Mta
from mailfix.host import Host, accounts
from mailfix.model import Fact, Known, Unknown

PARAMETERS = (
    "myhostname",
    "inet_protocols",
    "smtp_helo_name",
    "smtp_bind_address",
    "smtp_bind_address6",
    "mail_owner",
    "relayhost",
    "mydestination",
)


async def read(host: Host) -> Fact[dict[str, str]]:
    """Return the parameters that decide how postfix presents itself, macros expanded."""
    told = await host.run("postconf", "-x", *PARAMETERS)
    if isinstance(told, Unknown):
        return told
    values = parse_parameters(told.value.stdout)
    if not values.get("myhostname"):
        return Unknown(f"postconf does not tell its settings: {told.value.complaint}")
    return Known(values)


def parse_parameters(text: str) -> dict[str, str]:
    """Read ``postconf``: lines of NAME = VALUE."""
    pairs = (line.partition("=") for line in text.splitlines() if "=" in line)
    return {name.strip(): value.strip() for name, _, value in pairs}


def parse_mta(values: dict[str, str]) -> Mta:
    """Read what decides how postfix presents itself to others (postconf(5))."""
    hostname = values["myhostname"].lower().rstrip(".")
    protocols = values.get("inet_protocols", "all").replace(",", " ").split()
    helo = (values.get("smtp_helo_name") or hostname).lower().rstrip(".")
    return Mta(
        server="postfix",
        hostname=hostname,
        speaks_ipv6=bool({"all", "ipv6"} & set(protocols)),
        helo=Known(helo),
        user=accounts.mail_user(values.get("mail_owner", "postfix")),
        sends_directly=not values.get("relayhost"),
        source_ipv4=Known(values.get("smtp_bind_address") or None),
        source_ipv6=Known(values.get("smtp_bind_address6") or None),
    )
