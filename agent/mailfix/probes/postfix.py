"""Postfix's effective settings, asked of postconf(1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

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
    "virtual_alias_domains",
    "virtual_mailbox_domains",
    "relay_domains",
)


@dataclass(frozen=True, slots=True)
class Postfix:
    """How postfix presents itself, and the ``PARAMETERS`` with their macros expanded."""

    mta: Mta
    values: Mapping[str, str]


async def read(host: Host) -> Fact[Postfix]:
    """Ask for everything that is known of postfix in one go."""
    told = await host.run("postconf", "-x", *PARAMETERS)
    if isinstance(told, Unknown):
        return told
    values = parse_parameters(told.value.stdout)
    if not values.get("myhostname"):
        return Unknown(f"postconf does not tell its settings: {told.value.complaint}")
    return Known(Postfix(parse_mta(values), values))


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
