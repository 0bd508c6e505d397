"""The mail host at a glance: what lies on mail's way in and out, without judging it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias, TypeVar

from mailfix.facts import (
    MAIL_PORTS,
    Facts,
    Flow,
    HostAddress,
    Listener,
    MailServer,
    PortVerdict,
    Reach,
    WayOut,
)
from mailfix.mail_records.dkim import KeyFault, PublishedKey, PublishedKeys
from mailfix.mail_records.dmarc import DmarcPolicy
from mailfix.mail_records.domain import DomainRecords
from mailfix.mail_records.domain_name import shown_domain
from mailfix.mail_records.mx import MailExchange
from mailfix.mail_records.spf import SpfPolicy
from mailfix.mail_records.transport import Dane, TransportPolicy
from mailfix.model import WHOLE, Fact, Family, Known, Unknown, unread
from mailfix.predicates.listening import serves

T = TypeVar("T")
Verdicts: TypeAlias = Fact[tuple[PortVerdict, ...]]

NOT_ASKED = Unknown("the host has no way out over this family: its firewall was not asked")


class Kind(StrEnum):
    """What a mail domain publishes; TLS is MTA-STS, DANE or TLS-RPT."""

    MX = "MX"
    SPF = "SPF"
    DKIM = "DKIM"
    DMARC = "DMARC"
    TLS = "TLS"


@dataclass(frozen=True, slots=True)
class Inlet:
    """A mail port of the host over one family.

    ``lets_in`` is the share (0 to 1) of the Internet that the firewall lets in. ``arrives_at`` is
    another port that it sends them on to, None where it is this one. ``reach`` is from where the
    socket at which they arrive can be reached, the firewall aside; None where nothing listens.
    """

    port: int
    family: Family
    lets_in: Fact[float]
    reach: Fact[Reach | None]
    arrives_at: int | None = None


@dataclass(frozen=True, slots=True)
class Outlet:
    """The way out to port 25 of others over one family.

    ``lets_out`` is the share (0 to 1) of the Internet that the host's own firewall lets the mail
    user out to. ``answered`` tells whether a mail server of others greeted.
    """

    family: Family
    lets_out: Fact[float]
    answered: Fact[bool]


@dataclass(frozen=True, slots=True)
class Publication:
    """What a domain publishes of each kind; its name is in A-labels (RFC 5890)."""

    domain: str
    kinds: Mapping[Kind, Fact[bool]]

    @property
    def shown(self) -> str:
        """The domain as people know it."""
        return shown_domain(self.domain)


@dataclass(frozen=True, slots=True)
class Overview:
    """The mail host at a glance; the families are those that it has addresses or doubts of."""

    inlets: tuple[Inlet, ...] = ()
    outlets: tuple[Outlet, ...] = ()
    servers: Fact[tuple[MailServer, ...]] = field(default_factory=unread)
    addresses: Fact[tuple[HostAddress, ...]] = field(default_factory=unread)
    domains: Fact[tuple[Publication, ...]] = field(default_factory=unread)


def overview(facts: Facts) -> Overview:
    """Return what the facts tell of the way in, the way out and what is published."""
    families = _families(facts)
    return Overview(
        inlets=tuple(_inlet(facts, port, family) for port in MAIL_PORTS for family in families),
        outlets=tuple(_outlets(facts, families)),
        servers=facts.servers,
        addresses=facts.addresses,
        domains=_publications(facts.domain_records),
    )


def _families(facts: Facts) -> tuple[Family, ...]:
    """IPv4, and IPv6 unless the host is known to have none."""
    own = facts.addresses.value if isinstance(facts.addresses, Known) else ()
    has_ipv6 = any(each.family is Family.IPV6 for each in own)
    unsure = isinstance(facts.addresses, Unknown)
    return tuple(Family) if has_ipv6 or unsure else (Family.IPV4,)


def _inlet(facts: Facts, port: int, family: Family) -> Inlet:
    verdicts = facts.firewall.of(family)
    lets_in, arrives_at = _let_through(verdicts, Flow.IN, port), _sent_on(verdicts, port)
    return Inlet(port, family, lets_in, _reach(facts, arrives_at or port, family), arrives_at)


def _sent_on(verdicts: Verdicts, port: int) -> int | None:
    verdict = _verdict(verdicts.value, Flow.IN, port) if isinstance(verdicts, Known) else None
    return verdict.arrivals[0].port if verdict is not None and verdict.arrivals else None


def _reach(facts: Facts, port: int, family: Family) -> Fact[Reach | None]:
    if isinstance(facts.all_listeners, Unknown):
        return facts.all_listeners
    if isinstance(facts.addresses, Unknown):
        return facts.addresses
    on_port = [each for each in facts.all_listeners.value if _takes(each, port, family)]
    if any(serves(each, family, facts.addresses.value) for each in on_port):
        return Known(Reach.NETWORK)
    return Known(Reach.LOOPBACK if on_port else None)


def _takes(listener: Listener, port: int, family: Family) -> bool:
    return listener.port == port and family in listener.families


def _outlets(facts: Facts, families: tuple[Family, ...]) -> Iterator[Outlet]:
    for family in families:
        way_out = facts.way_out.of(family)
        if way_out != Known(None):
            lets_out = _let_through(facts.firewall.of(family), Flow.OUT, 25)
            yield Outlet(family, lets_out, _answered(way_out))


def _answered(way_out: Fact[WayOut | None]) -> Fact[bool]:
    if isinstance(way_out, Unknown):
        return way_out
    attempts = way_out.value.smtp if way_out.value else ()
    return Known(any(attempt.greeted for attempt in attempts))


def _let_through(verdicts: Verdicts, flow: Flow, port: int) -> Fact[float]:
    """Bans of single addresses, which the rules leave alone, count as let through."""
    if isinstance(verdicts, Unknown):
        return verdicts
    verdict = _verdict(verdicts.value, flow, port)
    if verdict is None:
        return NOT_ASKED
    if sum(doubt.share for doubt in verdict.doubts) > 1 - WHOLE:
        return Unknown(f"it is undecided: {verdict.doubts[0].reason}")
    return Known(verdict.passes + sum(each.share for each in verdict.blockers if each.ban))


def _verdict(verdicts: tuple[PortVerdict, ...], flow: Flow, port: int) -> PortVerdict | None:
    found = (each for each in verdicts if each.flow is flow and each.port == port)
    return next(found, None)


def _publications(records: Fact[tuple[DomainRecords, ...]]) -> Fact[tuple[Publication, ...]]:
    if isinstance(records, Unknown):
        return records
    return Known(tuple(_publication(domain) for domain in records.value))


def _publication(domain: DomainRecords) -> Publication:
    kinds = {
        Kind.MX: _has_mx(domain.mx),
        Kind.SPF: _has_spf(domain.spf),
        Kind.DKIM: _has_keys(domain.dkim_key),
        Kind.DMARC: _has_dmarc(domain.dmarc),
        Kind.TLS: _has_transport(domain.transport),
    }
    return Publication(domain.name, kinds)


def _has_mx(mx: Fact[MailExchange]) -> Fact[bool]:
    return mx if isinstance(mx, Unknown) else Known(bool(mx.value.targets or mx.value.null_mx))


def _has_spf(spf: Fact[SpfPolicy]) -> Fact[bool]:
    return spf if isinstance(spf, Unknown) else Known(spf.value.count > 0)


def _has_dmarc(dmarc: Fact[DmarcPolicy]) -> Fact[bool]:
    return dmarc if isinstance(dmarc, Unknown) else Known(bool(dmarc.value.texts))


def _has_keys(keys: Fact[PublishedKeys | None]) -> Fact[bool]:
    if isinstance(keys, Unknown):
        return keys
    return _any(_is_published(key) for key in (keys.value.keys if keys.value else ()))


def _is_published(key: PublishedKey) -> Fact[bool]:
    if isinstance(key.verdict, Unknown):
        return key.verdict
    return Known(key.verdict.value.fault is not KeyFault.MISSING)


def _has_transport(transport: Fact[TransportPolicy]) -> Fact[bool]:
    if isinstance(transport, Unknown):
        return transport
    policy = transport.value
    told = [_is_there(policy.sts), _is_there(policy.reporting)]
    return _any([*told, *(_has_tlsa(fact) for fact in policy.dane)])


def _has_tlsa(dane: Fact[Dane]) -> Fact[bool]:
    return dane if isinstance(dane, Unknown) else Known(bool(dane.value.records))


def _is_there(fact: Fact[T | None]) -> Fact[bool]:
    return fact if isinstance(fact, Unknown) else Known(fact.value is not None)


def _any(facts: Iterable[Fact[bool]]) -> Fact[bool]:
    """True where one of them is; else unknown where one of them is."""
    told = list(facts)
    if Known(True) in told:
        return Known(True)
    return next((fact for fact in told if isinstance(fact, Unknown)), Known(False))
