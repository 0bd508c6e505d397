"""A network namespace: made and removed by name, entered for one socket or one program."""

from __future__ import annotations

import ctypes
import os
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .machine import LabError, environment, run

CLONE_NEWNET = 0x40000000
QUIET_IPV6 = ("accept_dad", "accept_ra", "autoconf")


@dataclass(frozen=True, slots=True)
class Namespace:
    """One named network namespace."""

    name: str

    @property
    def path(self) -> Path:
        return Path("/run/netns") / self.name

    def create(self) -> None:
        """Make the namespace, its loopback up, IPv6 addresses usable without waiting."""
        self.ip("netns", "add", self.name, inside=False)
        self.write_sysctls(
            {f"net/ipv6/conf/{who}/{key}": "0" for who in ("all", "default") for key in QUIET_IPV6}
        )
        self.ip("link", "set", "lo", "up")

    def delete(self) -> None:
        """Remove the name; the namespace goes with its last process."""
        self.ip("netns", "delete", self.name, inside=False)

    def ip(self, *arguments: str, inside: bool = True) -> None:
        """Run ``ip``, in this namespace unless told otherwise."""
        run(("ip", *(("-n", self.name) if inside else ()), *arguments))

    def ip_batch(self, *lines: str) -> None:
        """Run several ``ip`` commands in this namespace; the first that fails ends it."""
        run(("ip", "-n", self.name, "-batch", "-"), text_in="\n".join(lines))

    def nft(self, ruleset: str) -> None:
        """Load nftables commands into this namespace, all or none."""
        run((*self.prefix(), "nft", "-f", "-"), text_in=ruleset)

    def prefix(self) -> tuple[str, ...]:
        """What goes before a command that shall run in this namespace."""
        return ("nsenter", f"--net={self.path}", "--")

    def write_sysctls(self, values: dict[str, str]) -> None:
        """Set kernel variables of this namespace; keys as below /proc/sys.

        By a proc of its own: where this runs in a container, the one that is there is read-only.
        """
        lines = [f"echo {value} >/proc/sys/{key}" for key, value in values.items()]
        script = "\n".join(("mount -t proc proc /proc", *lines))
        run((*self.prefix(), "unshare", "--mount", "sh", "-ec", script))

    def run(
        self, command: Sequence[str], resolver: Path, *, timeout: float = 30.0
    ) -> subprocess.CompletedProcess[str]:
        """Run a program of this machine here, with another file in place of /etc/resolv.conf."""
        mount_then_run = 'mount --bind "$0" /etc/resolv.conf && exec "$@"'
        return subprocess.run(
            (
                *self.prefix(),
                *("unshare", "--mount", "sh", "-c", mount_then_run, str(resolver)),
                *command,
            ),
            capture_output=True,
            text=True,
            timeout=timeout,
            env=environment(),
            check=False,
            stdin=subprocess.DEVNULL,
        )

    def socket(
        self, family: socket.AddressFamily, kind: socket.SocketKind = socket.SOCK_STREAM
    ) -> socket.socket:
        """A socket that belongs to this namespace, whoever uses it afterwards."""
        with self._entered():
            return socket.socket(family, kind)

    @contextmanager
    def _entered(self) -> Iterator[None]:
        """Put this one thread into the namespace; only for opening a socket."""
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            there = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                set_namespace(there)
            finally:
                os.close(there)
            try:
                yield
            finally:
                set_namespace(home)
        finally:
            os.close(home)


def set_namespace(descriptor: int) -> None:
    """setns(2) for the calling thread; raises LabError."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(descriptor, CLONE_NEWNET) != 0:
        raise LabError(f"setns: {os.strerror(ctypes.get_errno())}")


def join(inner: Namespace, inner_device: str, outer: Namespace, outer_device: str) -> None:
    """Connect two namespaces by a veth pair, both ends up."""
    end = ("type", "veth", "peer", "name", outer_device, "netns", outer.name)
    inner.ip("link", "add", inner_device, *end)
    inner.ip("link", "set", inner_device, "up")
    outer.ip("link", "set", outer_device, "up")
