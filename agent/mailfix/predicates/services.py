"""Checks of the mail servers themselves: installed, running, started at boot."""

from __future__ import annotations

from collections.abc import Iterator

from mailfix.facts import MailServer, Role
from mailfix.model import Known, Unknown
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
        if server.running:
            yield passed(subject, {"server": server.name})
        elif _is_meant_to_run(server, servers):
            yield failed(subject, {"server": server.name, "unit": server.unit or server.name})


def _is_meant_to_run(server: MailServer, servers: tuple[MailServer, ...]) -> bool:
    """A server that is off and not started at boot was put aside, unless mail needs it."""
    if server.enabled != Known(False):
        return True
    return server.role is Role.MTA and not mta_runs(servers)


def enabled(servers: tuple[MailServer, ...]) -> Iterator[Answer]:
    """Every mail server that is needed comes back after a reboot."""
    for server in servers:
        if not server.running and not _is_meant_to_run(server, servers):
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
