"""Checks of the way out to other mail servers, and of who closes it."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum

from mailfix.facts import Attempt, Flow, HostAddress, Mta, Outgoing, PortVerdict, Way, WayOut
from mailfix.model import WHOLE, Family, Known, PerFamily, Unknown
from mailfix.predicates.answer import Answer, failed, passed, unknown


class Closed(StrEnum):
    """Who keeps port 25 closed."""

    NOBODY = "nobody"
    OWN_FIREWALL = "own firewall"
    PROVIDER = "provider"
    NETWORK = "network"
    UNDECIDED = "undecided"


def closed_by(way_out: WayOut, firewall: tuple[PortVerdict, ...]) -> Closed:
    """Name who keeps port 25 closed, as far as it is proven.

    A short list of addresses that the host's own firewall bans may hold all that were tried.
    """
    if any(attempt.greeted for attempt in way_out.smtp):
        return Closed.NOBODY
    verdict = next((v for v in firewall if v.flow is Flow.OUT and v.port == 25), None)
    if verdict is None or verdict.doubts:
        return Closed.UNDECIDED
    if verdict.passes < WHOLE:
        return Closed.OWN_FIREWALL
    if verdict.blockers or not way_out.control:
        return Closed.UNDECIDED
    if not any(attempt.way is Way.OPEN for attempt in way_out.control):
        return Closed.NETWORK
    if any(attempt.way in (Way.PROHIBITED, Way.ERROR) for attempt in way_out.smtp):
        return Closed.UNDECIDED
    return Closed.PROVIDER


def _uses(mta: Mta | None, family: Family) -> bool:
    if mta is None:
        return family is Family.IPV4
    return mta.sends_directly and (family is Family.IPV4 or mta.speaks_ipv6)


def _evidence(way_out: WayOut) -> tuple[str, ...]:
    return tuple(_line(attempt) for attempt in (*way_out.smtp, *way_out.control))


def _line(attempt: Attempt) -> str:
    said = f", greets with: {attempt.banner[:160]}" if attempt.banner else ""
    detail = f" ({attempt.detail})" if attempt.detail else ""
    where = f"{attempt.target} [{attempt.address}]:{attempt.port}"
    return f"{where}: {attempt.way.value}{detail}{said}"


def mail_server_reached(
    mta: Mta | None, way_out: WayOut | None, firewall: tuple[PortVerdict, ...], family: Family
) -> Iterator[Answer]:
    """At least one mail server of others answers on port 25.

    Silent where the host's own firewall or the provider is to blame: those have rules of their own.
    """
    if way_out is None or not _uses(mta, family):
        return
    subject = {"family": family.value}
    evidence = _evidence(way_out)
    words = {"family": family.label}
    match closed_by(way_out, firewall):
        case Closed.NOBODY:
            yield passed(subject, words, evidence)
        case Closed.NETWORK:
            yield failed(subject, words, evidence)
        case Closed.UNDECIDED:
            yield unknown(
                subject,
                f"no mail server answered on port 25 over {family.label}, and whether the host's "
                "own firewall lets it out is not proven",
                evidence,
            )


def not_blocked_by_provider(
    mta: Mta | None,
    way_out: WayOut | None,
    outgoing: Outgoing | None,
    firewall: tuple[PortVerdict, ...],
    family: Family,
) -> Iterator[Answer]:
    """Port 25 is not closed on the way, beyond the host's own firewall."""
    if way_out is None or outgoing is None or not _uses(mta, family):
        return
    public = outgoing.public.value if isinstance(outgoing.public, Known) else outgoing.source
    words = {"family": family.label, "address": public, "target": way_out.smtp[0].target}
    subject = {"family": family.value}
    match closed_by(way_out, firewall):
        case Closed.NOBODY:
            yield passed(subject, words)
        case Closed.PROVIDER:
            yield failed(subject, words, _evidence(way_out))


def route_out(
    addresses: tuple[HostAddress, ...], outgoing: PerFamily[Outgoing | None]
) -> Iterator[Answer]:
    """The host has a route to the Internet: over IPv4, unless it is a host of IPv6 alone."""
    own = [each.address for each in addresses if each.family is Family.IPV4]
    words = {"own": ", ".join(own) or "none", "family": Family.IPV4.label}
    match outgoing.ipv4, outgoing.ipv6:
        case Unknown(reason), _:
            yield unknown({}, reason)
        case Known(Outgoing()), _:
            yield passed({}, words)
        case _, Unknown(reason) if not own:
            yield unknown({}, reason)
        case _, Known(Outgoing()) if not own:
            yield passed({}, {**words, "family": Family.IPV6.label})
        case _:
            yield failed({}, words)
