"""One look at the host: every probe, all at once, each bounded, none able to spoil the others."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from mailfix.facts import (
    BootFile,
    Facts,
    Greeting,
    HostAddress,
    HostNames,
    Listener,
    MailDomains,
    MailServer,
    MailUser,
    Mta,
    NameRecords,
    Outgoing,
    PortVerdict,
    Prospect,
    ReverseDns,
    Role,
    WayOut,
)
from mailfix.firewall import Ruleset
from mailfix.host import Host, dns, interfaces, routes, sockets
from mailfix.model import Fact, Family, Known, PerFamily, Unknown
from mailfix.probes import (
    addresses,
    domains,
    exim,
    firewall,
    greetings,
    listeners,
    names,
    persistence,
    postfix,
    servers,
    way_out,
)
from mailfix.probes.exim import Exim
from mailfix.probes.persistence import Saved
from mailfix.settings import Settings

T = TypeVar("T")
U = TypeVar("U")


@dataclass(frozen=True, slots=True)
class Servers:
    """What is known about the mail servers and the MTA in use."""

    installed: Fact[tuple[MailServer, ...]]
    exim: Exim | None
    mta: Fact[Mta | None]
    domains: Fact[MailDomains | None]

    @property
    def user(self) -> Fact[MailUser]:
        if isinstance(self.mta, Unknown):
            return self.mta
        return self.mta.value.user if self.mta.value else Unknown("no mail server is installed")


@dataclass(frozen=True, slots=True)
class Network:
    """What the kernel knows about this host's way to the Internet."""

    addresses: Fact[tuple[HostAddress, ...]]
    default_route: PerFamily[bool]
    outgoing: PerFamily[Outgoing | None]
    endpoints: PerFamily[firewall.Endpoints | None]


async def collect(host: Host, settings: Settings) -> Facts:
    """Read every fact; what does not come before the host's deadline is Unknown."""
    async with asyncio.TaskGroup() as group:
        validity = group.create_task(_bounded(host, "exim's configuration", exim.validity(host)))
        ruleset = group.create_task(_bounded(host, "firewall", firewall.read(host)))
        listening = group.create_task(_bounded(host, "listening sockets", listeners.read(host)))
        mail = await _read_servers(host)
        network = _read_network(host, settings, mail.mta)
        own_name = names.read(host)
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
    return Facts(
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
    )


async def _bounded(host: Host, what: str, probe: Awaitable[Fact[T]]) -> Fact[T]:
    """Await a probe until the deadline; a fault in it makes its own fact unknown, no other."""
    try:
        async with asyncio.timeout(host.deadline.within(3600)):
            return await probe
    except TimeoutError:
        return Unknown(f"{what}: not found out in the time that an audit may take")
    except Exception as error:
        return Unknown(f"{what}: mailfix failed to read it: {type(error).__name__}: {error}")


async def _per_family(read: Callable[[Family], Awaitable[Fact[T]]]) -> PerFamily[T]:
    ipv4, ipv6 = await asyncio.gather(read(Family.IPV4), read(Family.IPV6))
    return PerFamily(ipv4, ipv6)


async def _read_servers(host: Host) -> Servers:
    installed = await _bounded(host, "mail servers", servers.read(host))
    if isinstance(installed, Unknown):
        return Servers(installed, None, installed, installed)
    chosen = mta_in_use(installed.value)
    asked = await _bounded(host, "exim", _ask_exim(host))
    if isinstance(asked, Unknown):
        failed = Exim(asked, asked, asked, asked)
        return Servers(installed, failed, asked, asked)
    found = asked.value
    if chosen is None:
        return Servers(installed, found, Known(None), Known(None))
    if chosen.name == "exim" and found is not None:
        return Servers(installed, found, found.mta, await _exim_domains(host, found))
    if chosen.name == "postfix":
        mta = await _bounded(host, "postfix", _ask_postfix(host))
        return Servers(installed, found, mta, Known(None))
    unread = Unknown(f"the settings of {chosen.name} are not read yet")
    return Servers(installed, found, unread, unread)


def mta_in_use(installed: tuple[MailServer, ...]) -> MailServer | None:
    """Return the running MTA, or the only installed one, exim first."""
    mtas = [server for server in installed if server.role is Role.MTA]
    return next(iter([*(server for server in mtas if server.running), *mtas]), None)


async def _ask_exim(host: Host) -> Fact[Exim | None]:
    daemons = servers.daemons(servers.PROGRAMS[0], sockets.named(servers.PROGRAMS[0].processes))
    arguments = daemons[0].arguments if daemons else ()
    return Known(await exim.read(host, arguments))


async def _exim_domains(host: Host, found: Exim) -> Fact[MailDomains | None]:
    if isinstance(found.local_domains, Unknown):
        return found.local_domains
    hostname = found.mta.value.hostname if isinstance(found.mta, Known) and found.mta.value else ""
    return Known(domains.of_exim(host, found.local_domains.value, hostname))


async def _ask_postfix(host: Host) -> Fact[Mta | None]:
    values = await postfix.read(host)
    return values if isinstance(values, Unknown) else Known(postfix.parse_mta(values.value))


def _read_network(host: Host, settings: Settings, mta: Fact[Mta | None]) -> Network:
    found = interfaces.addresses()
    own = found.value if isinstance(found, Known) else ()
    used = mta.value if isinstance(mta, Known) else None
    outgoing = PerFamily(*(_outgoing(settings, used, own, family) for family in Family))
    return Network(
        addresses=found,
        default_route=PerFamily(*(routes.has_default(family) for family in Family)),
        outgoing=outgoing,
        endpoints=PerFamily(*(_endpoints(host, outgoing, own, family) for family in Family)),
    )


def _endpoints(
    host: Host, outgoing: PerFamily[Outgoing | None], own: tuple[HostAddress, ...], family: Family
) -> Fact[firewall.Endpoints | None]:
    leaving = outgoing.of(family)
    if isinstance(leaving, Unknown):
        return leaving
    if leaving.value is None:
        return Known(None)
    mine = tuple(each.address for each in own if each.family is family)
    return Known(firewall.endpoints(host, family, leaving.value, mine))


def _outgoing(
    settings: Settings, mta: Mta | None, own: tuple[HostAddress, ...], family: Family
) -> Fact[Outgoing | None]:
    bound = addresses.bound_source(mta, family)
    if isinstance(bound, Unknown):
        return bound
    picked = interfaces.source_address(family)
    if isinstance(picked, Unknown):
        return picked
    configured = settings.public_ipv4 if family is Family.IPV4 else settings.public_ipv6
    source = bound.value if picked.value and bound.value else picked.value
    leaving = addresses.outgoing(family, source, own, configured)
    device = routes.default_interface(family)
    return Known(addresses.through(leaving, device))


async def _read_greetings(
    host: Host, listening: asyncio.Task[Fact[tuple[Listener, ...]]]
) -> Fact[tuple[Greeting, ...]]:
    found = listeners.on_mail_ports(await listening)
    if isinstance(found, Unknown):
        return found
    return await _bounded(host, "greetings", _known(greetings.read(host, found.value)))


async def _known(reading: Awaitable[U]) -> Fact[U]:
    return Known(await reading)


async def _read_fqdn(host: Host, own: Fact[HostNames]) -> Fact[str | None]:
    if isinstance(own, Unknown):
        return own
    return await _bounded(host, "host name", names.fqdn(host, own.value))


async def _records_of(host: Host, name: asyncio.Task[Fact[str | None]]) -> Fact[NameRecords | None]:
    return await _records(host, await name)


async def _records(host: Host, name: Fact[str | None]) -> Fact[NameRecords | None]:
    if isinstance(name, Unknown):
        return name
    if name.value is None:
        return Known(None)
    return await _bounded(host, f"DNS records of {name.value}", names.records(host, name.value))


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
    return await _bounded(host, what, addresses.reverse_dns(host, leaving.value))


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
    return await _bounded(host, "firewall verdict", judging)


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
    return await _bounded(host, "firewall verdict on DNS", judging)


async def _saved_rules(host: Host, reading: asyncio.Task[Fact[Ruleset]]) -> Fact[Saved | None]:
    running = await reading
    return await _bounded(host, "saved firewall rules", persistence.read(host, running))


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
    return await _bounded(host, "firewall verdict after the next boot", judging)


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
    return await _bounded(host, what, way_out.read(host, settings, family, who))
