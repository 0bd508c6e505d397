"""What a record leads to: its lookups and the records that it includes, whoever sends."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from mailfix.mail_records.clipping import clipped
from mailfix.mail_records.spf.evaluation import asks, record_of
from mailfix.mail_records.spf.macros import MacroString, shortened_name
from mailfix.mail_records.spf.problem import DnsFailure, SpfError
from mailfix.mail_records.spf.record import Kind, Mechanism, Modifier, Qualifier, Record, Term
from mailfix.model import Known
from mailfix.record_set import Lookup

MAX_FOLLOWED = 40
"""So many records of a tree are read; a receiver stops after ten lookups (RFC 7208 4.6.4)."""


@dataclass(frozen=True, slots=True)
class Reach:
    """What one or several terms lead to.

    ``lookups`` are those that an evaluation to the end costs. ``opens`` is the way to what lets
    every address pass, "" where there is none. ``problem`` says why an evaluation that gets there
    ends in "permerror"; ``is_dead`` tells that this is because the term leads to no SPF record at
    all. ``doubt`` says what could not be read.
    """

    lookups: int = 0
    opens: str = ""
    problem: str = ""
    doubt: str = ""
    is_dead: bool = False

    def __add__(self, other: Reach) -> Reach:
        return Reach(
            self.lookups + other.lookups,
            self.opens or other.opens,
            self.problem or other.problem,
            self.doubt or other.doubt,
        )


async def reach_of_terms(
    lookup: Lookup, record: Record, domain: str
) -> tuple[tuple[Term, Reach], ...]:
    """Return what each term of a domain's record leads to, the terms that are never reached aside.

    A record that an include names only through macros about the sender is not followed.
    """
    return await _Walk(lookup).terms(record, domain, (domain.lower(),))


def total(reaches: tuple[tuple[Term, Reach], ...]) -> Reach:
    return sum((reach for _, reach in reaches), Reach())


def reachable(record: Record) -> Iterator[Term]:
    """Yield the terms that an evaluation can come to, in its order (RFC 7208 section 6.1)."""
    for mechanism in record.mechanisms:
        yield mechanism
        if mechanism.kind is Kind.ALL:
            return
    if record.redirect:
        yield record.redirect


class _Walk:
    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup
        self._left = MAX_FOLLOWED

    async def terms(
        self, record: Record, domain: str, above: tuple[str, ...]
    ) -> tuple[tuple[Term, Reach], ...]:
        return tuple([(term, await self._term(term, domain, above)) for term in reachable(record)])

    async def _term(self, term: Term, domain: str, above: tuple[str, ...]) -> Reach:
        opening = _opens(term) or await self._always_exists(term, domain)
        own = Reach(lookups=int(asks(term)), opens=opening)
        target = _followed(term)
        if target is None:
            return own
        inner = await self._record(_name(target, domain), above)
        way = f"{clipped(term.text)} → "
        return Reach(
            own.lookups + inner.lookups,
            f"{way}{inner.opens}" if inner.opens and _passes_on(term) else "",
            f"{way}{inner.problem}" if inner.problem else "",
            inner.doubt,
            inner.is_dead,
        )

    async def _always_exists(self, term: Term, domain: str) -> str:
        """An ``exists`` that does not depend on the sender holds for all or for none (5.7)."""
        if isinstance(term, Modifier) or term.kind is not Kind.EXISTS or term.target is None:
            return ""
        if term.qualifier is not Qualifier.PASS or not term.target.letters <= {"d"}:
            return ""
        found = await self._lookup.lookup(_name(term.target, domain), "A")
        return clipped(term.text) if isinstance(found, Known) and found.value.records else ""

    async def _record(self, name: str, above: tuple[str, ...]) -> Reach:
        if name.lower() in above:
            return Reach(problem=f"the record of {clipped(name)}, which leads here: a loop")
        if self._left == 0:
            return Reach()
        self._left -= 1
        try:
            record = await record_of(self._lookup, name)
        except SpfError as error:
            return Reach(problem=str(error))
        except DnsFailure as failure:
            return Reach(doubt=str(failure))
        if record is None:
            return Reach(problem=f"{clipped(name)} has no SPF record", is_dead=True)
        found = total(await self.terms(record, name, (*above, name.lower())))
        return replace(found, is_dead=False)


def _followed(term: Term) -> MacroString | None:
    """Return where a term leads, if it leads to a record that does not depend on the sender."""
    if isinstance(term, Modifier):
        target = term.value if term.name == "redirect" else None
    else:
        target = term.target if term.kind is Kind.INCLUDE else None
    return target if target and target.letters <= {"d"} else None


def _name(target: MacroString, domain: str) -> str:
    return shortened_name(target.expand({"d": domain}))


def _passes_on(term: Term) -> bool:
    return isinstance(term, Modifier) or term.qualifier is Qualifier.PASS


def _opens(term: Term) -> str:
    """Return the term if it lets every address pass, "" if it does not."""
    if isinstance(term, Modifier) or term.qualifier is not Qualifier.PASS:
        return ""
    return clipped(term.text) if _matches_all(term) else ""


def _matches_all(mechanism: Mechanism) -> bool:
    """``a/0`` and ``mx/0`` do as soon as the name has any address."""
    if mechanism.network is not None:
        return mechanism.network.prefixlen == 0
    return mechanism.kind is Kind.ALL or 0 in (mechanism.ipv4_prefix, mechanism.ipv6_prefix)
