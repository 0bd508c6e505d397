"""Where mail for a domain goes (RFC 5321 section 5.1)."""

from __future__ import annotations

from dataclasses import dataclass

from mailfix.mail_records.mail_host import MailHost
from mailfix.model import Fact, Unknown
from mailfix.record_set import Lookup


@dataclass(frozen=True, slots=True)
class MailExchange:
    """The MX set of a domain."""


async def examine(lookup: Lookup, domain: str, host: MailHost) -> Fact[MailExchange]:
    """Ask for the MX set and what it leads to."""
    return Unknown("not built yet")
