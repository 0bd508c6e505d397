"""The only room that touches the world: processes, files, sockets, DNS and the clock."""

from __future__ import annotations

import os
from dataclasses import dataclass

from mailfix.host import files, process
from mailfix.host.clock import Deadline
from mailfix.host.dns import SystemDns
from mailfix.host.process import Output
from mailfix.model import Fact


@dataclass(frozen=True, slots=True)
class Host:
    """The machine under audit, with the time that the audit may take."""

    dns: SystemDns
    deadline: Deadline
    is_root: bool

    @classmethod
    def within(cls, seconds: float) -> Host:
        """The machine that we run on, with that much time from now, and its own resolvers."""
        deadline = Deadline.after(seconds)
        return cls(SystemDns(deadline), deadline, os.geteuid() == 0)

    async def run(self, *argv: str, timeout_s: float = 5.0) -> Fact[Output]:
        """Run a program; see :func:`mailfix.host.process.run`."""
        return await process.run(argv, self.deadline, timeout_s)

    def read(self, path: str) -> Fact[str | None]:
        """Read a file; see :func:`mailfix.host.files.read_text`."""
        return files.read_text(path)

    def names_in(self, directory: str) -> Fact[tuple[str, ...]]:
        """List a directory; see :func:`mailfix.host.files.names_in`."""
        return files.names_in(directory)

    def kernel_name(self) -> str:
        """Return the host name that the kernel has (uname(2), nodename)."""
        return os.uname().nodename

    def has_program(self, name: str) -> bool:
        return process.find_program(name) is not None


__all__ = ["Deadline", "Host", "Output"]
