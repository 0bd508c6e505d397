"""Which mail servers are installed, running and started at boot."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mailfix.facts import MailServer, Role
from mailfix.host import Host, sockets
from mailfix.host.files import exists
from mailfix.host.sockets import Process
from mailfix.model import Fact, Known, Unknown

RUNLEVELS = ("/etc/rc2.d", "/etc/rc3.d", "/etc/rc4.d", "/etc/rc5.d")
_STARTS = re.compile(r"S\d\d(.+)")
_ENABLED = frozenset({"enabled", "enabled-runtime", "linked", "linked-runtime", "alias"})
_DISABLED = frozenset({"disabled", "masked", "masked-runtime", "bad"})


@dataclass(frozen=True, slots=True)
class Program:
    """How a mail server shows: its files, the name of its daemon's process, its units.

    ``executable`` is a part of the daemon's path, ``argument`` the beginning of an argument, where
    the process name alone does not tell the daemon from others.
    """

    name: str
    role: Role
    files: tuple[str, ...]
    processes: tuple[str, ...]
    units: tuple[str, ...]
    executable: str = ""
    argument: str = ""


PROGRAMS = (
    Program(
        "exim",
        Role.MTA,
        ("/usr/sbin/exim4", "/usr/sbin/exim"),
        ("exim4", "exim"),
        ("exim4", "exim"),
        argument="-bd",
    ),
    Program(
        "postfix",
        Role.MTA,
        ("/usr/sbin/postfix",),
        ("master",),
        ("postfix",),
        executable="postfix",
    ),
    Program(
        "sendmail",
        Role.MTA,
        ("/usr/sbin/sendmail-mta", "/usr/sbin/sendmail.sendmail", "/usr/lib/sm.bin/sendmail"),
        ("sendmail", "sendmail-mta"),
        ("sendmail",),
    ),
    Program(
        "opensmtpd",
        Role.MTA,
        ("/usr/sbin/smtpctl",),
        ("smtpd",),
        ("opensmtpd", "smtpd"),
        executable="/usr/sbin/smtpd",
    ),
    Program("dovecot", Role.MAILBOX, ("/usr/sbin/dovecot",), ("dovecot",), ("dovecot",)),
    Program(
        "courier",
        Role.MAILBOX,
        ("/usr/sbin/couriertcpd", "/usr/lib/courier/couriertcpd"),
        ("couriertcpd",),
        (
            "courier-imap",
            "courier-imap-ssl",
            "courier-pop",
            "courier-pop-ssl",
            "courier-authdaemon",
        ),
    ),
    Program(
        "cyrus",
        Role.MAILBOX,
        ("/usr/sbin/cyrmaster", "/usr/lib/cyrus/bin/master", "/usr/libexec/cyrus-imapd/master"),
        ("cyrmaster", "master", "cyrus-master"),
        ("cyrus-imapd", "cyrus"),
        executable="cyr",
    ),
)


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit as ``systemctl show`` tells it."""

    name: str
    loaded: bool
    file_state: str


async def read(host: Host) -> Fact[tuple[MailServer, ...]]:
    """Return the mail servers that are installed, or running without a known installation."""
    processes = sockets.named({name for program in PROGRAMS for name in program.processes})
    running = {program.name: daemons(program, processes) for program in PROGRAMS}
    present = [
        program
        for program in PROGRAMS
        if running[program.name] or any(exists(file) for file in program.files)
    ]
    wanted = {name for program in present for name in _units(program, running[program.name])}
    units = await _show(host, sorted(wanted)) if wanted else Known({})
    links = _boot_links(host)
    return Known(
        tuple(_server(program, running[program.name], units, links) for program in present)
    )


def daemons(program: Program, processes: tuple[Process, ...]) -> tuple[Process, ...]:
    """Pick the processes that are the program's daemon."""
    return tuple(
        process
        for process in processes
        if process.name in program.processes
        and program.executable in process.executable
        and (
            not program.argument
            or any(argument.startswith(program.argument) for argument in process.arguments)
        )
    )


def _units(program: Program, running: tuple[Process, ...]) -> list[str]:
    known = [f"{name}.service" for name in program.units] + [f"{program.units[0]}.socket"]
    return known + [process.unit for process in running if process.unit]


async def _show(host: Host, names: list[str]) -> Fact[dict[str, Unit]]:
    told = await host.run("systemctl", "show", "-p", "Id,LoadState,UnitFileState", "--", *names)
    if isinstance(told, Unknown):
        return told
    if told.value.code != 0:
        return Unknown(f"systemctl failed: {told.value.complaint}")
    return Known({unit.name: unit for unit in parse_units(told.value.stdout)})


def parse_units(text: str) -> tuple[Unit, ...]:
    """Read ``systemctl show`` (systemctl(1)): blocks of NAME=VALUE lines between empty lines."""
    units = []
    for block in text.split("\n\n"):
        values = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        if "Id" in values:
            loaded = values.get("LoadState") not in ("not-found", "masked", None)
            units.append(Unit(values["Id"], loaded, values.get("UnitFileState", "")))
    return tuple(units)


def _boot_links(host: Host) -> Fact[frozenset[str]]:
    names: set[str] = set()
    for directory in RUNLEVELS:
        entries = host.names_in(directory)
        if isinstance(entries, Unknown):
            return entries
        names.update(match[1] for entry in entries.value if (match := _STARTS.fullmatch(entry)))
    return Known(frozenset(names))


def _server(
    program: Program,
    running: tuple[Process, ...],
    units: Fact[dict[str, Unit]],
    links: Fact[frozenset[str]],
) -> MailServer:
    names = _units(program, running)
    return MailServer(
        name=program.name,
        role=program.role,
        running=bool(running),
        enabled=enabled(names, units, links),
        unit=_unit_name(names, running, units),
    )


def _unit_name(
    names: list[str], running: tuple[Process, ...], units: Fact[dict[str, Unit]]
) -> str | None:
    for process in running:
        if process.unit and process.unit.endswith(".service"):
            return process.unit
    known = units.value if isinstance(units, Known) else {}
    told = [name for name in names if name in known and known[name].file_state]
    return told[0] if told else None


def enabled(
    names: list[str], units: Fact[dict[str, Unit]], links: Fact[frozenset[str]]
) -> Fact[bool]:
    """Tell whether one of the units is started at boot.

    A unit that systemd generated from an init script starts by its runlevel links
    (systemd-sysv-generator(8)); a masked unit never starts.
    """
    if isinstance(links, Unknown):
        return links
    if isinstance(units, Unknown):
        started = any(name.removesuffix(".service") in links.value for name in names)
        return Known(True) if started else units
    states = {name: units.value[name].file_state for name in names if name in units.value}
    if any(state in _ENABLED for state in states.values()):
        return Known(True)
    generated = [name for name, state in states.items() if state == "generated"]
    if any(name.removesuffix(".service") in links.value for name in generated):
        return Known(True)
    if generated or any(state in _DISABLED for state in states.values()):
        return Known(False)
    return Unknown("no unit or init script starts it; how it comes up at boot is not known")
