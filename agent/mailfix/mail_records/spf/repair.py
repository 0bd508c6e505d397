"""The smallest repair of an SPF record."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from typing import TypeGuard

from mailfix.mail_records.spf.evaluation import MAX_LOOKUPS, Mail, Result, check_host, mx_hosts
from mailfix.mail_records.spf.problem import SpfError
from mailfix.mail_records.spf.reach import reach_of_terms, reachable, total
from mailfix.mail_records.spf.record import (
    VERSION,
    Kind,
    Mechanism,
    Modifier,
    Qualifier,
    Record,
    Term,
    parse,
    parse_term,
)
from mailfix.model import Fact, Known
from mailfix.record_set import Lookup, RecordSet

MAX_MERGED = 8
LENIENCY = (Qualifier.NEUTRAL, Qualifier.SOFTFAIL, Qualifier.FAIL)
"""From the most lenient; ``+all`` is no choice, it would let everybody pass."""


async def repaired(
    lookup: Lookup, domain: str, texts: tuple[str, ...], addresses: tuple[str, ...]
) -> str | None:
    """Return the record that a domain should publish, so that mail from the addresses passes.

    All that is there is kept in its order; what is missing is put in as ``ip4:`` and ``ip6:``,
    which cost no lookup, as late as it has an effect. Spelling mistakes are corrected, several
    records become one, terms that lead to no record go. None where the record may stay as it is,
    and where only a human can tell: it costs more than ten lookups, or it cannot be read.
    """
    record = await _groundwork(lookup, domain, texts, addresses)
    if record is None:
        return None
    record = await _mended(lookup, record, domain)
    for address in addresses:
        record = await _admitting(lookup, domain, record, address)
    if texts == (record.text,):
        return None
    return record.text if await _is_sound(lookup, domain, record, addresses) else None


async def _groundwork(
    lookup: Lookup, domain: str, texts: tuple[str, ...], addresses: tuple[str, ...]
) -> Record | None:
    """Return one record that can be read."""
    if not texts:
        text = await _new(lookup, domain, addresses)
        return parse(text) if text else None
    if len(texts) == 1:
        return _readable(texts[0]) or _readable(corrected(texts[0]))
    if len(texts) > MAX_MERGED:
        return None
    records = [_readable(text) or _readable(corrected(text)) for text in texts]
    readable = [record for record in records if record]
    return merged(readable) if len(readable) == len(texts) else None


async def _new(lookup: Lookup, domain: str, addresses: tuple[str, ...]) -> str | None:
    """Write a record where there is none.

    The host's addresses come first, where they cost nothing, then the hosts that take the domain's
    mail. It ends in ``~all``: nobody knows here who else sends for the domain, and with DMARC a
    softfail counts like a fail.
    """
    if not addresses:
        return None
    exchange = await lookup.lookup(domain, "MX")
    takes_mail = isinstance(exchange, Known) and bool(mx_hosts(exchange.value.records))
    mechanisms = [_address_term(address) for address in addresses]
    return _text([*mechanisms, *(["mx"] if takes_mail else []), "~all"])


def merged(records: list[Record]) -> Record:
    """Make one record of several: all their terms in order, each once.

    Of different ``all`` the most lenient is kept, since together the records never refused
    anything: what one of their authors meant to let through must not be refused now. A redirect
    becomes an include, unless it is all that the records end in.
    """
    terms = [term for record in records for term in reachable(record)]
    qualifiers = {term.qualifier for term in terms if _is_all(term)}
    redirects = {term.text.lower() for term in terms if isinstance(term, Modifier)}
    if qualifiers or len(redirects) > 1:
        terms = [_included(term) for term in terms]
    mechanisms = [term.text for term in terms if isinstance(term, Mechanism) and not _is_all(term)]
    ending = [f"{_ending(qualifiers)}all"] if qualifiers else []
    modifiers = [term.text for term in terms if isinstance(term, Modifier)]
    explanations = [record.explanation.text for record in records if record.explanation]
    written = [*mechanisms, *ending, *modifiers, *_without_meaning(records), *explanations[:1]]
    return parse(_text(_each_once(written)))


def corrected(text: str) -> str:
    """Correct what is commonly misspelt in an SPF record; the rest stays as it is."""
    for typed, meant in _TYPOGRAPHY.items():
        text = text.replace(typed, meant)
    text = _DETACHED.sub(r"\1", text)
    return _text(each for term in text[len(VERSION) :].split() for each in _separated(term))


_TYPOGRAPHY = {
    "\xe2\x80\x93": "-",  # en dash, in UTF-8 as DNS holds it
    "\xe2\x80\x94": "-",
    "\xe2\x80\x91": "-",
    "\xc2\xa0": " ",
}
_DETACHED = re.compile(r"( [-+~?]?(?:ip4|ip6|include|exists|redirect)[:=]) +", re.IGNORECASE)
_NAMED = re.compile(r"([-+~?]?)([A-Za-z0-9]+)[:=](.+)", re.DOTALL)
_WHOLE_NETWORK = re.compile(r"(?<!/)/0(?=//|$)|//0$")
_NEEDS_ADDRESS = {"ip", "ip4", "ip6", "ipv4", "ipv6"}
_TAKES_NAME = {"a", "mx", "include"}


def _separated(term: str) -> list[str]:
    """Correct a term, and part several that were written with commas between them."""
    whole = _corrected_term(term)
    parts = [_corrected_term(part) for part in re.split("[,;]", term) if part]
    return parts if not _is_well_formed(whole) and all(map(_is_well_formed, parts)) else [whole]


def _corrected_term(term: str) -> str:
    term = term.rstrip(",;")
    if _is_well_formed(term):
        return term
    bare = term.lstrip("-+~?")
    if bare.lower() == "all.":
        return term[:-1]
    if bare.lower().startswith("redirect:"):
        return f"redirect={bare[len('redirect:') :]}"
    if _address_kind(bare):
        return f"{term[: -len(bare)]}{_address_kind(bare)}:{bare}"
    named = _NAMED.fullmatch(term)
    if named and named[2].lower() in _NEEDS_ADDRESS | _TAKES_NAME and _address_kind(named[3]):
        return f"{named[1]}{_address_kind(named[3])}:{named[3]}"
    return term


def _is_well_formed(term: str) -> bool:
    try:
        parse_term(term)
    except SpfError:
        return False
    return True


def _address_kind(text: str) -> str:
    """Return "ip4" or "ip6" for an address or a network, "" for anything else."""
    try:
        return f"ip{ipaddress.ip_network(text, strict=False).version}"
    except ValueError:
        return ""


async def _mended(lookup: Lookup, record: Record, domain: str) -> Record:
    """Narrow the record's own terms that let every address pass, and drop dead includes.

    Those name a record that is not there, and only make a "permerror".
    """
    written = {term.text: term.text for term in record.terms}
    for term, reach in await reach_of_terms(lookup, record, domain):
        if reach.is_dead:
            written[term.text] = ""
        elif reach.opens:
            written[term.text] = _narrowed(term)
    texts = [written[term.text] for term in record.terms]
    unchanged = texts == [term.text for term in record.terms]
    return record if unchanged else parse(_text(filter(None, texts)))


def _narrowed(term: Term) -> str:
    """What somebody meant who let every address pass; "" where that can be nothing else.

    ``a/0`` is the host itself, and so is an ``exists`` that does not depend on the sender.
    """
    match term:
        case Mechanism(kind=Kind.ALL):
            return "~all"
        case Mechanism(kind=Kind.A | Kind.MX):
            return _WHOLE_NETWORK.sub("", term.text)
        case Mechanism(kind=Kind.EXISTS):
            return re.sub("exists:", "a:", term.text, count=1, flags=re.IGNORECASE)
        case Mechanism(kind=Kind.IP4 | Kind.IP6):
            return ""
    return term.text


async def _admitting(lookup: Lookup, domain: str, record: Record, address: str) -> Record:
    """Let an address pass: put it in before the first term that decides otherwise."""
    if await _result(lookup, domain, record, address) in (Result.PASS, Result.TEMPERROR):
        return record
    for place in _places(record):
        terms = [*record.terms]
        terms.insert(place, parse_term(_address_term(address)))
        candidate = _of_terms(terms)
        if await _result(lookup, domain, candidate, address) is Result.PASS:
            return candidate
    return record


def _places(record: Record) -> range:
    """Return where a mechanism can be put in, the latest place with an effect first."""
    last = record.catch_all
    mechanisms = [place for place, term in enumerate(record.terms) if isinstance(term, Mechanism)]
    end = record.terms.index(last) if last else max(mechanisms, default=-1) + 1
    return range(end, -1, -1)


async def _is_sound(
    lookup: Lookup, domain: str, record: Record, addresses: tuple[str, ...]
) -> bool:
    reach = total(await reach_of_terms(lookup, record, domain))
    results = [await _result(lookup, domain, record, address) for address in addresses]
    passing = all(result in (Result.PASS, Result.TEMPERROR) for result in results)
    return passing and not reach.problem and reach.lookups <= MAX_LOOKUPS


async def _result(lookup: Lookup, domain: str, record: Record, address: str) -> Result:
    published = _Published(lookup, domain, record.text)
    mail = Mail(address, f"postmaster@{domain}", domain)
    return (await check_host(published, mail, domain)).result


class _Published:
    """DNS as it were if a domain had published a record."""

    def __init__(self, lookup: Lookup, domain: str, text: str) -> None:
        self._lookup = lookup
        self._question = (domain.lower(), "TXT")
        self._text = text

    async def lookup(self, name: str, rdtype: str) -> Fact[RecordSet]:
        if (name.lower(), rdtype) == self._question:
            return Known(RecordSet((self._text,), exists=True))
        return await self._lookup.lookup(name, rdtype)


def _readable(text: str) -> Record | None:
    try:
        return parse(text)
    except SpfError:
        return None


def _of_terms(terms: Iterable[Term]) -> Record:
    return parse(_text(term.text for term in terms))


def _text(terms: Iterable[str]) -> str:
    return " ".join([VERSION, *terms])


def _address_term(address: str) -> str:
    parsed = ipaddress.ip_address(address)
    return f"ip{parsed.version}:{parsed}"


def _is_all(term: Term) -> TypeGuard[Mechanism]:
    return isinstance(term, Mechanism) and term.kind is Kind.ALL


def _included(term: Term) -> Term:
    return parse_term(f"include:{term.value.text}") if isinstance(term, Modifier) else term


def _without_meaning(records: list[Record]) -> list[str]:
    """Return the modifiers that SPF does not know (RFC 7208 section 6)."""
    modifiers = [term for each in records for term in each.terms if isinstance(term, Modifier)]
    return [each.text for each in modifiers if each.name not in ("redirect", "exp")]


def _ending(qualifiers: set[Qualifier]) -> Qualifier:
    return next((each for each in LENIENCY if each in qualifiers), Qualifier.SOFTFAIL)


def _each_once(terms: Iterable[str]) -> list[str]:
    seen: dict[str, str] = {}
    for term in terms:
        seen.setdefault(term.lower().removeprefix("+"), term)
    return [*seen.values()]
