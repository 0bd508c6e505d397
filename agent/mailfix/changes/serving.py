"""Daemons and what they serve: who runs, on which sockets, with which greeting."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass

from mailfix.changes.change import Failed
from mailfix.host import boot, call, sockets, units
from mailfix.host.files import read_text
from mailfix.host.sockets import ListeningSocket, Process
from mailfix.model import Unknown
from mailfix.probes import servers

PATIENCE_S = 4.0
"""Seconds that a daemon may take from its start until it serves."""
CALL_S = 3.0
PAUSE_S = 0.1
_WILDCARDS = ("", "0.0.0.0", "::")
_LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1"}


@dataclass(frozen=True, slots=True)
class Daemon:
    """One process of one boot; ``started`` is in clock ticks since then (proc(5), starttime)."""

    pid: int
    started: int
    boot: str


@dataclass(frozen=True, slots=True)
class Listening:
    """A socket that must be there; "" is any address. ``greets``: and say 220 (RFC 5321 3.1)."""

    address: str
    port: int
    greets: bool = True

    def __str__(self) -> str:
        shown = f"[{self.address}]" if ":" in self.address else self.address
        return f"{shown or '*'}:{self.port}"


def processes_of(server: str) -> tuple[Process, ...]:
    """The daemon's processes of a mail server, by its name in :mod:`mailfix.probes.servers`."""
    known = next((each for each in servers.PROGRAMS if each.name == server), None)
    if known is None:
        raise Failed(f"no mail server is called {server}")
    return servers.daemons(known, sockets.named(set(known.processes)))


def daemon_of(server: str) -> Daemon | None:
    """The daemon that listens: of those that do, the oldest, the others being its children."""
    this_boot = boot.identity()
    own = {each.pid for each in processes_of(server)}
    found = [
        Daemon(pid, started, this_boot)
        for pid in {each.pid for each in _listening()}
        if pid in own and (started := _started(pid)) is not None
    ]
    return min(found, key=lambda each: (each.started, each.pid), default=None)


def _listening() -> tuple[ListeningSocket, ...]:
    found = sockets.listening()
    if isinstance(found, Unknown):
        raise Failed(found.reason)
    return found.value


def end_waiting(server: str, unit: str) -> None:
    """End daemons of a unit that listen nowhere.

    An exim that cannot bind an address tries for minutes, and until then its init script does not
    know its process: it would outlive the restart and take the address when it comes. A daemon
    leads its session (setsid(2)), which what it has forked for a message does not.
    """
    serving = {each.pid for each in _listening()}
    for process in processes_of(server):
        if process.pid not in serving and process.unit == unit:
            units.end_leader(process.pid)


def _started(pid: int) -> int | None:
    text = read_text(f"/proc/{pid}/stat")
    if isinstance(text, Unknown) or text.value is None:
        return None
    started = boot.start_time(text.value)
    return int(started) if started else None


def wait_until_served(server: str, wanted: Iterable[Listening]) -> None:
    """Return once the server runs and every socket is served; raises Failed after some seconds."""
    left, deadline = list(wanted), time.monotonic() + PATIENCE_S
    while problem := _problem(server, left):
        if time.monotonic() > deadline:
            raise Failed(problem)
        time.sleep(PAUSE_S)


def _problem(server: str, wanted: list[Listening]) -> str:
    own = {each.pid for each in processes_of(server)}
    if not own:
        return f"{server} does not run"
    mine = [each for each in _listening() if each.pid in own]
    for each in wanted:
        if problem := _missing(server, each, mine):
            return problem
    return ""


def _missing(server: str, wanted: Listening, mine: list[ListeningSocket]) -> str:
    socket = next((each for each in mine if _takes(each, wanted)), None)
    if socket is None:
        return f"{server} does not listen on {wanted}"
    if not wanted.greets:
        return ""
    address = _LOOPBACK.get(socket.address, socket.address)
    heard = call.greet(address, wanted.port, CALL_S)
    if (heard.banner or "").startswith("220"):
        return ""
    said = (heard.banner or heard.detail or "nothing").splitlines()[0][:200]
    return f"{server} does not greet on {wanted}: {said}"


def _takes(socket: ListeningSocket, wanted: Listening) -> bool:
    """Without IPv6 in the kernel exim leaves out ``::``: any socket on the port will do."""
    if socket.port != wanted.port:
        return False
    return wanted.address in ("", "::") or socket.address in (wanted.address, *_WILDCARDS)


def wait_until_gone(server: str) -> None:
    """Return once no daemon of the server runs; raises Failed after some seconds."""
    deadline = time.monotonic() + PATIENCE_S
    while processes_of(server):
        if time.monotonic() > deadline:
            raise Failed(f"{server} still runs")
        time.sleep(PAUSE_S)


def taken_by_others(server: str, wanted: Iterable[Listening]) -> str:
    """Who else holds one of these ports, as ``python3 (pid 17) holds tcp/25``; "" for nobody."""
    own = {each.pid for each in processes_of(server)}
    for socket in _listening():
        if socket.pid not in own and any(_takes(socket, each) for each in wanted):
            return f"{_holder(socket.pid)} holds tcp/{socket.port}"
    return ""


def _holder(pid: int | None) -> str:
    known = sockets.process(pid) if pid else None
    return f"{known.name} (pid {known.pid})" if known else "another process"
