"""Lists of mail domains, whoever keeps them: what they name, and what of them is not read.

The host's own name is a mail domain to the MTA on nearly every host (exim's ``@``, postfix'
``$myhostname``, Debian's mailname), for the sake of cron's mail and of bounces. Next to nobody
publishes SPF or a key for it, so it is judged as a mail domain only where the host serves no other,
or where the administrator names it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from mailfix.facts import MailDomains
from mailfix.host import Host
from mailfix.host.idna import to_ascii
from mailfix.mail_records.domain_name import is_mail_domain
from mailfix.model import Unknown

MAX_DOMAINS = 200_000
MAX_UNREAD = 12


@dataclass(frozen=True, slots=True)
class Found:
    """Domains of one list, and what of it could not be read."""

    names: frozenset[str] = frozenset()
    unread: tuple[str, ...] = ()


def merged(found: Iterable[Found]) -> Found:
    """Return what several lists name together."""
    every = list(found)
    names = frozenset(name for each in every for name in each.names)
    return Found(names, tuple(why for each in every for why in each.unread))


def served(
    local: Found, relayed: Found, hostname: str, source: str, wanted: Iterable[str] = ()
) -> MailDomains:
    """Return the domains that the MTA handles, and the ``wanted`` ones, in A-labels.

    ``source`` is where the list is kept. The host's own name is among them only as said above.
    """
    names = local.names - {hostname} | set(wanted)
    if not names and not local.unread:
        names = local.names
    return MailDomains(
        names=tuple(sorted(names)[:MAX_DOMAINS]),
        source=source,
        unread=tuple(dict.fromkeys((*local.unread, *relayed.unread)))[:MAX_UNREAD],
        relayed=tuple(sorted(relayed.names - names - {hostname})[:MAX_DOMAINS]),
    )


def unread_list(why: str) -> Found:
    """A list, or a part of one, that cannot be read."""
    return Found(unread=(why,))


def in_folder(host: Host, folder: str) -> Found:
    """Read a folder that has an entry for each domain."""
    entries = host.names_in(folder)
    if isinstance(entries, Unknown):
        return unread_list(entries.reason)
    return Found(mail_domains(entries.value))


def in_file(host: Host, file: str) -> Found:
    """Read a file of domains; see :func:`parse_list_file`."""
    text = host.read(file)
    if isinstance(text, Unknown):
        return unread_list(text.reason)
    return Found(frozenset(parse_list_file(text.value or "")))


def parse_list_file(text: str) -> set[str]:
    """Read a file of domains, one to a line; a colon and a value may follow (lsearch)."""
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return set(mail_domains(re.split(r"[:\s]", line, maxsplit=1)[0] for line in lines if line))


def mail_domains(words: Iterable[str]) -> frozenset[str]:
    """Return those of the words that can be mail domains on the Internet, in A-labels."""
    lowered = (word.lower().rstrip(".") for word in words)
    named = (word if word.isascii() else _in_ascii(word) for word in lowered)
    return frozenset(filter(is_mail_domain, named))


def _in_ascii(word: str) -> str:
    try:
        return to_ascii(word)
    except ValueError:
        return ""
