"""For which domains exim handles mail: its own lists, the panels', the administrator's."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from mailfix.facts import MailDomains
from mailfix.host import Host, Output
from mailfix.host.database import first_column
from mailfix.host.files import exists
from mailfix.host.idna import to_ascii
from mailfix.mail_records.domain_name import is_mail_domain
from mailfix.model import Fact, Refusal, Unknown
from mailfix.probes import exim_expansion
from mailfix.probes.domain_lists import (
    MAX_DOMAINS,
    MAX_UNREAD,
    Found,
    in_file,
    in_folder,
    mail_domains,
    merged,
    served,
    unread_list,
)
from mailfix.probes.exim import Told, parse_options, split_list

MAX_DEPTH = 5
HESTIA_FOLDER = "/etc/exim4/domains"
CPANEL_LIST = "/etc/localdomains"
DIRECTADMIN_LIST = "/etc/virtual/domains"
FASTPANEL_DATABASE = "/usr/local/fastpanel2/app/db/fastpanel2.db"
FASTPANEL_QUERY = "SELECT name FROM email_domain WHERE enabled"
PANELS = {
    "FASTPANEL": FASTPANEL_DATABASE,
    "HestiaCP": "/usr/local/hestia",
    "cPanel": "/usr/local/cpanel",
    "DirectAdmin": "/usr/local/directadmin",
}
LOCAL, RELAYED = "+local_domains", "+relay_to_domains"
_DELIVERING = frozenset({"accept", "redirect"})
_NAMED_LIST = re.compile(r"\+\w+")
_FILE = re.compile(
    r"(?:partial[^-;]*-)?(?:wild|nwild)?lsearch\*{0,2}(?:@\*?)?(?:,[^;]*)?;\s*(/\S+)"
)
_FOLDER = re.compile(r"dsearch(?:,[^;]*)?;\s*(/\S+)")
_LOOKUP = re.compile(
    r"\$\{lookup\s*\{\$(?:\{(?:lc:\$)?\{?domain\}{1,2}|domain)\}\s*"
    r"(lsearch|dsearch)[^{]*\{(/[^{}]+)\}.*\}",
    re.DOTALL,
)
_MASK = "\x01"
_MASKED = re.compile("\x01([0-9]+)\x01")
_DATABASE = re.compile(r"\b(mysql|pgsql|sqlite|ldap|redis|oracle|ibase|dnsdb)\b")


def ascii_domain(text: str) -> str:
    """Return a mail domain that a person wrote in A-labels (RFC 5890), lower case.

    Raises :class:`mailfix.model.Refusal` for what cannot be a mail domain on the Internet.
    """
    try:
        name = to_ascii(text.strip())
    except ValueError as error:
        raise Refusal(f"{text[:80]!r} is not a domain name: {error}") from None
    if not is_mail_domain(name):
        raise Refusal(f"{text[:80]!r} is not a mail domain of the Internet")
    return name


def configured(texts: Iterable[str]) -> tuple[str, ...]:
    """Return the domains that the administrator named, each once; raises Refusal."""
    return tuple(dict.fromkeys(map(ascii_domain, texts)))


async def of_exim(host: Host, told: Told, wanted: tuple[str, ...] = ()) -> MailDomains:
    """Return the domains that exim handles, those of the panel, and the ``wanted`` ones.

    ``wanted`` are in A-labels.
    """
    lists = await _named_lists(host, told)
    hostname = told.options.get("primary_hostname", "").lower().rstrip(".")
    expanded = await _expanded(host, told.program, lists.values())
    reader = _Reader(host, hostname, lists, expanded)
    local = merged(
        [
            *(reader.read(text) for text in _local_texts(told)),
            *(in_file(host, file) for file in (CPANEL_LIST, DIRECTADMIN_LIST)),
            in_folder(host, HESTIA_FOLDER),
            _fastpanel(),
            Found(mail_domains([told.options.get("qualify_domain", "")])),
        ]
    )
    relayed = reader.read(told.options.get(RELAYED, ""))
    found = served(local, relayed, hostname, told.options.get(LOCAL, ""), wanted)
    absent = () if LOCAL in told.options else (f"exim has no list {LOCAL}",)
    panel = next((name for name, sign in PANELS.items() if exists(sign)), "")
    return replace(found, unread=(*absent, *found.unread)[:MAX_UNREAD], panel=panel)


def _local_texts(told: Told) -> Iterator[str]:
    """Return the lists of domains for which exim delivers mail itself."""
    yield told.options.get(LOCAL, "")
    for router in told.routers.values():
        if router.get("driver") in _DELIVERING:
            yield router.get("domains", "")


async def _named_lists(host: Host, told: Told) -> dict[str, str]:
    """Return the texts of all lists, and of those that they name, ``+NAME`` by ``+NAME``."""
    texts = [*_local_texts(told), told.options.get(RELAYED, "")]
    lists = {name: text for name, text in told.options.items() if name.startswith("+")}
    for _ in range(MAX_DEPTH):
        named = {name for text in (*texts, *lists.values()) for name in _NAMED_LIST.findall(text)}
        missing = sorted(named - lists.keys())
        if not missing:
            break
        answer = await host.run(told.program, "-bP", *missing)
        lists |= dict.fromkeys(missing, "") | _lists_of(answer)
    return lists


def _lists_of(answer: Fact[Output]) -> dict[str, str]:
    return {} if isinstance(answer, Unknown) else parse_options(answer.value.stdout)


async def _expanded(host: Host, program: str, texts: Iterable[str]) -> dict[str, str]:
    """Return what the parts of lists that depend on nothing but the host come to, by the part."""
    parts = {text[start:end] for text in texts for start, end in braced_groups(text)}
    asked = sorted(part for part in parts if exim_expansion.is_same_for_all(part))
    if not asked:
        return {}
    (answer,) = await exim_expansion.for_all(host, program, [("localhost", asked)])
    if isinstance(answer, Unknown):
        return {}
    return {
        part: done.text for part, done in zip(asked, answer.value, strict=True) if not done.failure
    }


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads exim's domain lists (specification, chapter 10); ``lists`` and ``expanded`` by name."""

    host: Host
    hostname: str
    lists: Mapping[str, str]
    expanded: Mapping[str, str]

    def read(self, text: str, within: tuple[str, ...] = ()) -> Found:
        """Read a list and the lists in it; ``!DOMAIN`` takes out what would come after it."""
        parts: list[Found] = []
        excluded: frozenset[str] = frozenset()
        for item in list_items(text):
            if item.startswith("!"):
                excluded |= mail_domains([item[1:].strip()])
            else:
                part = self._item(item, within)
                parts.append(Found(part.names - excluded, part.unread))
        return merged(parts)

    def _item(self, item: str, within: tuple[str, ...]) -> Found:
        if item == "@":
            return Found(mail_domains([self.hostname]))
        further = self.lists.get(item) if _NAMED_LIST.fullmatch(item) else self.expanded.get(item)
        if further is None:
            return _item(self.host, item)
        if item in within or len(within) >= MAX_DEPTH:
            return Found()
        return self.read(further, (*within, item))


def list_items(text: str) -> list[str]:
    """Split one of exim's lists, and leave a colon within ``${...}`` alone."""
    masked, groups = text.replace(_MASK, ""), []
    for group in reversed(braced_groups(masked)):
        start, end = group
        groups.append(masked[start:end])
        masked = f"{masked[:start]}{_MASK}{len(groups) - 1}{_MASK}{masked[end:]}"
    items = split_list(masked)
    return [_MASKED.sub(lambda found: groups[int(found[1])], item).strip() for item in items]


def braced_groups(text: str) -> list[tuple[int, int]]:
    """Find each outermost ``${...}``, start and end; one that is not closed runs to the end."""
    groups: list[tuple[int, int]] = []
    depth = start = 0
    for brace in re.finditer(r"\$\{|[{}]", text):
        if depth == 0:
            if brace[0] == "${":
                depth, start = 1, brace.start()
        else:
            depth += -1 if brace[0] == "}" else 1
            if depth == 0:
                groups.append((start, brace.end()))
    return [*groups, (start, len(text))] if depth else groups


def _item(host: Host, item: str) -> Found:
    if item.startswith("@"):
        return Found()
    if match := _FILE.fullmatch(item) or re.fullmatch(r"(/\S+)", item):
        return in_file(host, match[1])
    if match := _FOLDER.fullmatch(item):
        return in_folder(host, match[1])
    if match := _LOOKUP.fullmatch(item):
        return (in_file if match[1] == "lsearch" else in_folder)(host, match[2])
    if names := mail_domains([item]):
        return Found(names)
    if re.fullmatch(r"[A-Za-z0-9_.-]+", item):
        return Found()
    if found := _DATABASE.search(item):
        return unread_list(f"exim looks domains up in a database ({found[1]}): {item[:120]}")
    return unread_list(f"exim's list of domains has an item that names none: {item[:120]}")


def _fastpanel() -> Found:
    found = first_column(FASTPANEL_DATABASE, FASTPANEL_QUERY, MAX_DOMAINS)
    if isinstance(found, Unknown):
        return unread_list(found.reason)
    return Found(mail_domains(found.value))
