"""A DNS answer, and whoever can be asked for one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from mailfix.model import Fact


@dataclass(frozen=True, slots=True)
class RecordSet:
    """The records of one name and type, sorted, in presentation form.

    Host names are in lower case without their last dot. A TXT record is its strings joined, one
    character for each byte (Latin-1), neither quoted nor escaped (RFC 7208 section 3.3).
    ``exists`` is False for NXDOMAIN; an existing name without records of the type (NODATA,
    RFC 2308 section 2.2) has ``exists`` True and no records.

    ``ttl`` is in seconds, 0 without records. ``owner`` is the name that holds the records, at the
    end of all CNAMEs, "" where it is the name that was asked. ``secure`` tells that the resolver
    vouches for the answer by DNSSEC (AD, RFC 4035 section 3.2.3). ``servers`` are the zone's own
    name servers that gave this answer, each as ``ns1.example.com (192.0.2.1)``; empty where a
    resolver gave it.
    """

    records: tuple[str, ...]
    exists: bool
    ttl: int = field(default=0, compare=False)
    owner: str = field(default="", compare=False)
    secure: bool = field(default=False, compare=False)
    servers: tuple[str, ...] = field(default=(), compare=False)


class Lookup(Protocol):
    """Whoever can be asked for a record set; every question is put once."""

    async def lookup(self, name: str, rdtype: str) -> Fact[RecordSet]:
        """Return the record set; Unknown for silence, SERVFAIL, REFUSED, referrals and garbage."""
