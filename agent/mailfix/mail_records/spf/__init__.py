"""Which hosts may send for a domain (RFC 7208)."""

from __future__ import annotations

from dataclasses import dataclass

from mailfix.mail_records.mail_host import MailHost
from mailfix.model import Fact, PerFamily, Unknown
from mailfix.record_set import Lookup


@dataclass(frozen=True, slots=True)
class SpfPolicy:
    """The SPF record of a domain, whoever sends."""


@dataclass(frozen=True, slots=True)
class SpfVerdict:
    """What ``check_host()`` says of mail from one address of this host (RFC 7208 section 4)."""

    address: str


async def examine_policy(lookup: Lookup, domain: str, host: MailHost) -> Fact[SpfPolicy]:
    """Ask for the record and read it."""
    return Unknown("not built yet")


async def examine_verdicts(
    lookup: Lookup, domain: str, host: MailHost
) -> PerFamily[SpfVerdict | None]:
    """Judge each address of this host; None where it does not send over the family."""
    return PerFamily(Unknown("not built yet"), Unknown("not built yet"))
