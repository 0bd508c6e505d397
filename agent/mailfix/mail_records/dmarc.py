"""What a domain asks of receivers about mail that is not authenticated (RFC 7489)."""

from __future__ import annotations

from dataclasses import dataclass

from mailfix.model import Fact, Unknown
from mailfix.record_set import Lookup


@dataclass(frozen=True, slots=True)
class DmarcPolicy:
    """The policy that holds for a domain."""


async def examine(lookup: Lookup, domain: str, suffixes: Fact[object]) -> Fact[DmarcPolicy]:
    """Ask for the policy of the domain, or of its organisational domain."""
    return Unknown("not built yet")
