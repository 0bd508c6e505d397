"""What the configured blocklists say of an address of this host."""

from __future__ import annotations

import asyncio

from mailfix.mail_records.dnsbl import Listing, examine
from mailfix.model import Fact, Known
from mailfix.record_set import Lookup


async def read(
    lookup: Lookup, address: str | None, zones: tuple[str, ...]
) -> Fact[tuple[Listing, ...]]:
    """Ask every list at once; None is the address of a family that mail does not leave over."""
    if address is None:
        return Known(())
    return Known(tuple(await asyncio.gather(*(examine(lookup, address, zone) for zone in zones))))
