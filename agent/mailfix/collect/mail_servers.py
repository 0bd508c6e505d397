"""The mail servers of the host, and the MTA in use with its own words."""

from __future__ import annotations

from dataclasses import dataclass

from mailfix.collect.bounded import bounded
from mailfix.facts import MailDomains, MailServer, MailUser, Mta, Role
from mailfix.host import Host, sockets
from mailfix.model import Fact, Known, Unknown
from mailfix.probes import domains, exim, postfix, postfix_domains, servers
from mailfix.probes.exim import Exim, Told


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

    @property
    def own_words(self) -> Fact[Told]:
        """What exim told of itself, where it is the MTA in use."""
        if isinstance(self.mta, Unknown):
            return self.mta
        used = self.mta.value
        if self.exim is None or used is None or used.server != "exim":
            return Unknown(f"how {used.server if used else 'the mail server'} signs is not read")
        return self.exim.told


async def read_servers(host: Host) -> Servers:
    """Find the servers, and ask the MTA in use for its settings and domains."""
    installed = await bounded(host, "mail servers", servers.read(host))
    if isinstance(installed, Unknown):
        return Servers(installed, None, installed, installed)
    chosen = mta_in_use(installed.value)
    asked = await bounded(host, "exim", _ask_exim(host))
    if isinstance(asked, Unknown):
        failed = Exim(asked, asked, asked, asked)
        return Servers(installed, failed, asked, asked)
    found = asked.value
    if chosen is None:
        return Servers(installed, found, Known(None), Known(None))
    if chosen.name == "exim" and found is not None:
        served = await bounded(host, "mail domains", _exim_domains(host, found))
        return Servers(installed, found, found.mta, served)
    if chosen.name == "postfix":
        told = await bounded(host, "postfix", postfix.read(host))
        if isinstance(told, Unknown):
            return Servers(installed, found, told, told)
        reading = postfix_domains.read(host, told.value.values)
        served = await bounded(host, "mail domains", reading)
        return Servers(installed, found, Known(told.value.mta), served)
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
    if isinstance(found.told, Unknown):
        return found.told
    return Known(await domains.of_exim(host, found.told.value))
