"""Whether a mail server comes back after a reboot, by what systemd and the runlevels say."""

from __future__ import annotations

import pytest

from mailfix.facts import Role
from mailfix.host.sockets import Process
from mailfix.model import Fact, Known, Unknown
from mailfix.probes import servers
from mailfix.probes.servers import PROGRAMS, Program, Unit

EXIM, POSTFIX, _, OPENSMTPD = PROGRAMS[:4]
NO_LINKS: Fact[frozenset[str]] = Known(frozenset())
LINKED: Fact[frozenset[str]] = Known(frozenset({"exim4"}))
NAMES = ["exim4.service", "exim.service", "exim4.socket"]


def states(**files: str) -> Fact[dict[str, Unit]]:
    return Known({f"{name}.service": Unit(f"{name}.service", True, s) for name, s in files.items()})


@pytest.mark.parametrize(
    ("units", "links", "answer"),
    [
        (states(exim4="enabled"), NO_LINKS, Known(True)),
        (states(exim4="enabled-runtime"), NO_LINKS, Known(True)),
        (states(exim4="alias"), NO_LINKS, Known(True)),
        (states(exim4="disabled"), NO_LINKS, Known(False)),
        (states(exim4="disabled"), LINKED, Known(False)),
        (states(exim4="masked"), LINKED, Known(False)),
        (states(exim4="disabled", exim="enabled"), NO_LINKS, Known(True)),
        (states(exim4="generated"), LINKED, Known(True)),
        (states(exim4="generated"), NO_LINKS, Known(False)),
    ],
)
def test_a_unit_or_its_runlevel_links_start_a_server(
    units: Fact[dict[str, Unit]], links: Fact[frozenset[str]], answer: Fact[bool]
) -> None:
    assert servers.enabled(NAMES, units, links) == answer


@pytest.mark.parametrize("file_state", ["static", "transient", "", "indirect"])
def test_a_unit_that_nothing_is_said_about_is_unknown(file_state: str) -> None:
    assert isinstance(servers.enabled(NAMES, states(exim4=file_state), NO_LINKS), Unknown)
    assert isinstance(servers.enabled(NAMES, Known({}), NO_LINKS), Unknown)


def test_without_systemctl_the_runlevel_links_can_prove_a_start_but_not_its_absence() -> None:
    silent = Unknown("systemctl is not installed")
    assert servers.enabled(NAMES, silent, LINKED) == Known(True)
    assert servers.enabled(NAMES, silent, NO_LINKS) == silent


def test_runlevel_links_that_cannot_be_read_leave_it_unknown() -> None:
    refused = Unknown("/etc/rc2.d cannot be read: Permission denied")
    assert servers.enabled(NAMES, states(exim4="generated"), refused) == refused


def test_units_are_read_from_their_blocks() -> None:
    told = servers.parse_units(
        "Id=exim4.service\nLoadState=loaded\nUnitFileState=generated\n\n"
        "Id=postfix.service\nLoadState=not-found\nUnitFileState=\n\n"
        "Id=dovecot.service\nLoadState=masked\nUnitFileState=masked\n"
    )
    assert told == (
        Unit("exim4.service", True, "generated"),
        Unit("postfix.service", False, ""),
        Unit("dovecot.service", False, "masked"),
    )


def process(name: str, executable: str, *arguments: str) -> Process:
    return Process(1, name, executable, arguments, "root", None)


@pytest.mark.parametrize(
    ("program", "running", "is_daemon"),
    [
        (EXIM, process("exim4", "/usr/sbin/exim4", "/usr/sbin/exim4", "-bd", "-q30m"), True),
        (EXIM, process("exim4", "/usr/sbin/exim4", "/usr/sbin/exim4", "-bdf"), True),
        (EXIM, process("exim4", "/usr/sbin/exim4", "/usr/sbin/exim4", "-q"), False),
        (EXIM, process("exim4", "/usr/sbin/exim4", "/usr/sbin/exim4", "-bV"), False),
        (POSTFIX, process("master", "/usr/lib/postfix/sbin/master", "master", "-w"), True),
        (POSTFIX, process("master", "/usr/lib/cyrus/bin/master", "master"), False),
        (OPENSMTPD, process("smtpd", "/usr/sbin/smtpd", "/usr/sbin/smtpd"), True),
        (OPENSMTPD, process("smtpd", "/usr/lib/postfix/sbin/smtpd", "smtpd", "-n"), False),
    ],
)
def test_a_daemon_is_told_from_its_short_lived_namesakes(
    program: Program, running: Process, is_daemon: bool
) -> None:
    assert bool(servers.daemons(program, (running,))) is is_daemon


def test_every_program_has_a_place_and_a_unit() -> None:
    assert all(program.files and program.processes and program.units for program in PROGRAMS)
    assert {program.role for program in PROGRAMS} == set(Role)
