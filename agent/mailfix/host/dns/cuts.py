"""Which zone holds a name, and where the zone's name servers are (RFC 1034 section 4.2)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from mailfix.host.dns.asking import Heard
from mailfix.host.dns.name_servers import NameServers
from mailfix.host.dns.question import NotAName, Question
from mailfix.host.dns.referral import Referral, read_referral
from mailfix.host.dns.shared import Shared
from mailfix.mail_records.domain_name import is_within
from mailfix.model import Fact, Known, Unknown
from mailfix.record_set import Lookup

ROOT = "."
ALIAS = "its name is a CNAME, which many resolvers do not follow (RFC 2181 section 10.3)"
NO_ADDRESS = "its name has no address"
MAX_SERVER_NAMES = 13
MAX_ADDRESSES = 16
MAX_DEPTH = 5


@dataclass(frozen=True, slots=True)
class Place:
    """One address of a name server; without an address, ``trouble`` says why there is none.

    ``fault`` is what is wrong with the name, whoever asks.
    """

    name: str
    address: str = ""
    trouble: str = ""
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Cut:
    """The apex of a zone and the places where it is served."""

    apex: str
    places: tuple[Place, ...]


class Cuts:
    """Finds zones: with the resolver, and past what it cannot tell with the parent's referrals."""

    def __init__(self, resolver: Lookup, servers: NameServers) -> None:
        self._resolver = resolver
        self._servers = servers
        self._found: Shared[str, Fact[Cut]] = Shared()
        self._at: Shared[str, Cut] = Shared()

    async def above(self, name: str) -> Fact[Cut]:
        """Return the zone that holds a name."""
        return await self._found.get(name, lambda: self._above(name))

    async def below(self, cut: Cut, name: str) -> Cut:
        """Follow the referrals from a zone down to the one that holds the name."""
        for _ in range(MAX_DEPTH):
            referral = await self._referral(cut, name)
            if referral is None:
                return cut
            cut = Cut(referral.apex, await self._places(referral.servers, referral))
        return cut

    async def _above(self, name: str) -> Fact[Cut]:
        doubt: Unknown | None = None
        for candidate in ancestors(name):
            told = await self._resolver.lookup(candidate, "NS")
            if isinstance(told, Unknown):
                doubt = told
            elif told.value.records and not told.value.owner:
                named = told.value.records
                cut = await self._at.get(candidate, partial(self._cut, candidate, named))
                return Known(cut if doubt is None else await self.below(cut, name))
        return doubt or Unknown(f"DNS knows no zone that holds {name}")

    async def _cut(self, apex: str, named: tuple[str, ...]) -> Cut:
        return Cut(apex, await self._places(named, Referral(apex)))

    async def _places(self, names: tuple[str, ...], glue: Referral) -> tuple[Place, ...]:
        each = await asyncio.gather(
            *(self._places_of(name, glue) for name in names[:MAX_SERVER_NAMES])
        )
        return tuple(place for places in each for place in places)[:MAX_ADDRESSES]

    async def _places_of(self, name: str, glue: Referral) -> list[Place]:
        told = [await self._resolver.lookup(name, rdtype) for rdtype in ("A", "AAAA")]
        known = [each.value for each in told if isinstance(each, Known)]
        found = [address for each in known for address in each.records]
        found = found or [address for owner, address in glue.addresses if owner == name]
        if found:
            fault = ALIAS if any(each.owner not in ("", name) for each in known) else ""
            reachable = (address for address in found if self._servers.is_reachable(address))
            return [Place(name, address, fault=fault) for address in reachable]
        doubt = next((each.reason for each in told if isinstance(each, Unknown)), "")
        if doubt:
            return [Place(name, trouble=doubt)]
        return [Place(name, trouble=NO_ADDRESS, fault=NO_ADDRESS)]

    async def _referral(self, cut: Cut, name: str) -> Referral | None:
        """Ask one server after the other until one answers, with a referral or otherwise."""
        try:
            question = Question.about(name, "SOA")
        except NotAName:
            return None
        for place in cut.places:
            if not place.address:
                continue
            heard = await self._servers.ask(place.address, question)
            if isinstance(heard, Heard):
                referral = read_referral(heard.reply) if heard.reply.is_referral else None
                return referral if referral and _leads_down(cut.apex, referral, name) else None
        return None


def ancestors(name: str) -> Iterator[str]:
    """The name, its parent and so on up to the root."""
    while name not in ("", ROOT):
        yield name
        name = name.partition(".")[2]
    yield ROOT


def _is_at_or_below(name: str, apex: str) -> bool:
    return apex == ROOT or is_within(name, apex)


def _leads_down(apex: str, referral: Referral, name: str) -> bool:
    below = referral.apex != apex and _is_at_or_below(referral.apex, apex)
    return below and is_within(name, referral.apex)
