"""What is asked of a firewall: may this new connection of mail be opened?"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from mailfix.model import Family


class Direction(StrEnum):
    IN = "in"
    OUT = "out"


@dataclass(frozen=True, slots=True)
class Question:
    """The first packet of a new connection, everything fixed but the far address.

    ``port`` is the destination port. ``interface`` is the one with the default route, "" where it
    is not known. ``local_address`` is one of the host's own: the destination of what comes in, the
    source of what goes out; ``own_addresses`` are any further ones. ``uid`` and ``gid`` are those
    of the process that sends what goes out; None where they are not known. ``source_ports`` is
    the range (both included) that the client's port is taken from; None stands for what is usual:
    1024-65535 in, Linux's ``ip_local_port_range`` 32768-60999 out.
    """

    direction: Direction
    family: Family
    port: int
    interface: str
    local_address: str
    protocol: str = "tcp"
    uid: int | None = None
    gid: int | None = None
    own_addresses: tuple[str, ...] = ()
    source_ports: tuple[int, int] | None = None

    @property
    def ephemeral(self) -> tuple[int, int]:
        """The range, both included, that the client's port is taken from."""
        if self.source_ports is not None:
            return self.source_ports
        return (1024, 65535) if self.direction is Direction.IN else (32768, 60999)
