"""Lists of addresses to listen on (exim's local_interfaces), and smallest changes of them. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection
from dataclasses import dataclass

from mailfix.facts import Endpoint
from mailfix.model import Known
from mailfix.probes import exim

ANY = ("", "0.0.0.0", "::")
_WIDE = {4: "0.0.0.0", 6: "::0"}


@dataclass(frozen=True, slots=True)
class Wish:
    """``port`` served to the network.

    ``source`` is the host's address that others use, ``own`` are all of its addresses.
    """

    port: int
    source: str
    own: Collection[str]

    def served(self, endpoints: Collection[Endpoint]) -> bool:
        """Whether the network reaches one of these on the port, at the address that it uses."""
        version = ipaddress.ip_address(self.source).version
        wide = ("", "::") if version == 6 else ("", "0.0.0.0")
        return any(
            each.port == self.port and each.address in (*wide, self.source) for each in endpoints
        )

    def absent(self, endpoints: Collection[Endpoint]) -> tuple[str, ...]:
        """The addresses among these that the host does not have, so that nobody can listen."""
        found = {each.address for each in endpoints} - {*ANY, *self.own}
        return tuple(sorted(each for each in found if not ipaddress.ip_address(each).is_loopback))


def items_for(wish: Wish, items: Collection[str], ports: str) -> list[str]:
    """The items of a list with as little changed as serves the wish.

    Addresses that the host does not have go; loopback addresses of the port become every address;
    where neither serves it, the source address comes beside the others.
    """
    kept = [each for each in items if not wish.absent(_endpoints(each, ports))]
    if not wish.served(_all(kept, ports)):
        kept = list(dict.fromkeys(_widened(wish, each, ports) for each in kept))
    if not wish.served(_all(kept, ports)):
        kept.append(wish.source)
    return kept


def _widened(wish: Wish, item: str, ports: str) -> str:
    endpoints = _endpoints(item, ports)
    if not any(each.port == wish.port for each in endpoints):
        return item
    address = ipaddress.ip_address(endpoints[0].address or "0.0.0.0")
    plain = item.strip("[]") == endpoints[0].address
    return _WIDE[address.version] if address.is_loopback and plain else item


def _all(items: Collection[str], ports: str) -> list[Endpoint]:
    return [endpoint for each in items for endpoint in _endpoints(each, ports)]


def _endpoints(item: str, ports: str) -> tuple[Endpoint, ...]:
    """Where one item listens; nowhere, if it is not understood."""
    options = {"local_interfaces": f"<; {item}", "daemon_smtp_ports": ports}
    found = exim.parse_settings(options, ())
    return found.value.endpoints if isinstance(found, Known) and found.value else ()


def exim_list(items: Collection[str]) -> str:
    """The items as an exim list; a colon within one asks for another separator."""
    return f"<; {' ; '.join(items)}"


def debian_list(items: Collection[str]) -> str:
    """The items as update-exim4.conf.conf has them; every address is no list at all."""
    if set(items) == {*_WIDE.values()}:
        return ""
    joined = " ; ".join(items)
    return f"<; {joined}" if len(items) == 1 and ":" in joined else joined
