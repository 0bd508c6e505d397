"""An SPF record, read (RFC 7208 sections 4.5, 4.6.1, 5, 6 and 12)."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import TypeAlias

from mailfix.mail_records.clipping import clipped
from mailfix.mail_records.spf.macros import (
    MacroString,
    parse_domain_spec,
    parse_macro_string,
)
from mailfix.mail_records.spf.problem import SpfError

VERSION = "v=spf1"
COMMON_LENGTH = 1024
"""Records up to this length are kept once read: thousands of domains share a few of them."""

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network


class Qualifier(StrEnum):
    """What a mechanism says of those that it matches (RFC 7208 section 4.6.2)."""

    PASS = "+"
    FAIL = "-"
    SOFTFAIL = "~"
    NEUTRAL = "?"


class Kind(StrEnum):
    """The mechanisms (RFC 7208 section 5)."""

    ALL = "all"
    INCLUDE = "include"
    A = "a"
    MX = "mx"
    PTR = "ptr"
    IP4 = "ip4"
    IP6 = "ip6"
    EXISTS = "exists"


ASKING = frozenset({Kind.INCLUDE, Kind.A, Kind.MX, Kind.PTR, Kind.EXISTS})
"""Those that cost a DNS lookup (RFC 7208 section 4.6.4)."""


@dataclass(frozen=True, slots=True)
class Mechanism:
    """One mechanism; ``target`` is None where it is about the domain of the record itself.

    ``network`` is given with ``ip4`` and ``ip6`` only; the prefix lengths count for ``a`` and
    ``mx``.
    """

    text: str
    qualifier: Qualifier
    kind: Kind
    target: MacroString | None = None
    network: Network | None = None
    ipv4_prefix: int = 32
    ipv6_prefix: int = 128


@dataclass(frozen=True, slots=True)
class Modifier:
    """``name=value``; the name is in lower case."""

    text: str
    name: str
    value: MacroString


Term: TypeAlias = Mechanism | Modifier


@dataclass(frozen=True, slots=True)
class Record:
    """A record without a syntax error; ``terms`` are in the order in which they are written."""

    text: str
    terms: tuple[Term, ...]
    mechanisms: tuple[Mechanism, ...]
    redirect: Modifier | None = None
    explanation: Modifier | None = None

    @property
    def catch_all(self) -> Mechanism | None:
        """The first ``all``: what is written behind it is never reached."""
        return next((each for each in self.mechanisms if each.kind is Kind.ALL), None)


_TERM = re.compile(
    r"(?P<qualifier>[-+?~]?)(?P<name>[A-Za-z][A-Za-z0-9]*)(?P<rest>[:/].*)?", re.DOTALL
)
_MODIFIER = re.compile(r"(?P<name>[A-Za-z][A-Za-z0-9_.-]*)=(?P<value>.*)", re.DOTALL)
_PREFIX = r"(?:0|[1-9][0-9]{0,2})"
_DUAL_PREFIX = re.compile(rf"(?:/(?P<ipv4>{_PREFIX}))?(?://(?P<ipv6>{_PREFIX}))?")
_SUFFIX = re.compile(r"(?://?[0-9]+)+", re.DOTALL)
_NETWORK = re.compile(rf":[0-9A-Fa-f.:]+(?:/{_PREFIX})?")
_KINDS = {kind.value: kind for kind in Kind}
_MEANT = {"ipv4": "ip4", "ip": "ip4", "ipv6": "ip6", "prt": "ptr"}


def is_spf(text: str) -> bool:
    """Tell whether a TXT record is an SPF record, well written or not (section 4.5)."""
    return text[: len(VERSION)].lower() == VERSION and text[len(VERSION) :][:1] in ("", " ")


def parse(text: str) -> Record:
    """Read an SPF record; raises :class:`SpfError` for any syntax error, wherever it stands."""
    return _parse_common(text) if len(text) <= COMMON_LENGTH else _parse_long(text)


def parse_term(text: str) -> Term:
    """Read one term; raises :class:`SpfError`."""
    modifier = _MODIFIER.fullmatch(text)
    if modifier:
        return _modifier(text, modifier["name"].lower(), modifier["value"])
    mechanism = _TERM.fullmatch(text)
    if mechanism is None:
        raise SpfError(f"{clipped(text)!r} is neither a mechanism nor a modifier")
    return _mechanism(text, mechanism)


def _parse(text: str) -> Record:
    terms = tuple(parse_term(term) for term in text[len(VERSION) :].split(" ") if term)
    return Record(
        text,
        terms,
        tuple(term for term in terms if isinstance(term, Mechanism)),
        _only(terms, "redirect"),
        _only(terms, "exp"),
    )


_parse_common = lru_cache(maxsize=2048)(_parse)
_parse_long = lru_cache(maxsize=4)(_parse)


def _only(terms: tuple[Term, ...], name: str) -> Modifier | None:
    found = [term for term in terms if isinstance(term, Modifier) and term.name == name]
    if len(found) > 1:
        raise SpfError(f"{name}= is given {len(found)} times")
    return found[0] if found else None


def _modifier(text: str, name: str, value: str) -> Modifier:
    read = parse_domain_spec if name in ("redirect", "exp") else parse_macro_string
    return Modifier(text, name, _blamed(read, text, value))


def _mechanism(text: str, found: re.Match[str]) -> Mechanism:
    kind = _KINDS.get(found["name"].lower())
    if kind is None:
        raise SpfError(_no_such_mechanism(text, found["name"].lower()))
    qualifier = Qualifier(found["qualifier"] or "+")
    rest = found["rest"] or ""
    match kind:
        case Kind.ALL:
            if rest:
                raise SpfError(f"{clipped(text)!r}: nothing may follow {kind}")
            return Mechanism(text, qualifier, kind)
        case Kind.IP4 | Kind.IP6:
            return Mechanism(text, qualifier, kind, network=_network(text, kind, rest))
        case Kind.A | Kind.MX:
            return _address_mechanism(text, qualifier, kind, rest)
        case _:
            return Mechanism(text, qualifier, kind, _target(text, kind, rest))


def _no_such_mechanism(text: str, name: str) -> str:
    hint = f" ({_MEANT[name]}: is meant)" if name in _MEANT else ""
    return f"{clipped(text)!r}: there is no mechanism {clipped(name)}{hint}"


def _network(text: str, kind: Kind, rest: str) -> Network:
    read = ipaddress.IPv4Network if kind is Kind.IP4 else ipaddress.IPv6Network
    try:
        if _NETWORK.fullmatch(rest):
            return read(rest[1:], strict=False)
    except ValueError:
        pass
    version = "IPv4" if kind is Kind.IP4 else "IPv6"
    raise SpfError(f"{clipped(text)!r}: {kind}: takes an {version} address or network")


def _address_mechanism(text: str, qualifier: Qualifier, kind: Kind, rest: str) -> Mechanism:
    spec, suffix = _without_suffix(rest)
    prefixes = _DUAL_PREFIX.fullmatch(suffix)
    ipv4, ipv6 = (prefixes["ipv4"] or "32", prefixes["ipv6"] or "128") if prefixes else ("", "")
    if prefixes is None or int(ipv4) > 32 or int(ipv6) > 128:
        raise SpfError(f"{clipped(text)!r}: {clipped(suffix)} is no prefix length")
    target = _blamed(parse_domain_spec, text, spec[1:]) if spec else None
    return Mechanism(text, qualifier, kind, target, ipv4_prefix=int(ipv4), ipv6_prefix=int(ipv6))


def _without_suffix(rest: str) -> tuple[str, str]:
    """Part ``:name/24//64`` where the prefix lengths begin."""
    start = len(rest.rstrip("0123456789/"))
    slash = rest.find("/", start)
    if slash < 0 or not _SUFFIX.fullmatch(rest, slash):
        return rest, ""
    return rest[:slash], rest[slash:]


def _target(text: str, kind: Kind, rest: str) -> MacroString | None:
    if kind is Kind.PTR and not rest:
        return None
    if not rest.startswith(":"):
        raise SpfError(f"{clipped(text)!r}: {kind} needs a colon and a name")
    return _blamed(parse_domain_spec, text, rest[1:])


def _blamed(read: Callable[[str], MacroString], term: str, value: str) -> MacroString:
    """Read a part of a term; where that fails, name the term, too."""
    try:
        return read(value)
    except SpfError as error:
        raise SpfError(f"{clipped(term)!r}: {error}") from None
