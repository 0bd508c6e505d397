"""The signature that the MTA puts on a domain's mail, and the key that DNS publishes (RFC 6376)."""

from __future__ import annotations

from dataclasses import dataclass

from mailfix.model import Fact, Unknown
from mailfix.record_set import Lookup


@dataclass(frozen=True, slots=True)
class Signing:
    """How the MTA signs mail of a domain."""


@dataclass(frozen=True, slots=True)
class PublishedKey:
    """The key record of a selector."""


async def examine(
    lookup: Lookup, domain: str, signing: Fact[Signing | None]
) -> Fact[PublishedKey | None]:
    """Ask for the key record of the selector that is used; None where nothing is signed."""
    return Unknown("not built yet")
