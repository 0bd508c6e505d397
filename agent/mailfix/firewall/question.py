"""What is asked of a firewall: may this new connection of mail be opened?"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from mailfix.firewall.addresses import AddressSet
from mailfix.model import Family


class Direction(StrEnum):
    IN = "in"
    OUT = "out"


@dataclass(frozen=True, slots=True)
class Network:
    """A network that one of the host's interfaces is on."""

    interface: str
    addresses: AddressSet


@dataclass(frozen=True, slots=True)
class Question:
    """The first packet of a new connection, everything fixed but the far address.

    ``port`` is the destination port. ``interface`` is the one with the default route, "" where it
    is not known. ``local_address`` is one of the host's own: the destination of what comes in, the
    source of what goes out; ``own_addresses`` are any further ones. ``uid`` and ``gid`` are those
    of the process that sends what goes out; None where they are not known. ``source_ports`` is
    the range (both included) that the client's port is taken from; None stands for what is usual:
    1024-65535 in, Linux's ``ip_local_port_range`` 32768-60999 out. ``protocol`` is a name of
    /etc/protocols. ``far`` holds the far addresses that are asked about, None for all of the
    Internet; the host's own are never among them. ``networks`` and ``forwarding`` (None: not
    known) decide what becomes of packets that a rule sends on to another host.
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
    far: AddressSet | None = None
    networks: tuple[Network, ...] = ()
    forwarding: bool | None = None

    @property
    def ephemeral(self) -> tuple[int, int]:
        """The range, both included, that the client's port is taken from."""
        if self.source_ports is not None:
            return self.source_ports
        return (1024, 65535) if self.direction is Direction.IN else (32768, 60999)

    def interface_to(self, address: int) -> str:
        """The interface by which ``address`` is reached; "" where that is not known."""
        found = (each.interface for each in self.networks if address in each.addresses)
        return next(found, self.interface if self.networks else "")
