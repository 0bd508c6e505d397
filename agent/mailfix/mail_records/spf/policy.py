"""The SPF record of a domain, whoever sends."""

from __future__ import annotations

from dataclasses import dataclass

from mailfix.mail_records.clipping import clipped
from mailfix.mail_records.mail_host import MailHost
from mailfix.mail_records.proposal import ProposedSet
from mailfix.mail_records.spf.evaluation import MAX_LOOKUPS, mx_hosts
from mailfix.mail_records.spf.problem import SpfError
from mailfix.mail_records.spf.reach import Reach, reach_of_terms, total
from mailfix.mail_records.spf.record import Kind, Mechanism, Qualifier, Record, Term, is_spf, parse
from mailfix.mail_records.spf.repair import repaired
from mailfix.model import Fact, Known, Unknown
from mailfix.record_set import Lookup, RecordSet

MAX_SHOWN = 8
SHOWN_LENGTH = 300
MAX_PROPOSED = 4096
"""Longer records are left to a human: nobody wrote them by hand."""


@dataclass(frozen=True, slots=True)
class SpfPolicy:
    """The SPF records of a domain and what the one record leads to (RFC 7208).

    ``count`` is how many there are, ``texts`` are the first of them, clipped. ``problem`` says why
    receivers end in "permerror", by the record's syntax or by what it includes; ``doubt`` what of
    its tree could not be read. ``lookups`` are those that an evaluation to the end costs, and
    ``costs`` are its terms with what each of them costs, where that is over the limit. ``opens`` is
    the way to what lets everybody pass, "" where nothing does. ``is_mute`` tells that the domain
    says that it sends no mail at all: ``v=spf1 -all`` and a null MX (RFC 7505).

    ``proposal`` is what the domain should publish; None where nothing is wrong with the record and
    the host passes it, or where only a human can tell.
    """

    count: int
    texts: tuple[str, ...] = ()
    problem: str = ""
    doubt: str = ""
    lookups: int = 0
    costs: tuple[str, ...] = ()
    opens: str = ""
    uses_ptr: bool = False
    is_mute: bool = False
    proposal: ProposedSet | None = None


async def examine_policy(lookup: Lookup, domain: str, host: MailHost) -> Fact[SpfPolicy]:
    """Ask for the record, read it, and follow what it includes."""
    found = await lookup.lookup(domain, "TXT")
    if isinstance(found, Unknown):
        return found
    texts = tuple(text for text in found.value.records if is_spf(text))
    shown = tuple(clipped(text, SHOWN_LENGTH) for text in texts[:MAX_SHOWN])
    record, problem = _read(texts)
    if record is not None and await _is_mute(lookup, record, domain):
        return Known(SpfPolicy(1, shown, is_mute=True))
    reaches = await reach_of_terms(lookup, record, domain) if record else ()
    reach = total(reaches)
    return Known(
        SpfPolicy(
            len(texts),
            shown,
            problem or reach.problem,
            reach.doubt,
            reach.lookups,
            _costs(reaches) if reach.lookups > MAX_LOOKUPS else (),
            reach.opens,
            record is not None and any(each.kind is Kind.PTR for each in record.mechanisms),
            proposal=await _proposed(lookup, domain, host, found.value),
        )
    )


def _read(texts: tuple[str, ...]) -> tuple[Record | None, str]:
    """Return the one record, or what is wrong with it."""
    if len(texts) != 1:
        return None, ""
    try:
        return parse(texts[0]), ""
    except SpfError as error:
        return None, str(error)


async def _is_mute(lookup: Lookup, record: Record, domain: str) -> bool:
    only = record.terms[0] if len(record.terms) == 1 else None
    if not isinstance(only, Mechanism) or only.kind is not Kind.ALL:
        return False
    if only.qualifier is not Qualifier.FAIL:
        return False
    exchange = await lookup.lookup(domain, "MX")
    if isinstance(exchange, Unknown):
        return False
    return bool(exchange.value.records) and not mx_hosts(exchange.value.records)


def _costs(reaches: tuple[tuple[Term, Reach], ...]) -> tuple[str, ...]:
    costly = sorted(
        ((reach.lookups, term.text) for term, reach in reaches if reach.lookups), reverse=True
    )
    return tuple(f"{clipped(text)} costs {lookups}" for lookups, text in costly[:MAX_SHOWN])


async def _proposed(
    lookup: Lookup, domain: str, host: MailHost, found: RecordSet
) -> ProposedSet | None:
    texts = tuple(text for text in found.records if is_spf(text))
    if any(len(text) > MAX_PROPOSED for text in texts):
        return None
    senders = (host.senders.ipv4, host.senders.ipv6)
    addresses = tuple(
        fact.value for fact in senders if isinstance(fact, Known) and fact.value is not None
    )
    text = await repaired(lookup, domain, texts, addresses)
    if not text:
        return None
    going = () if found.owner else texts
    return ProposedSet(domain, "TXT", (text,), going, alias_of=found.owner)
