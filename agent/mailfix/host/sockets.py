"""Listening sockets and running processes, read with psutil."""

from __future__ import annotations

import os
import socket
from collections.abc import Collection
from dataclasses import dataclass

from mailfix.host.files import read_text
from mailfix.model import Fact, Known, Unknown


@dataclass(frozen=True, slots=True)
class ListeningSocket:
    """A TCP socket in state LISTEN; ``pid`` is None where the kernel did not say whose it is."""

    address: str
    port: int
    ipv6: bool
    pid: int | None


@dataclass(frozen=True, slots=True)
class Process:
    """A running process of this network namespace; ``unit`` is its systemd unit."""

    pid: int
    name: str
    executable: str
    arguments: tuple[str, ...]
    user: str | None
    unit: str | None


def listening() -> Fact[tuple[ListeningSocket, ...]]:
    """Return the listening TCP sockets."""
    import psutil

    try:
        connections = psutil.net_connections("tcp")
    except (OSError, psutil.Error, ValueError) as error:
        return Unknown(f"the sockets cannot be listed: {error}")
    return Known(
        tuple(
            ListeningSocket(
                entry.laddr.ip, entry.laddr.port, entry.family == socket.AF_INET6, entry.pid
            )
            for entry in connections
            if entry.status == psutil.CONN_LISTEN and entry.laddr
        )
    )


def named(names: Collection[str]) -> tuple[Process, ...]:
    """Return the processes with one of these names that share our network namespace."""
    import psutil

    found = []
    for process in psutil.process_iter():
        try:
            if process.name() in names and _shares_network(process.pid):
                found.append(_described(process))
        except psutil.Error:
            continue
    return tuple(found)


def process(pid: int) -> Process | None:
    """Return what is known about one process, or None where it has ended."""
    import psutil

    try:
        return _described(psutil.Process(pid))
    except psutil.Error:
        return None


def _described(process: object) -> Process:
    import psutil

    assert isinstance(process, psutil.Process)
    with process.oneshot():
        return Process(
            pid=process.pid,
            name=process.name(),
            executable=_or_empty(process.exe),
            arguments=tuple(process.cmdline()),
            user=_or_empty(process.username) or None,
            unit=unit_of(process.pid),
        )


def _or_empty(read: object) -> str:
    import psutil

    assert callable(read)
    try:
        return str(read())
    except (psutil.Error, KeyError, OSError):
        return ""


def _shares_network(pid: int) -> bool:
    try:
        return os.readlink(f"/proc/{pid}/ns/net") == os.readlink("/proc/self/ns/net")
    except OSError:
        return True


def unit_of(pid: int) -> str | None:
    """Return the systemd unit of a process (systemd.unit(5)), or None where it has none."""
    text = read_text(f"/proc/{pid}/cgroup")
    if isinstance(text, Unknown) or text.value is None:
        return None
    return parse_unit(text.value)


def parse_unit(cgroup: str) -> str | None:
    """Read the unit from ``/proc/PID/cgroup`` (cgroups(7)): the last service in the path."""
    for line in cgroup.splitlines():
        hierarchy, _, path = line.partition(":")[2].partition(":")
        if hierarchy in ("", "name=systemd"):
            units = [part for part in path.split("/") if part.endswith((".service", ".scope"))]
            if units:
                return units[-1]
    return None
