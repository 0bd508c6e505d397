"""This host as the servers see it that receive its mail or send to it."""

from __future__ import annotations

from collections.abc import Callable

from mailfix.facts import HostAddress, Listener, Mta, Outgoing, Reach
from mailfix.mail_records.mail_host import MailHost
from mailfix.mail_records.public_address import is_public
from mailfix.model import Fact, Family, Known, PerFamily, Unknown


def as_seen(
    mta: Fact[Mta | None],
    addresses: Fact[tuple[HostAddress, ...]],
    outgoing: PerFamily[Outgoing | None],
    listeners: Fact[tuple[Listener, ...]],
) -> MailHost:
    """Put together what the records of the host's domains are held against."""
    return MailHost(
        hostname=_of_mta(mta, lambda used: Known(used.hostname)),
        helo=_of_mta(mta, lambda used: used.helo),
        senders=PerFamily(*(_sender(mta, outgoing.of(family), family) for family in Family)),
        receivers=_receivers(addresses, outgoing),
        listens_ipv6=_listens_ipv6(listeners),
    )


def _of_mta(mta: Fact[Mta | None], part: Callable[[Mta], Fact[str]]) -> Fact[str]:
    if isinstance(mta, Unknown):
        return mta
    return part(mta.value) if mta.value else Unknown("no mail server is installed")


def _sender(
    mta: Fact[Mta | None], leaving: Fact[Outgoing | None], family: Family
) -> Fact[str | None]:
    if isinstance(mta, Unknown):
        return mta
    used = mta.value
    if used is None or not used.sends_directly or not _speaks(used, family):
        return Known(None)
    if isinstance(leaving, Unknown):
        return leaving
    if leaving.value is None:
        return Known(None)
    public = leaving.value.public
    return public if isinstance(public, Unknown) else Known(public.value)


def _speaks(mta: Mta, family: Family) -> bool:
    return family is Family.IPV4 or mta.speaks_ipv6


def _receivers(
    addresses: Fact[tuple[HostAddress, ...]], outgoing: PerFamily[Outgoing | None]
) -> Fact[tuple[str, ...]]:
    """All public addresses that lead here: the interfaces' own, and those of a NAT before them."""
    if isinstance(addresses, Unknown):
        return addresses
    own = {each.address for each in addresses.value if is_public(each.address)}
    for family in Family:
        leaving = outgoing.of(family)
        if isinstance(leaving, Unknown) or leaving.value is None:
            continue
        if isinstance(leaving.value.public, Unknown):
            return leaving.value.public
        own.add(leaving.value.public.value)
    return Known(tuple(sorted(own)))


def _listens_ipv6(listeners: Fact[tuple[Listener, ...]]) -> Fact[bool]:
    if isinstance(listeners, Unknown):
        return listeners
    return Known(
        any(
            each.port == 25 and each.reach is Reach.NETWORK and Family.IPV6 in each.families
            for each in listeners.value
        )
    )
