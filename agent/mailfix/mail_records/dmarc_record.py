"""The text of a DMARC record (RFC 7489 section 6.3, RFC 9989 section 4.7)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

MAX_LENGTH = 4096
MAX_MAILBOXES = 10
MAX_REMARKS = 6
SHOWN = 60
_VERSION = re.compile(r"v[ \t]*=[ \t]*DMARC1[ \t]*(;|$)")
_MAILBOX = re.compile(
    r"mailto:([^\s@,;!\"<>]{1,64}@(?:[a-z0-9_-]{1,63}\.)+[a-z0-9-]{1,63})(?:![0-9]{1,20}[kmgt]?)?",
    re.IGNORECASE,
)
_VALUES = {
    "adkim": re.compile("[rs]", re.IGNORECASE),
    "aspf": re.compile("[rs]", re.IGNORECASE),
    "fo": re.compile(r"[01ds]([ \t]*:[ \t]*[01ds])*", re.IGNORECASE),
    "np": re.compile("none|quarantine|reject", re.IGNORECASE),
    "pct": re.compile("[0-9]|[1-9][0-9]|100"),
    "psd": re.compile("[ynu]", re.IGNORECASE),
    "rf": re.compile(r"afrf([ \t]*:[ \t]*afrf)*", re.IGNORECASE),
    "ri": re.compile("[0-9]{1,10}"),
    "sp": re.compile("none|quarantine|reject", re.IGNORECASE),
    "t": re.compile("[yn]", re.IGNORECASE),
}
_REQUESTS = ("none", "quarantine", "reject")
_MAILBOX_TAGS = ("rua", "ruf")


class BadRecord(ValueError):
    """A text of which receivers make no policy; the message says why."""


class Request(StrEnum):
    """What receivers shall do with mail that fails."""

    NONE = "none"
    QUARANTINE = "quarantine"
    REJECT = "reject"

    @property
    def strictness(self) -> int:
        return _REQUESTS.index(self.value)

    @property
    def milder(self) -> Request:
        """What holds for mail that the policy leaves out (RFC 7489 section 6.6.4)."""
        return Request(_REQUESTS[max(self.strictness - 1, 0)])


@dataclass(frozen=True, slots=True)
class Record:
    """A policy as its publisher wrote it.

    ``subdomains`` is what holds for names below (``sp``, or the policy itself). ``mailboxes`` are
    those of ``rua`` and ``ruf``. ``overlooked`` tells what receivers do not understand and leave
    aside. ``on_trial`` (``pct=0``, or ``t=y`` of RFC 9989): all mail is treated one step milder.
    """

    policy: Request
    subdomains: Request
    strict_dkim: bool = False
    strict_spf: bool = False
    mailboxes: tuple[str, ...] = ()
    overlooked: tuple[str, ...] = ()
    on_trial: bool = False


def is_record(text: str) -> bool:
    """Tell whether receivers take a text for a DMARC record: all others they leave aside."""
    return _VERSION.match(text) is not None


@lru_cache(maxsize=1024)
def read(text: str) -> Record:
    """Read a record; raises :class:`BadRecord` where receivers make no policy of it."""
    if not is_record(text):
        raise BadRecord(f"it must begin with v=DMARC1; but begins with {text[:SHOWN]}")
    if len(text) > MAX_LENGTH:
        raise BadRecord(f"it is {len(text)} characters long")
    tags, overlooked = _tags(text)
    policy = _policy(tags, overlooked)
    overlooked += [
        f"{name}={value[:SHOWN]}"
        for name, value in tags.items()
        if name in _VALUES and not _VALUES[name].fullmatch(value)
    ]
    overlooked += [
        f"{name}: {uri[:SHOWN]} is no mailto: address"
        for name in _MAILBOX_TAGS
        for uri in _uris(tags.get(name, ""))
        if not _MAILBOX.fullmatch(uri)
    ]
    return Record(
        policy=policy,
        subdomains=_request(tags.get("sp", "")) or policy,
        strict_dkim=tags.get("adkim", "").lower() == "s",
        strict_spf=tags.get("aspf", "").lower() == "s",
        mailboxes=_mailboxes(tags),
        overlooked=tuple(overlooked[:MAX_REMARKS]),
        on_trial=tags.get("pct") == "0" or tags.get("t", "").lower() == "y",
    )


def _tags(text: str) -> tuple[dict[str, str], list[str]]:
    """Read a tag list (RFC 6376 section 3.2); what is no tag is returned apart."""
    tags: dict[str, str] = {}
    stray = []
    for part in text.split(";"):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if not name and not equals:
            continue
        if not equals:
            stray.append(f"{name[:SHOWN]} is no tag")
        elif name.lower() in tags:
            raise BadRecord(f"the tag {name[:SHOWN]}= stands in it twice")
        else:
            tags[name.lower()] = value
    return tags, stray


def _policy(tags: dict[str, str], overlooked: list[str]) -> Request:
    """Receivers that find no policy, but a mailbox, only report (RFC 7489 section 6.6.3)."""
    if "p" not in tags:
        if not _mailboxes(tags):
            raise BadRecord("it asks for nothing: the tag p= is missing")
        overlooked.append("the tag p= is missing; p=none is taken for it")
        return Request.NONE
    policy = _request(tags["p"])
    if policy is None:
        raise BadRecord(f"p={tags['p'][:SHOWN]} is none of {', '.join(_REQUESTS)}")
    if list(tags)[1] != "p":
        overlooked.append("the tag p= is not the second, where many receivers look for it")
    return policy


def _request(value: str) -> Request | None:
    return Request(value.lower()) if value.lower() in _REQUESTS else None


def _uris(value: str) -> list[str]:
    return [uri.strip() for uri in value.split(",") if uri.strip()]


def _mailboxes(tags: dict[str, str]) -> tuple[str, ...]:
    found = [
        match[1].lower()
        for name in _MAILBOX_TAGS
        for uri in _uris(tags.get(name, ""))
        if (match := _MAILBOX.fullmatch(uri))
    ]
    return tuple(dict.fromkeys(found))[:MAX_MAILBOXES]


def repaired(text: str) -> str:
    """Return a record of which receivers understand every part, with what they can keep of this."""
    if _is_sound(text):
        return text
    tags: dict[str, str] = {}
    for part in text[:MAX_LENGTH].replace('"', "").replace("\\", "").split(";"):
        name, _, value = (piece.strip() for piece in part.partition("="))
        tags.setdefault(name.lower(), value)
    policy = _request(tags.get("p", "")) or Request.NONE
    kept = [f"{name}={tags[name]}" for name in tags if _is_understood(name, tags[name])]
    kept += [f"{name}={','.join(uris)}" for name in _MAILBOX_TAGS if (uris := _good(tags, name))]
    return "; ".join(["v=DMARC1", f"p={policy.value}", *kept])


def _is_sound(text: str) -> bool:
    try:
        return not read(text).overlooked
    except BadRecord:
        return False


def _is_understood(name: str, value: str) -> bool:
    return name in _VALUES and _VALUES[name].fullmatch(value) is not None


def _good(tags: dict[str, str], name: str) -> list[str]:
    """The usable addresses, with the ``mailto:`` that is forgotten most often."""
    found = []
    for uri in _uris(tags.get(name, "")):
        whole = uri if ":" in uri else f"mailto:{uri}"
        if _MAILBOX.fullmatch(whole):
            found.append(whole)
    return found
