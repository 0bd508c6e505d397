"""The host's addresses, and its way to the Internet."""

from __future__ import annotations

from dataclasses import dataclass

from mailfix.facts import HostAddress, Mta, Outgoing
from mailfix.host import Host, interfaces, routes
from mailfix.model import Fact, Family, Known, PerFamily, Unknown
from mailfix.probes import addresses, firewall
from mailfix.settings import Settings


@dataclass(frozen=True, slots=True)
class Network:
    """What the kernel knows about this host's way to the Internet."""

    addresses: Fact[tuple[HostAddress, ...]]
    default_route: PerFamily[bool]
    outgoing: PerFamily[Outgoing | None]
    endpoints: PerFamily[firewall.Endpoints | None]


def read_network(host: Host, settings: Settings, mta: Fact[Mta | None]) -> Network:
    """Ask the kernel for addresses and routes; what the MTA binds to counts, too."""
    found = interfaces.addresses()
    own = found.value if isinstance(found, Known) else ()
    used = mta.value if isinstance(mta, Known) else None
    outgoing = PerFamily(*(_outgoing(settings, used, own, family) for family in Family))
    return Network(
        addresses=found,
        default_route=PerFamily(*(routes.has_default(family) for family in Family)),
        outgoing=outgoing,
        endpoints=PerFamily(
            *(firewall.endpoints(host, each, outgoing.of(each), own) for each in Family)
        ),
    )


def _outgoing(
    settings: Settings, mta: Mta | None, own: tuple[HostAddress, ...], family: Family
) -> Fact[Outgoing | None]:
    bound = addresses.bound_source(mta, family)
    if isinstance(bound, Unknown):
        return bound
    picked = interfaces.source_address(family)
    if isinstance(picked, Unknown):
        return picked
    configured = settings.public_ipv4 if family is Family.IPV4 else settings.public_ipv6
    source = bound.value if picked.value and bound.value else picked.value
    leaving = addresses.outgoing(family, source, own, configured)
    device = routes.default_interface(family)
    return Known(addresses.through(leaving, device))
