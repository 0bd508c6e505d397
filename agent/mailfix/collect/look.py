"""One look at the host: every probe, all at once, each bounded, none able to spoil the others."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from mailfix.collect.bounded import bounded
from mailfix.collect.domains import DomainLook
from mailfix.collect.mail_servers import Servers, read_servers
from mailfix.collect.network import Network, read_network
from mailfix.facts import (
    BootFile,
    Facts,
    Greeting,
    HostNames,
    Listener,
    MailDomains,
    MailUser,
    Mta,
    NameRecords,
    PortVerdict,
    Prospect,
    ReverseDns,
    WayOut,
)
from mailfix.firewall import Ruleset
from mailfix.host import Host, dns
from mailfix.mail_records.dnsbl import Listing
from mailfix.mail_records.domain import DomainRecords
from mailfix.mail_records.mail_host import MailHost
from mailfix.mail_records.spf import SpfVerdict, examine_helo
from mailfix.model import Fact, Family, Known, PerFamily, Unknown
from mailfix.probes import (
    addresses,
    blocklists,
    exim,
    firewall,
    greetings,
    listeners,
    mail_host,
    names,
    persistence,
    way_out,
)
from mailfix.probes.persistence import Saved
from mailfix.progress import Progress
from mailfix.settings import Settings

T = TypeVar("T")
U = TypeVar("U")


async def collect(host: Host, settings: Settings, progress: Progress) -> tuple[Facts, DomainLook]:
    """Read every fact; what does not come before the host's deadline is Unknown.

    The look at the domains can be repeated for those that look wrong.
    """
    async with asyncio.TaskGroup() as group:
        validity = group.create_task(bounded(host, "exim's configuration", exim.validity(host)))
        ruleset = group.create_task(bounded(host, "firewall", firewall.read(host)))
        listening = group.create_task(bounded(host, "listening sockets", listeners.read(host)))
        mail = await read_servers(host)
        network = read_network(host, settings, mail.mta)
        own_name = names.read(host)
        seen = group.create_task(_as_seen(mail, network, listening))
        look = group.create_task(_domain_look(host, settings, mail, seen, progress))
        records = group.create_task(_domain_records(host, mail.domains, settings, look))
        helo_spf = group.create_task(_helo_spf(host, seen))
        listed = group.create_task(
            _per_family(lambda family: _listed(host, settings, seen, family))
        )
        heard = group.create_task(_read_greetings(host, listening))
        fqdn = group.create_task(_read_fqdn(host, own_name))
        fqdn_records = group.create_task(_records_of(host, fqdn))
        helo_records = group.create_task(_helo_records(host, mail.mta))
        reverse = group.create_task(_per_family(lambda family: _reverse(host, network, family)))
        verdicts = group.create_task(
            _per_family(lambda family: _verdicts(host, ruleset, network, mail.user, family))
        )
        dns_out = group.create_task(
            _per_family(lambda family: _dns_out(host, ruleset, network, mail.user, family))
        )
        saved = group.create_task(_saved_rules(host, ruleset))
        after_boot = group.create_task(
            _per_family(lambda family: _prospects(host, ruleset, saved, network, mail.user, family))
        )
        ways = group.create_task(
            _per_family(lambda family: _ways(host, settings, network, mail.user, family))
        )
    facts = Facts(
        listeners=listeners.on_mail_ports(listening.result()),
        all_listeners=listening.result(),
        greetings=heard.result(),
        servers=mail.installed,
        mta=mail.mta,
        exim_source=mail.exim.source if mail.exim else Known(None),
        exim_settings=mail.exim.settings if mail.exim else Known(None),
        exim_validity=validity.result(),
        names=own_name,
        fqdn=fqdn.result(),
        fqdn_records=fqdn_records.result(),
        helo_records=helo_records.result(),
        addresses=network.addresses,
        default_route=network.default_route,
        outgoing=network.outgoing,
        reverse_dns=reverse.result(),
        firewall=verdicts.result(),
        dns_out=dns_out.result(),
        after_boot=after_boot.result(),
        boot_files=_boot_files(saved.result()),
        way_out=ways.result(),
        domains=mail.domains,
        helo_spf=helo_spf.result(),
        blocklists=listed.result(),
        domain_records=records.result(),
    )
    return facts, look.result()


async def _as_seen(
    mail: Servers, network: Network, listening: asyncio.Task[Fact[tuple[Listener, ...]]]
) -> MailHost:
    return mail_host.as_seen(mail.mta, network.addresses, network.outgoing, await listening)


async def _domain_look(
    host: Host,
    settings: Settings,
    mail: Servers,
    seeing: asyncio.Task[MailHost],
    progress: Progress,
) -> DomainLook:
    served = mail.domains.value if isinstance(mail.domains, Known) else None
    wanted = (*(served.names if served else ()), *settings.domains)
    domains = tuple(dict.fromkeys(wanted))
    return DomainLook.at(host, domains, mail.own_words, await seeing, progress)


async def _domain_records(
    host: Host,
    served: Fact[MailDomains | None],
    settings: Settings,
    looking: asyncio.Task[DomainLook],
) -> Fact[tuple[DomainRecords, ...]]:
    if isinstance(served, Unknown) and not settings.domains:
        return served
    return await (await looking).first()


async def _helo_spf(host: Host, seeing: asyncio.Task[MailHost]) -> PerFamily[SpfVerdict | None]:
    seen = await seeing
    verdicts = await bounded(host, "SPF of the HELO name", _known(examine_helo(host.dns, seen)))
    if isinstance(verdicts, Unknown):
        return PerFamily(verdicts, verdicts)
    return verdicts.value


async def _listed(
    host: Host, settings: Settings, seeing: asyncio.Task[MailHost], family: Family
) -> Fact[tuple[Listing, ...]]:
    address = (await seeing).senders.of(family)
    if isinstance(address, Unknown):
        return address
    return await bounded(
        host, "blocklists", blocklists.read(host.dns, address.value, settings.dnsbls)
    )


async def _per_family(read: Callable[[Family], Awaitable[Fact[T]]]) -> PerFamily[T]:
    ipv4, ipv6 = await asyncio.gather(read(Family.IPV4), read(Family.IPV6))
    return PerFamily(ipv4, ipv6)


async def _read_greetings(
    host: Host, listening: asyncio.Task[Fact[tuple[Listener, ...]]]
) -> Fact[tuple[Greeting, ...]]:
    found = listeners.on_mail_ports(await listening)
    if isinstance(found, Unknown):
        return found
    return await bounded(host, "greetings", _known(greetings.read(host, found.value)))


async def _known(reading: Awaitable[U]) -> Fact[U]:
    return Known(await reading)


async def _read_fqdn(host: Host, own: Fact[HostNames]) -> Fact[str | None]:
    if isinstance(own, Unknown):
        return own
    return await bounded(host, "host name", names.fqdn(host, own.value))


async def _records_of(host: Host, name: asyncio.Task[Fact[str | None]]) -> Fact[NameRecords | None]:
    return await _records(host, await name)


async def _records(host: Host, name: Fact[str | None]) -> Fact[NameRecords | None]:
    if isinstance(name, Unknown):
        return name
    if name.value is None:
        return Known(None)
    return await bounded(host, f"DNS records of {name.value}", names.records(host, name.value))


async def _helo_records(host: Host, mta: Fact[Mta | None]) -> Fact[NameRecords | None]:
    if isinstance(mta, Unknown):
        return mta
    if mta.value is None:
        return Known(None)
    if isinstance(mta.value.helo, Unknown):
        return mta.value.helo
    return await _records(host, Known(mta.value.helo.value))


async def _reverse(host: Host, network: Network, family: Family) -> Fact[ReverseDns | None]:
    leaving = network.outgoing.of(family)
    if isinstance(leaving, Unknown):
        return leaving
    what = f"reverse DNS over {family.label}"
    return await bounded(host, what, addresses.reverse_dns(host, leaving.value))


async def _verdicts(
    host: Host,
    reading: asyncio.Task[Fact[Ruleset]],
    network: Network,
    user: Fact[MailUser],
    family: Family,
) -> Fact[tuple[PortVerdict, ...]]:
    ruleset = await reading
    endpoints = network.endpoints.of(family)
    if isinstance(ruleset, Unknown):
        return ruleset
    if isinstance(endpoints, Unknown):
        return endpoints
    if endpoints.value is None:
        return Known(())
    judging = firewall.verdicts(ruleset.value, endpoints.value, user, host.deadline)
    return await bounded(host, "firewall verdict", judging)


async def _dns_out(
    host: Host,
    reading: asyncio.Task[Fact[Ruleset]],
    network: Network,
    user: Fact[MailUser],
    family: Family,
) -> Fact[tuple[PortVerdict, ...]]:
    ruleset, named = await reading, dns.nameservers()
    endpoints = network.endpoints.of(family)
    for part in (ruleset, named, endpoints):
        if isinstance(part, Unknown):
            return part
    assert isinstance(ruleset, Known)
    assert isinstance(named, Known)
    assert isinstance(endpoints, Known)
    if endpoints.value is None:
        return Known(())
    judging = firewall.dns_verdicts(
        ruleset.value, endpoints.value, user, named.value, host.deadline
    )
    return await bounded(host, "firewall verdict on DNS", judging)


async def _saved_rules(host: Host, reading: asyncio.Task[Fact[Ruleset]]) -> Fact[Saved | None]:
    running = await reading
    return await bounded(host, "saved firewall rules", persistence.read(host, running))


def _boot_files(saved: Fact[Saved | None]) -> Fact[tuple[BootFile, ...]]:
    if isinstance(saved, Unknown):
        return saved
    return Known(saved.value.files if saved.value else ())


async def _prospects(
    host: Host,
    reading: asyncio.Task[Fact[Ruleset]],
    saving: asyncio.Task[Fact[Saved | None]],
    network: Network,
    user: Fact[MailUser],
    family: Family,
) -> Fact[tuple[Prospect, ...]]:
    saved, running = await saving, await reading
    if isinstance(saved, Unknown):
        return saved
    if saved.value is None:
        return Known(())
    if isinstance(running, Unknown):
        return running
    endpoints = network.endpoints.of(family)
    if isinstance(endpoints, Unknown):
        return endpoints
    if endpoints.value is None:
        return Known(())
    judging = persistence.prospects(
        running.value, saved.value, endpoints.value, user, host.deadline
    )
    return await bounded(host, "firewall verdict after the next boot", judging)


async def _ways(
    host: Host, settings: Settings, network: Network, user: Fact[MailUser], family: Family
) -> Fact[WayOut | None]:
    leaving = network.outgoing.of(family)
    if isinstance(leaving, Unknown):
        return leaving
    if leaving.value is None:
        return Known(None)
    who = user.value if isinstance(user, Known) else None
    what = f"way out over {family.label}"
    return await bounded(host, what, way_out.read(host, settings, family, who))
