"""Services: starting and stopping them, now and at boot, by systemd or by init scripts.

A unit is named as systemd does (``exim4.service``); where systemd does not run, its init script is
the one of the same name. A state that counts is looked at by the processes, not asked of systemd:
of a unit that was generated from an init script it says active after the daemon has died
(systemd-sysv-generator(8)).
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import time
from dataclasses import dataclass

from mailfix.host import durable, program
from mailfix.host.process import Output
from mailfix.model import Unknown

PATIENCE_S = 60.0
END_S = 2.0
BOOTED_BY_SYSTEMD = "/run/systemd/system"
UNIT_FOLDER = "/etc/systemd/system"
RUNLEVEL_FOLDERS = tuple(f"/etc/rc{level}.d" for level in "0123456S")
_MASK = "/dev/null"
_ENABLED = frozenset({"enabled", "enabled-runtime", "alias", "static", "indirect"})


class Refused(Exception):
    """The service manager did not do it; its text is what it said."""


@dataclass(frozen=True, slots=True)
class Link:
    """A symbolic link that decides whether a service starts at boot; the time is in ns."""

    path: str
    target: str
    modified_ns: int


def run_by_systemd() -> bool:
    """Tell whether systemd is the init (sd_booted(3))."""
    return os.path.isdir(BOOTED_BY_SYSTEMD)


def script_name(unit: str) -> str:
    """The init script's name of a unit."""
    return unit.removesuffix(".service")


def command(verb: str, unit: str) -> tuple[str, ...]:
    """What starts, stops or restarts a unit here."""
    if run_by_systemd():
        return ("systemctl", verb, "--", unit)
    return ("service", script_name(unit), verb)


def stop(unit: str) -> None:
    """Stop it; raises Refused."""
    _do(command("stop", unit))


def restart(unit: str) -> None:
    """Stop it, if it runs, and start it, however often that was done lately; raises Refused.

    systemd refuses the sixth start within ten seconds (systemd.unit(5), StartLimitBurst), unless
    it is told to forget the others.
    """
    reset_failed(unit)
    _do(command("restart", unit))


def reset_failed(unit: str) -> None:
    """Have systemd forget how often the unit was started, and how that ended."""
    if run_by_systemd():
        program.run(("systemctl", "reset-failed", "--", unit), timeout_s=PATIENCE_S)


def enable(unit: str) -> None:
    """Have it started at boot; raises Refused."""
    if run_by_systemd():
        _do(("systemctl", "enable", "--", unit))
    else:
        _do(("update-rc.d", script_name(unit), "defaults"))
        _do(("update-rc.d", script_name(unit), "enable"))
    _flush(unit)


def unmask(unit: str) -> None:
    """Let it be started again; raises Refused."""
    if run_by_systemd():
        _do(("systemctl", "unmask", "--", unit))
        _flush(unit)


def is_masked(unit: str) -> bool:
    return any(each.target == _MASK for each in boot_links(unit))


def is_enabled(unit: str) -> bool:
    """Tell whether something starts it at boot; raises Refused where that cannot be told."""
    if is_masked(unit):
        return False
    told = _asked(("systemctl", "show", "-p", "UnitFileState", "--value", "--", unit))
    state = told.stdout.strip() if told else "generated"
    if state in ("generated", ""):
        return any(_starts_at_boot(each) for each in boot_links(unit))
    return state in _ENABLED


def _starts_at_boot(link: Link) -> bool:
    return re.match(r"/etc/rc[2-5]\.d/S", link.path) is not None


def boot_links(unit: str) -> tuple[Link, ...]:
    """Every link by which this unit, or its init script, is started at boot, kept off or masked.

    Raises Refused where they cannot be read.
    """
    script = re.compile(rf"[SK][0-9]{{2}}{re.escape(script_name(unit))}")
    found = []
    try:
        for folder in RUNLEVEL_FOLDERS:
            found += [each for each in _links(folder) if script.fullmatch(_name(each.path))]
        for folder in _unit_folders():
            found += [each for each in _links(folder) if unit in (_name(each.path), _aim(each))]
    except OSError as error:
        raise Refused(f"{error.filename}: {error.strerror}") from None
    return tuple(sorted(found, key=lambda each: each.path))


def _unit_folders() -> list[str]:
    if not os.path.isdir(UNIT_FOLDER):
        return []
    wanting = [each.path for each in os.scandir(UNIT_FOLDER) if _wants(each)]
    return [UNIT_FOLDER, *wanting]


def _wants(entry: os.DirEntry[str]) -> bool:
    return entry.name.endswith((".wants", ".requires")) and entry.is_dir()


def _links(folder: str) -> list[Link]:
    if not os.path.isdir(folder):
        return []
    return [
        Link(each.path, os.readlink(each.path), each.stat(follow_symlinks=False).st_mtime_ns)
        for each in os.scandir(folder)
        if each.is_symlink()
    ]


def _name(path: str) -> str:
    return os.path.basename(path)


def _aim(link: Link) -> str:
    return os.path.basename(link.target)


def put_boot_links(unit: str, links: tuple[Link, ...]) -> None:
    """Have exactly these links of the unit, and systemd take note of them; raises Refused."""
    wanted = {each.path: each for each in links}
    try:
        for link in boot_links(unit):
            if wanted.get(link.path) != link:
                os.unlink(link.path)
        for link in links:
            if not os.path.lexists(link.path):
                os.makedirs(os.path.dirname(link.path), exist_ok=True)
                os.symlink(link.target, link.path)
            times = (link.modified_ns, link.modified_ns)
            os.utime(link.path, ns=times, follow_symlinks=False)
    except OSError as error:
        raise Refused(f"{error.filename}: {error.strerror}") from None
    _flush(unit)
    if run_by_systemd():
        _do(("systemctl", "daemon-reload"))


def _flush(unit: str) -> None:
    folders = {os.path.dirname(each.path) for each in boot_links(unit)}
    for folder in folders | {UNIT_FOLDER, *RUNLEVEL_FOLDERS}:
        with contextlib.suppress(FileNotFoundError):
            durable.flush_folder(folder)


def _asked(argv: tuple[str, ...]) -> Output | None:
    if not run_by_systemd():
        return None
    told = program.run(argv, timeout_s=PATIENCE_S)
    if isinstance(told, Unknown):
        raise Refused(told.reason)
    return told.value


def _do(argv: tuple[str, ...]) -> None:
    told = program.run(argv, timeout_s=PATIENCE_S)
    if isinstance(told, Unknown):
        raise Refused(told.reason)
    if told.value.code != 0:
        raise Refused(f"{' '.join(argv)}: {_first_line(told.value)}")


def _first_line(output: Output) -> str:
    """Systemd's last line only says where to read more."""
    lines = output.stderr.strip().splitlines()
    return lines[0].strip()[:300] if lines else output.complaint


def end_leader(pid: int) -> None:
    """Ask a process that leads its session to end, and wait a moment for it; leave any other."""
    try:
        if os.getsid(pid) == pid:
            os.kill(pid, signal.SIGTERM)
            _wait_for_end(pid)
    except (ProcessLookupError, PermissionError):
        return


def _wait_for_end(pid: int) -> None:
    deadline = time.monotonic() + END_S
    while time.monotonic() < deadline:
        os.kill(pid, 0)
        time.sleep(0.02)
