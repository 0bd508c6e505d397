"""What DNS says of the mail domains: all of them at once, each bounded, none spoiling another."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, TypeAlias, TypeVar

from mailfix.host.clock import Deadline
from mailfix.host.dns import Authority, Bogus
from mailfix.host.dns.shared import Shared
from mailfix.mail_records import dkim, dmarc, mx, spf, transport
from mailfix.mail_records.dkim import Signing
from mailfix.mail_records.domain import DomainRecords
from mailfix.mail_records.domain_name import is_within
from mailfix.mail_records.mail_host import MailHost
from mailfix.mail_records.mx import MailExchange
from mailfix.mail_records.public_suffix import PublicSuffixes
from mailfix.mail_records.spf.evaluation import mx_hosts
from mailfix.mail_records.transport import Presented, TransportPolicy
from mailfix.mail_records.zone import Dnssec, NameServer, Zone
from mailfix.model import Fact, Known, PerFamily, Unknown, unread
from mailfix.progress import Progress
from mailfix.record_set import Lookup, RecordSet

T = TypeVar("T")

AT_ONCE = 120
MAX_COMPARED = 8
PER_DOMAIN_S = 0.006
OUT_OF_TIME = Unknown("not found out in the time that an audit may take")
NOT_FACTS = {"name", "confirmed", "longest_ttl", "zone"}
ALL_FACTS = frozenset(each.name for each in fields(DomainRecords)) - NOT_FACTS

PER_FAMILY = frozenset({"spf_verdict"})

AnyFact: TypeAlias = Fact[Any] | PerFamily[Any]


@dataclass(frozen=True, slots=True)
class HeldAgainst:
    """What the records of every domain are held against.

    ``presented`` is asked what is shown over TLS. ``domains`` are all of them. ``signing`` says by
    domain how the MTA signs; one that it lacks was not looked at. ``progress`` counts.
    """

    host: MailHost
    presented: Presented
    domains: frozenset[str] = frozenset()
    suffixes: Fact[PublicSuffixes] = field(default_factory=unread)
    signing: dict[str, Fact[Signing | None]] = field(default_factory=dict)
    progress: Progress = field(default_factory=Progress)

    def signing_of(self, domain: str) -> Fact[Signing | None]:
        return self.signing.get(domain, unread())


async def read(
    lookup: Lookup,
    domains: Iterable[str],
    held: HeldAgainst,
    deadline: Deadline,
    wanted: Callable[[str], frozenset[str]] = lambda domain: ALL_FACTS,
    goes_on: Callable[[], bool] = lambda: True,
) -> tuple[DomainRecords, ...]:
    """Return what ``lookup`` says of the domains: of each the facts that are ``wanted``.

    What is not there at the deadline is Unknown; a fault in one fact spoils no other. ``goes_on``
    is looked at before each domain.
    """
    names = tuple(domains)
    look = functools.partial(_look_at, lookup, held, wanted)
    found = await _of_each(names, look, deadline, goes_on)
    return tuple(found.get(name) or _not_reached(name, held) for name in names)


async def zones(
    authority: Authority,
    domains: tuple[str, ...],
    deadline: Deadline,
    goes_on: Callable[[], bool] = lambda: True,
) -> tuple[Fact[Zone], ...]:
    """Return the zone of each domain, with its name servers."""
    found = await _of_each(domains, functools.partial(_zone, authority), deadline, goes_on)
    return tuple(found.get(name, OUT_OF_TIME) for name in domains)


async def _of_each(
    names: tuple[str, ...],
    look: Callable[[str], Awaitable[T]],
    deadline: Deadline,
    goes_on: Callable[[], bool],
) -> dict[str, T]:
    """Look at many at once; what is not there at the deadline is missing."""
    waiting = iter(names)
    found: dict[str, T] = {}

    async def work() -> None:
        for name in waiting:
            if goes_on():
                found[name] = await look(name)

    workers = [asyncio.create_task(work()) for _ in range(min(AT_ONCE, len(names)))]
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(deadline.within(3600)):
            await asyncio.gather(*workers)
    return found


async def _zone(authority: Authority, name: str) -> Fact[Zone]:
    """Where the serials differ, what mail depends on is asked of each server."""
    zone = await authority.zone_of(name)
    if isinstance(zone, Unknown) or not serials_differ(zone.value):
        return zone
    exchange = await authority.lookup(name, "MX")
    records = exchange.value.records if isinstance(exchange, Known) else ()
    hosts = [host for host in mx_hosts(records) if is_within(host, zone.value.apex)]
    for host in hosts[:MAX_COMPARED]:
        await asyncio.gather(*(authority.lookup(host, rdtype) for rdtype in ("A", "AAAA")))
    return await _compared(authority, zone.value, (name, f"_dmarc.{name}"))


async def compared(
    authority: Authority,
    zones: Mapping[str, Zone],
    texts: Mapping[str, Iterable[str]],
    deadline: Deadline,
) -> dict[str, Fact[Zone]]:
    """Return the zone of each domain with what its servers differ on in the texts at some names.

    What is not there at the deadline is missing.
    """

    def look(domain: str) -> Awaitable[Fact[Zone]]:
        return _compared(authority, zones[domain], texts[domain])

    return await _of_each(tuple(zones), look, deadline, lambda: True)


async def _compared(authority: Authority, zone: Zone, names: Iterable[str]) -> Fact[Zone]:
    for name in names:
        await authority.lookup(name, "TXT")
    return Known(replace(zone, disagreements=authority.disagreements(zone.apex)))


def serials_differ(zone: Zone) -> bool:
    """Whether some of the zone's servers lag behind (RFC 1996)."""
    return len({each.serial for each in _serving(zone)}) > 1


def _serving(zone: Zone) -> tuple[NameServer, ...]:
    return tuple(each for each in zone.servers if not each.trouble)


class NotingTtl:
    """Passes questions on, and keeps the longest TTL of what the domain itself holds."""

    def __init__(self, lookup: Lookup, domain: str) -> None:
        self._lookup = lookup
        self._domain = domain
        self.longest = 0

    async def lookup(self, name: str, rdtype: str) -> Fact[RecordSet]:
        """Return the record set; see :class:`mailfix.record_set.Lookup`."""
        answer = await self._lookup.lookup(name, rdtype)
        if isinstance(answer, Known) and is_within(name, self._domain):
            self.longest = max(self.longest, answer.value.ttl)
        return answer


async def _look_at(
    lookup: Lookup, held: HeldAgainst, wanted: Callable[[str], frozenset[str]], name: str
) -> DomainRecords:
    """One domain: everything that is wanted, at the same time."""
    noting = NotingTtl(lookup, name)
    examined = _examinations(noting, name, held)
    chosen = sorted(wanted(name) & set(examined))
    facts = await asyncio.gather(*(_safely(each, examined[each]) for each in chosen))
    found: dict[str, Any] = dict(zip(chosen, facts, strict=True))
    held.progress.done += 1
    return DomainRecords(name, **found, longest_ttl=noting.longest)


def _examinations(
    lookup: Lookup, name: str, held: HeldAgainst
) -> dict[str, Callable[[], Awaitable[AnyFact]]]:
    """What is to be done for each fact of :class:`DomainRecords`."""
    signing = held.signing_of(name)
    exchanges: Shared[str, Fact[MailExchange]] = Shared()

    def exchange() -> Awaitable[Fact[MailExchange]]:
        return exchanges.get(name, lambda: mx.examine(lookup, name, held.host))

    return {
        "in_dns": lambda: _in_dns(lookup, name),
        "mx": exchange,
        "spf": lambda: spf.examine_policy(lookup, name, held.host),
        "spf_verdict": lambda: spf.examine_verdicts(lookup, name, held.host),
        "signing": lambda: _as_it_is(signing),
        "dkim_key": lambda: dkim.examine(lookup, name, signing),
        "dmarc": lambda: dmarc.examine(lookup, name, held.suffixes, held.domains),
        "transport": lambda: _transport(lookup, name, exchange(), held.presented),
        "dnssec": lambda: _dnssec(lookup, name),
    }


async def _in_dns(lookup: Lookup, name: str) -> Fact[bool]:
    answer = await lookup.lookup(name, "MX")
    return answer if isinstance(answer, Unknown) else Known(answer.value.exists)


async def _transport(
    lookup: Lookup, name: str, exchange: Awaitable[Fact[MailExchange]], presented: Presented
) -> Fact[TransportPolicy]:
    return await transport.examine(lookup, name, await exchange, presented)


async def _dnssec(lookup: Lookup, name: str) -> Fact[Dnssec]:
    match await lookup.lookup(name, "MX"):
        case Bogus():
            return Known(Dnssec.BOGUS)
        case Unknown() as unknown:
            return unknown
        case Known(answer):
            return Known(Dnssec.SECURE if answer.secure else Dnssec.NONE)


async def _as_it_is(fact: AnyFact) -> AnyFact:
    return fact


async def _safely(name: str, examine: Callable[[], Awaitable[AnyFact]]) -> AnyFact:
    try:
        return await examine()
    except Exception as error:
        return _in_its_shape(
            name, Unknown(f"{name}: mailfix failed to read it: {type(error).__name__}: {error}")
        )


def _not_reached(name: str, held: HeldAgainst) -> DomainRecords:
    unreached: dict[str, Any] = {each: _in_its_shape(each, OUT_OF_TIME) for each in ALL_FACTS}
    return DomainRecords(name, **{**unreached, "signing": held.signing_of(name)})


def _in_its_shape(name: str, reason: Unknown) -> AnyFact:
    return PerFamily(reason, reason) if name in PER_FAMILY else reason
