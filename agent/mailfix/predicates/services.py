"""Checks of the mail servers themselves: installed, running, started at boot."""

from __future__ import annotations

from collections.abc import Iterator

from mailfix.facts import MailServer, Role
from mailfix.model import Fact, Known, Unknown
from mailfix.predicates.answer import Answer, failed, passed, unknown


def mta_runs(servers: tuple[MailServer, ...]) -> bool:
    """Tell whether an MTA is running."""
    return any(server.role is Role.MTA and server.running for server in servers)


def installed(servers: tuple[MailServer, ...]) -> Iterator[Answer]:
    """An MTA is installed."""
    names = ", ".join(server.name for server in servers if server.role is Role.MTA)
    yield passed({}, {"names": names}) if names else failed({})


def running(servers: tuple[MailServer, ...]) -> Iterator[Answer]:
    """Every mail server that is meant to run does run."""
    for server in servers:
        subject = {"server": server.name}
        words = {"server": server.name, "unit": server.unit or server.name}
        if server.running:
            yield passed(subject, words)
            continue
        match is_meant_to_run(server, servers):
            case Known(True):
                yield failed(subject, words)
            case Unknown(reason):
                yield unknown(subject, f"{server.name} is not running; whether it should: {reason}")


def is_meant_to_run(server: MailServer, servers: tuple[MailServer, ...]) -> Fact[bool]:
    """A server that is off and not started at boot was put aside, unless mail needs it."""
    needed = server.role is Role.MTA and not mta_runs(servers)
    return Known(True) if needed else server.enabled


def enabled(servers: tuple[MailServer, ...]) -> Iterator[Answer]:
    """Every mail server that is needed comes back after a reboot."""
    for server in servers:
        if not server.running and is_meant_to_run(server, servers) != Known(True):
            continue
        subject = {"server": server.name}
        words = {"server": server.name, "unit": server.unit or server.name}
        match server.enabled:
            case Unknown(reason):
                yield unknown(subject, f"{server.name}: {reason}")
            case Known(True):
                yield passed(subject, words)
            case Known(_):
                yield failed(subject, words)
