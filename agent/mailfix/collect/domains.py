"""The mail domains' records: asked of the resolver, and what looks wrong of the zones' servers."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace

from mailfix.host import Host
from mailfix.host.clock import Deadline
from mailfix.host.dns import Authority, SystemDns
from mailfix.host.process import processors
from mailfix.mail_records.dkim import Signing
from mailfix.mail_records.domain import DomainRecords
from mailfix.mail_records.domain_name import is_within
from mailfix.mail_records.mail_host import MailHost
from mailfix.mail_records.zone import Zone
from mailfix.model import Fact, Known, Unknown
from mailfix.probes import domain_records, public_suffix, signing
from mailfix.probes.domain_records import HeldAgainst
from mailfix.probes.exim import Told
from mailfix.probes.transport import ShownOverTls
from mailfix.progress import Progress

AT_LEAST_S = 3.0
MANY = 300
"""Domains from which on a second process is worth its start."""
SIGNATURES = frozenset({"signing", "dkim_key"})


@dataclass(frozen=True, slots=True)
class DomainLook:
    """The look at all mail domains, which can be repeated for those that look wrong."""

    host: Host
    domains: tuple[str, ...]
    told: Fact[Told]
    resolver: SystemDns
    authority: Authority
    held: HeldAgainst

    @classmethod
    def at(
        cls,
        host: Host,
        domains: tuple[str, ...],
        told: Fact[Told],
        seen: MailHost,
        progress: Progress,
    ) -> DomainLook:
        """Prepare a look; ``told`` are exim's own words on how it signs."""
        patience = Deadline.after(2 * _seconds(domains) + host.deadline.within(3600))
        resolver = host.dns.until(patience)
        own_name = seen.hostname.value if isinstance(seen.hostname, Known) else "localhost"
        shown = ShownOverTls(host, own_name)
        held = HeldAgainst(
            seen, shown, frozenset(domains), public_suffix.read(host), progress=progress
        )
        return cls(host, domains, told, resolver, Authority(resolver, patience), held)

    async def first(self) -> Fact[tuple[DomainRecords, ...]]:
        """Return what the resolver says, and how the zones' own servers are.

        The keys come last: exim is asked meanwhile how it signs. Unknown as a whole where no
        resolver answers.
        """
        if len(self.domains) < MANY or processors() < 2:
            return await self._first()
        async with self.resolver.in_another_process():
            return await self._first()

    async def _first(self) -> Fact[tuple[DomainRecords, ...]]:
        deadline = self._deadline(self.domains)
        self.held.progress.domains = len(self.domains)
        self.held.progress.planned = 2 * len(self.domains)
        records, zones, signing = await asyncio.gather(
            self._told_by_resolver(deadline, domain_records.ALL_FACTS - SIGNATURES),
            domain_records.zones(self.authority, self.domains, deadline, self._is_answered),
            _signing(self.host, self.told, self.domains),
        )
        if not self._is_answered():
            return Unknown("DNS answers nothing: every resolver of this host keeps silent")
        self.held.signing.update(signing)
        signed = await self._told_by_resolver(deadline, SIGNATURES)
        differing = await self._differing_on_keys(zones, signing, deadline)
        told = tuple(
            replace(
                each,
                zone=differing.get(each.name, zone),
                signing=keys.signing,
                dkim_key=keys.dkim_key,
            )
            for each, zone, keys in zip(records, zones, signed, strict=True)
        )
        return Known(told)

    async def _differing_on_keys(
        self,
        zones: tuple[Fact[Zone], ...],
        signing: Mapping[str, Fact[Signing | None]],
        deadline: Deadline,
    ) -> dict[str, Fact[Zone]]:
        """The zones, by domain, whose servers may differ on the keys that sign."""
        lagging = {
            domain: zone.value
            for domain, zone in zip(self.domains, zones, strict=True)
            if isinstance(zone, Known) and domain_records.serials_differ(zone.value)
        }
        keys = {domain: _key_names(signing[domain], zone) for domain, zone in lagging.items()}
        return await domain_records.compared(self.authority, lagging, keys, deadline)

    def _is_answered(self) -> bool:
        return not self.resolver.is_dead

    async def _told_by_resolver(
        self, deadline: Deadline, wanted: frozenset[str]
    ) -> tuple[DomainRecords, ...]:
        return await domain_records.read(
            *(self.resolver, self.domains, self.held, deadline),
            wanted=lambda domain: wanted,
            goes_on=self._is_answered,
        )

    async def again(
        self, records: Fact[tuple[DomainRecords, ...]], doubted: Mapping[str, frozenset[str]]
    ) -> Fact[tuple[DomainRecords, ...]]:
        """Return the same, the doubted facts of each domain as its zone's own servers tell them."""
        if isinstance(records, Unknown):
            return records
        names = tuple(each.name for each in records.value if each.name in doubted)
        deadline = self._deadline(names)
        self.held.progress.planned += len(names)
        told = await domain_records.read(
            self.authority, names, self.held, deadline, doubted.__getitem__
        )
        asked = {each.name: each for each in told}
        return Known(tuple(self._corrected(each, asked, doubted) for each in records.value))

    def _deadline(self, domains: tuple[str, ...]) -> Deadline:
        """The audit's own, or later where there are many domains."""
        needed = Deadline.after(_seconds(domains))
        return max(needed, self.host.deadline, key=lambda deadline: deadline.at)

    def _corrected(
        self,
        before: DomainRecords,
        asked: Mapping[str, DomainRecords],
        doubted: Mapping[str, frozenset[str]],
    ) -> DomainRecords:
        if before.name not in asked:
            return before
        after = asked[before.name]
        told = {each: getattr(after, each) for each in doubted[before.name]}
        return replace(
            before,
            **told,
            zone=self._as_met(before.zone),
            confirmed=_confirmed(before),
            longest_ttl=max(before.longest_ttl, after.longest_ttl),
        )

    def _as_met(self, zone: Fact[Zone]) -> Fact[Zone]:
        """The zone with what its servers were found to differ on meanwhile.

        Servers with the same serial that answer other addresses do so to spread the load.
        """
        if isinstance(zone, Unknown):
            return zone
        met = self.authority.disagreements(zone.value.apex)
        serials = {each.serial for each in zone.value.servers if not each.trouble}
        if len(serials) == 1:
            met = tuple(each for each in met if each.type not in ("A", "AAAA"))
        return Known(replace(zone.value, disagreements=met))


def _key_names(signing: Fact[Signing | None], zone: Zone) -> tuple[str, ...]:
    """The names in the zone at which the keys are published."""
    signatures = signing.value.signatures if isinstance(signing, Known) and signing.value else ()
    return tuple(each.name for each in signatures if is_within(each.name, zone.apex))


def _seconds(domains: tuple[str, ...]) -> float:
    return AT_LEAST_S + domain_records.PER_DOMAIN_S * len(domains)


async def _signing(
    host: Host, told: Fact[Told], domains: tuple[str, ...]
) -> Mapping[str, Fact[Signing | None]]:
    if isinstance(told, Unknown):
        return dict.fromkeys(domains, told)
    try:
        return await signing.read(host, told.value, domains)
    except Exception as error:
        failed = Unknown(f"signing: mailfix failed to read it: {type(error).__name__}: {error}")
        return dict.fromkeys(domains, failed)


def _confirmed(records: DomainRecords) -> Fact[tuple[str, ...]]:
    """Return which of the zone's own servers could be asked."""
    zone = records.zone
    if isinstance(zone, Unknown):
        return zone
    labels = tuple(server.label for server in zone.value.servers if not server.trouble)
    if labels:
        return Known(labels)
    troubles = "; ".join(f"{each.label} {each.trouble}" for each in zone.value.servers[:4])
    return Unknown(troubles or "no name server of its own is known")
