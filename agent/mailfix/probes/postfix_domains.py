"""For which domains postfix handles mail: by its parameters, files, and tables (postmap(1))."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from mailfix.facts import MailDomains
from mailfix.host import Host
from mailfix.model import Fact, Known, Unknown
from mailfix.probes.domain_lists import Found, mail_domains, merged, served, unread_list

LOCAL = ("mydestination", "virtual_alias_domains", "virtual_mailbox_domains")
RELAYED = "relay_domains"
_ITEM = re.compile(r"(?:[^\s,{}]|\{[^{}]*\})+")


async def read(host: Host, values: Mapping[str, str]) -> Fact[MailDomains | None]:
    """Return the domains that postfix delivers itself and those that it passes on (postconf(5)).

    ``values`` are the parameters of :class:`mailfix.probes.postfix.Postfix`. None where it is set
    to take no mail, as on a host that only sends.
    """
    local = merged([await _read(host, values.get(name, "")) for name in LOCAL])
    relayed = await _read(host, values.get(RELAYED, ""))
    if local == relayed == Found():
        return Known(None)
    hostname = values["myhostname"].lower().rstrip(".")
    return Known(served(local, relayed, hostname, ", ".join(LOCAL)))


def list_items(text: str) -> list[str]:
    """Split a list of patterns at commas and white space, not within braces (postconf(5))."""
    return _ITEM.findall(text)


async def _read(host: Host, text: str) -> Found:
    """Read a list; ``!PATTERN`` takes out what would come after it."""
    parts: list[Found] = []
    excluded: frozenset[str] = frozenset()
    for item in list_items(text):
        part = await _item(host, item.removeprefix("!"))
        if item.startswith("!"):
            excluded |= part.names
        else:
            parts.append(Found(part.names - excluded, part.unread))
    return merged(parts)


async def _item(host: Host, item: str) -> Found:
    """Read a domain, the name of a file, or a TYPE:TABLE."""
    if item.startswith("/"):
        return _file(host, item)
    if ":" in item and not item.startswith("["):
        return await _table(host, item)
    return Found(mail_domains([item]))


def _file(host: Host, path: str) -> Found:
    text = host.read(path)
    if isinstance(text, Unknown):
        return unread_list(text.reason)
    lines = (line.partition("#")[0] for line in (text.value or "").splitlines())
    return Found(mail_domains(item for line in lines for item in list_items(line)))


async def _table(host: Host, table: str) -> Found:
    """Read the keys of a table; of a database or of patterns they cannot be listed (postmap(1))."""
    told = await host.run("postmap", "-s", table)
    if isinstance(told, Unknown):
        return unread_list(told.reason)
    if told.value.code:
        return unread_list(f"postfix looks domains up in {table[:120]}: {told.value.complaint}")
    return Found(mail_domains(keys(told.value.stdout)))


def keys(text: str) -> Iterable[str]:
    """Return the keys that ``postmap -s`` prints, each before a tab."""
    return [line.partition("\t")[0] for line in text.splitlines()]
