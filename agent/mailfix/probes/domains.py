"""For which domains this host handles mail: the MTA's own lists, the panels', the administrator's.

The host's own name is a mail domain to exim on nearly every host (``@``, Debian's mailname), for
the sake of cron's mail and of bounces. Next to nobody publishes SPF or a key for it, so it is
judged as a mail domain only where the host serves no other, or where the administrator names it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from mailfix.facts import MailDomains
from mailfix.host import Host, Output
from mailfix.host.database import first_column
from mailfix.host.files import exists
from mailfix.host.idna import to_ascii
from mailfix.mail_records.domain_name import is_mail_domain
from mailfix.model import Fact, Refusal, Unknown
from mailfix.probes import exim_expansion
from mailfix.probes.exim import Told, parse_options, split_list

MAX_DOMAINS = 200_000
MAX_UNREAD = 12
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


@dataclass(frozen=True, slots=True)
class _Found:
    """Domains of one list, and what of it could not be read."""

    names: frozenset[str] = frozenset()
    unread: tuple[str, ...] = ()


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

    ``wanted`` are in A-labels. The host's own name is among them only as said above.
    """
    lists = await _named_lists(host, told)
    hostname = told.options.get("primary_hostname", "").lower().rstrip(".")
    expanded = await _expanded(host, told.program, lists.values())
    reader = _Reader(host, hostname, lists, expanded)
    local = _merged(
        [
            *(reader.read(text) for text in _local_texts(told)),
            *(_listed(host, file) for file in (CPANEL_LIST, DIRECTADMIN_LIST)),
            _folder(host, HESTIA_FOLDER),
            _fastpanel(),
            _Found(_domains([told.options.get("qualify_domain", "")])),
        ]
    )
    relayed = reader.read(told.options.get(RELAYED, ""))
    names = local.names - {hostname} | set(wanted)
    if not names and not local.unread:
        names = local.names
    absent = () if LOCAL in told.options else (f"exim has no list {LOCAL}",)
    unread = dict.fromkeys((*absent, *local.unread, *relayed.unread))
    return MailDomains(
        names=tuple(sorted(names)[:MAX_DOMAINS]),
        source=told.options.get(LOCAL, ""),
        unread=tuple(unread)[:MAX_UNREAD],
        relayed=tuple(sorted(relayed.names - names - {hostname})[:MAX_DOMAINS]),
        panel=next((name for name, sign in PANELS.items() if exists(sign)), ""),
    )


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


def _merged(found: Iterable[_Found]) -> _Found:
    every = list(found)
    names = frozenset(name for each in every for name in each.names)
    return _Found(names, tuple(why for each in every for why in each.unread))


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads exim's domain lists (specification, chapter 10); ``lists`` and ``expanded`` by name."""

    host: Host
    hostname: str
    lists: Mapping[str, str]
    expanded: Mapping[str, str]

    def read(self, text: str, within: tuple[str, ...] = ()) -> _Found:
        """Read a list and the lists in it; ``!DOMAIN`` takes out what would come after it."""
        parts: list[_Found] = []
        excluded: frozenset[str] = frozenset()
        for item in list_items(text):
            if item.startswith("!"):
                excluded |= _domains([item[1:].strip()])
            else:
                part = self._item(item, within)
                parts.append(_Found(part.names - excluded, part.unread))
        return _merged(parts)

    def _item(self, item: str, within: tuple[str, ...]) -> _Found:
        if item == "@":
            return _Found(_domains([self.hostname]))
        further = self.lists.get(item) if _NAMED_LIST.fullmatch(item) else self.expanded.get(item)
        if further is None:
            return _item(self.host, item)
        if item in within or len(within) >= MAX_DEPTH:
            return _Found()
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


def _item(host: Host, item: str) -> _Found:
    if item.startswith("@"):
        return _Found()
    if match := _FILE.fullmatch(item) or re.fullmatch(r"(/\S+)", item):
        return _listed(host, match[1])
    if match := _FOLDER.fullmatch(item):
        return _folder(host, match[1])
    if match := _LOOKUP.fullmatch(item):
        return (_listed if match[1] == "lsearch" else _folder)(host, match[2])
    if names := _domains([item]):
        return _Found(names)
    if re.fullmatch(r"[A-Za-z0-9_.-]+", item):
        return _Found()
    if found := _DATABASE.search(item):
        return _unread(f"exim looks domains up in a database ({found[1]}): {item[:120]}")
    return _unread(f"exim's list of domains has an item that names none: {item[:120]}")


def _unread(why: str) -> _Found:
    return _Found(unread=(why,))


def _folder(host: Host, folder: str) -> _Found:
    entries = host.names_in(folder)
    return (
        _unread(entries.reason) if isinstance(entries, Unknown) else _Found(_domains(entries.value))
    )


def _listed(host: Host, file: str) -> _Found:
    text = host.read(file)
    if isinstance(text, Unknown):
        return _unread(text.reason)
    return _Found(frozenset(parse_list_file(text.value or "")))


def parse_list_file(text: str) -> set[str]:
    """Read a file of domains, one to a line; a colon and a value may follow (lsearch)."""
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return set(_domains(re.split(r"[:\s]", line, maxsplit=1)[0] for line in lines if line))


def _domains(words: Iterable[str]) -> frozenset[str]:
    lowered = (word.lower().rstrip(".") for word in words)
    named = (word if word.isascii() else _in_ascii(word) for word in lowered)
    return frozenset(filter(is_mail_domain, named))


def _in_ascii(word: str) -> str:
    try:
        return to_ascii(word)
    except ValueError:
        return ""


def _fastpanel() -> _Found:
    found = first_column(FASTPANEL_DATABASE, FASTPANEL_QUERY, MAX_DOMAINS)
    return _unread(found.reason) if isinstance(found, Unknown) else _Found(_domains(found.value))
