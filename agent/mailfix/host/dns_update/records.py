"""The records of one name and type, written as in a zone file (RFC 1035 section 5.1)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from mailfix.host.dns_update.trouble import Refused
from mailfix.mail_records.proposal import presented

if TYPE_CHECKING:
    import dns.message
    import dns.rdata
    import dns.rrset

MAX_RECORDS = 100
MAX_BYTES = 48 * 1024

Answer: TypeAlias = frozenset[tuple[str, str, bytes]]
"""Of each record of an answer: owner, type, data in canonical form (RFC 4034 section 6.2)."""


@dataclass(frozen=True, slots=True)
class Records:
    """``rdata`` is in presentation form, a TXT record with its strings quoted, all of it sorted.

    ``ttl`` is in seconds, 0 without records.
    """

    rdata: tuple[str, ...] = ()
    ttl: int = 0

    def lines(self, name: str, rdtype: str) -> list[str]:
        """The lines of a zone file."""
        return [f"{name}. {self.ttl} IN {rdtype} {each}" for each in self.rdata]


def is_like(rdtype: str, one: Records, other: Records) -> bool:
    """Whether the records are the same; the TTL may differ."""
    return _canonical(rdtype, one.rdata) == _canonical(rdtype, other.rdata)


def _canonical(rdtype: str, written_records: Iterable[str]) -> frozenset[bytes]:
    return frozenset(parsed(rdtype, each).to_digestable() for each in written_records)


def written(rdtype: str, record: str) -> str:
    """The presentation form of a record as :class:`mailfix.record_set.RecordSet` has it.

    Raises :class:`Refused` for what is no record of that type.
    """
    return parsed(rdtype, presented(rdtype, record)).to_text()


def held_as(records: Records, rdtype: str, record: str) -> str | None:
    """The presentation form in which the set holds the record, None where it does not."""
    wanted = parsed(rdtype, written(rdtype, record))
    found = (each for each in records.rdata if _says(parsed(rdtype, each)) == _says(wanted))
    return next(found, None)


def _says(record: dns.rdata.Rdata) -> bytes:
    """A TXT record says the same however it is divided into strings."""
    import dns.rdtypes.ANY.TXT

    if isinstance(record, dns.rdtypes.ANY.TXT.TXT):
        return b"".join(record.strings)
    return record.to_digestable()


def parsed(rdtype: str, text: str) -> dns.rdata.Rdata:
    """The record of a presentation form; every name in it is absolute, with its last dot or not."""
    import dns.exception
    import dns.name
    import dns.rdata

    try:
        return dns.rdata.from_text("IN", rdtype, text, dns.name.root, relativize=False)
    except (dns.exception.DNSException, ValueError, UnicodeError):
        raise Refused(f"{text[:80]!r} is no {rdtype} record") from None


def of_rrset(rrset: dns.rrset.RRset, label: str) -> Records:
    """Raises Refused for more than can be shown to anybody before it is changed."""
    texts = tuple(sorted(each.to_text() for each in rrset))
    if len(texts) > MAX_RECORDS or sum(map(len, texts)) > MAX_BYTES:
        raise Refused(f"{label} holds too much to be changed by a program")
    return Records(texts, rrset.ttl)


def of_answer(response: dns.message.Message) -> Answer:
    """The whole answer section, aliases included, without signatures and TTLs."""
    import dns.rdatatype

    return frozenset(
        (str(rrset.name).lower(), dns.rdatatype.to_text(rrset.rdtype), each.to_digestable())
        for rrset in response.answer
        if rrset.rdtype != dns.rdatatype.RRSIG
        for each in rrset
    )
