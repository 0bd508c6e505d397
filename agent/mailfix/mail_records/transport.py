"""TLS that senders are told to insist on: MTA-STS, DANE, and the reports about it."""

from __future__ import annotations

from dataclasses import dataclass

from mailfix.model import Fact, Unknown
from mailfix.record_set import Lookup


@dataclass(frozen=True, slots=True)
class TransportPolicy:
    """MTA-STS (RFC 8461), TLS-RPT (RFC 8460) and TLSA (RFC 7672) of a domain."""


async def examine(lookup: Lookup, domain: str) -> Fact[TransportPolicy]:
    """Ask for all of it."""
    return Unknown("not built yet")
