"""What this host and the hosts of MTA-STS policies show over TLS, each asked once."""

from __future__ import annotations

import asyncio

from mailfix.host import Host, https, starttls
from mailfix.host.dns.shared import Shared
from mailfix.mail_records.mx import Target
from mailfix.mail_records.transport import Fetched, vouched_for
from mailfix.model import Fact, Known, Unknown
from mailfix.record_set import RecordSet

POLICY_S = 5.0
CERTIFICATE_S = 5.0
MAX_ADDRESSES = 2
MAX_AT_ONCE = 8
OK = 200
LOOPBACK = "127.0.0.1"
POLICY_PATH = "/.well-known/mta-sts.txt"


class ShownOverTls:
    """The answers of the world that :mod:`mailfix.mail_records.transport` asks for."""

    def __init__(self, host: Host, own_name: str = "localhost") -> None:
        self._host = host
        self._own_name = own_name
        self._places = asyncio.Semaphore(MAX_AT_ONCE)
        self._policies: Shared[str, Fact[Fetched]] = Shared()
        self._chains: Shared[str, Fact[tuple[bytes, ...]]] = Shared()

    async def policy(self, domain: str) -> Fact[Fetched]:
        """Fetch the MTA-STS policy of a domain (RFC 8461 section 3.3)."""
        return await self._policies.get(domain, lambda: self._fetch(f"mta-sts.{domain}"))

    async def _fetch(self, name: str) -> Fact[Fetched]:
        addresses = _first(
            await self._host.dns.lookup(name, "A"), await self._host.dns.lookup(name, "AAAA")
        )
        if isinstance(addresses, Unknown):
            return addresses
        if not addresses.value:
            return Known(Fetched(trouble=f"{name}, which serves the policy, has no address"))
        answer: Fact[https.Page] = Unknown(f"{name} was not asked")
        for address in addresses.value:
            async with self._places:
                seconds = self._host.deadline.within(POLICY_S)
                answer = await https.get(address, name, POLICY_PATH, seconds)
            if isinstance(answer, Known):
                break
        return answer if isinstance(answer, Unknown) else Known(_fetched(name, answer.value))

    async def certificates(self, target: Target) -> Fact[tuple[bytes, ...]]:
        """Return the chain, in DER, that this host shows on tcp/25 for a mail server's name."""
        return await self._chains.get(target.name, lambda: self._call(target))

    async def vouched_for(self, domain: str, name: str) -> Fact[bool]:
        """Ask the resolver of this host; see :func:`mail_records.transport.vouched_for`."""
        return await vouched_for(self._host.dns, domain, name)

    async def _call(self, target: Target) -> Fact[tuple[bytes, ...]]:
        answer: Fact[tuple[bytes, ...]] = Unknown("no server was asked")
        for address in (LOOPBACK, *target.known_addresses[:MAX_ADDRESSES]):
            async with self._places:
                seconds = self._host.deadline.within(CERTIFICATE_S)
                answer = await starttls.chain(address, target.name, self._own_name, seconds)
            if isinstance(answer, Known):
                break
        return answer


def _first(*answers: Fact[RecordSet]) -> Fact[tuple[str, ...]]:
    """The first addresses of any family; Unknown where there are none that are known."""
    found = [each for fact in answers if isinstance(fact, Known) for each in fact.value.records]
    unread = [fact for fact in answers if isinstance(fact, Unknown)]
    return unread[0] if unread and not found else Known(tuple(found[:MAX_ADDRESSES]))


def _fetched(name: str, page: https.Page) -> Fetched:
    if page.trouble:
        return Fetched(trouble=f"{name}: {page.trouble}")
    if page.status != OK:
        return Fetched(trouble=f"https://{name}{POLICY_PATH} answers {page.status}, not {OK}")
    return Fetched(page.text)
