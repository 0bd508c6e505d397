"""For which domains this host accepts mail: the MTA's own list, and the panels' lists."""

from __future__ import annotations

import re
from collections.abc import Iterable

from mailfix.facts import MailDomains
from mailfix.host import Host
from mailfix.host.database import first_column
from mailfix.model import Fact, Known, Unknown
from mailfix.probes.exim import split_list

MAX_DOMAINS = 200_000
HESTIA_FOLDER = "/etc/exim4/domains"
CPANEL_LIST = "/etc/localdomains"
DIRECTADMIN_LIST = "/etc/virtual/domains"
FASTPANEL_DATABASE = "/usr/local/fastpanel2/app/db/fastpanel2.db"
FASTPANEL_QUERY = "SELECT name FROM email_domain WHERE enabled"
_DOMAIN = re.compile(r"(?=.{1,253}$)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})+")
_FILE_LOOKUP = re.compile(r"(?:partial\d*-)?(?:w|nw|ip)?lsearch\*?;(/\S+)|(/\S+)")
_FOLDER_LOOKUP = re.compile(r"dsearch;(/\S+)|\$\{lookup\{\$domain\}\s*dsearch\{(/[^}]+)\}.*")


def of_exim(host: Host, local_domains: str, hostname: str) -> MailDomains:
    """Return the domains of exim's ``+local_domains`` and of the panel that keeps them."""
    lists = [
        *(_item(host, item, hostname) for item in split_list(local_domains)),
        *(_listed(host, file) for file in (CPANEL_LIST, DIRECTADMIN_LIST)),
        _folder(host, HESTIA_FOLDER),
        _fastpanel(),
    ]
    names = {name for found in lists if isinstance(found, Known) for name in found.value}
    return MailDomains(
        names=tuple(sorted(names))[:MAX_DOMAINS],
        source=local_domains,
        unread=tuple(found.reason for found in lists if isinstance(found, Unknown)),
    )


def _item(host: Host, item: str, hostname: str) -> Fact[set[str]]:
    if item in ("@", "@[]", "localhost"):
        return Known(_domains([hostname]) if item == "@" else set())
    if item.startswith("!"):
        return Known(set())
    if match := _FILE_LOOKUP.fullmatch(item):
        return _listed(host, match[1] or match[2])
    if match := _FOLDER_LOOKUP.fullmatch(item):
        return _folder(host, match[1] or match[2])
    if names := _domains([item]):
        return Known(names)
    if re.fullmatch(r"[A-Za-z0-9_-]+", item):
        return Known(set())
    return Unknown(f"exim's list +local_domains has an item that is not understood: {item[:120]}")


def _folder(host: Host, folder: str) -> Fact[set[str]]:
    entries = host.names_in(folder)
    return entries if isinstance(entries, Unknown) else Known(_domains(entries.value))


def _listed(host: Host, file: str) -> Fact[set[str]]:
    text = host.read(file)
    if isinstance(text, Unknown):
        return text
    return Known(parse_list_file(text.value or ""))


def parse_list_file(text: str) -> set[str]:
    """Read a file of domains, one to a line; a colon and a value may follow (lsearch)."""
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return _domains(line.partition(":")[0].strip() for line in lines if line)


def _domains(words: Iterable[str]) -> set[str]:
    lowered = (word.lower().rstrip(".") for word in words)
    return {word for word in lowered if _DOMAIN.fullmatch(word)}


def _fastpanel() -> Fact[set[str]]:
    found = first_column(FASTPANEL_DATABASE, FASTPANEL_QUERY, MAX_DOMAINS)
    return found if isinstance(found, Unknown) else Known(_domains(found.value))
