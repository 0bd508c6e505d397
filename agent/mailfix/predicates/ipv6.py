"""Checks that IPv6 works as a whole or is left alone as a whole."""

from __future__ import annotations

from collections.abc import Iterator

from mailfix.facts import HostAddress, Listener, Mta, NameRecords
from mailfix.model import Family, Known, PerFamily, Unknown
from mailfix.predicates.answer import Answer, failed, passed, unknown
from mailfix.predicates.listening import describe, serves


def _uses_ipv6(mta: Mta | None) -> bool:
    return mta is not None and mta.speaks_ipv6 and mta.sends_directly


def _own(addresses: tuple[HostAddress, ...]) -> list[str]:
    return [
        each.address
        for each in addresses
        if each.family is Family.IPV6 and not each.address.lower().startswith(("fc", "fd"))
    ]


def address_present(
    mta: Mta | None,
    addresses: tuple[HostAddress, ...],
    default_route: PerFamily[bool],
    fqdn_records: NameRecords | None,
) -> Iterator[Answer]:
    """Where the MTA speaks IPv6 and IPv6 is set up or published, the host has an address for it."""
    if not _uses_ipv6(mta):
        return
    own = _own(addresses)
    if own:
        yield passed({}, {"state": f"the host has {', '.join(own)}"})
        return
    published = fqdn_records.ipv6 if fqdn_records else Known(())
    match default_route.ipv6, published:
        case Known(True), _:
            yield failed({}, {"why": "it has an IPv6 route"}, ("there is an IPv6 default route",))
        case _, Known(tuple(names)) if names:
            yield failed(
                {}, {"why": "DNS publishes an AAAA record"}, (f"AAAA: {', '.join(names)}",)
            )
        case (Unknown(reason), _) | (_, Unknown(reason)):
            yield unknown({}, reason)
        case _:
            yield passed({}, {"state": "the host has no IPv6 at all, so mail goes over IPv4"})


def route_present(
    mta: Mta | None, addresses: tuple[HostAddress, ...], default_route: PerFamily[bool]
) -> Iterator[Answer]:
    """Where the MTA speaks IPv6 and the host has an address for it, there is a way out."""
    own = _own(addresses)
    if not _uses_ipv6(mta) or not own:
        return
    match default_route.ipv6:
        case Unknown(reason):
            yield unknown({}, reason)
        case Known(True):
            yield passed({}, {"addresses": ", ".join(own)})
        case _:
            yield failed({}, {"addresses": ", ".join(own)}, (f"addresses: {', '.join(own)}",))


def published_is_served(
    mta: Mta | None,
    fqdn_records: NameRecords | None,
    listeners: tuple[Listener, ...],
    addresses: tuple[HostAddress, ...],
) -> Iterator[Answer]:
    """An AAAA record of the host is followed by a listener on tcp/25 over IPv6."""
    on_port = [listener for listener in listeners if listener.port == 25]
    if mta is None or fqdn_records is None or not on_port:
        return
    match fqdn_records.ipv6:
        case Unknown(reason):
            yield unknown({"port": 25}, reason)
        case Known(published) if published:
            evidence = tuple(describe(listener) for listener in on_port)
            words = {"name": fqdn_records.name, "addresses": ", ".join(published)}
            served = any(serves(listener, Family.IPV6, addresses) for listener in on_port)
            answer = passed if served else failed
            yield answer({"port": 25}, words, evidence)
