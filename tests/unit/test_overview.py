"""The host at a glance says what the facts say, and unknown where they do."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mailfix.facts import (
    Arrival,
    Attempt,
    Blocker,
    Doubt,
    Facts,
    Flow,
    HostAddress,
    Listener,
    PortVerdict,
    Reach,
    Way,
    WayOut,
)
from mailfix.mail_records.domain import DomainRecords
from mailfix.mail_records.spf import SpfPolicy
from mailfix.mail_records.transport import TransportPolicy
from mailfix.model import Family, Known, PerFamily, Unknown
from mailfix.overview import Inlet, Kind, overview

V4 = HostAddress("eth0", Family.IPV4, "203.0.113.10")
V6 = HostAddress("eth0", Family.IPV6, "2001:db8::10")
EVERYWHERE = Listener(25, "0.0.0.0", (Family.IPV4,), Reach.NETWORK)


def verdict(port: int, passes: float, flow: Flow = Flow.IN, **more: object) -> PortVerdict:
    return replace(PortVerdict(flow, Family.IPV4, port, passes), **more)  # type: ignore[arg-type]


HOST = Facts(
    addresses=Known((V4,)),
    all_listeners=Known((EVERYWHERE,)),
    firewall=PerFamily(ipv4=Known((verdict(25, 1.0), verdict(25, 1.0, Flow.OUT)))),
    way_out=PerFamily(ipv6=Known(None)),
)


def inlet(facts: Facts, port: int = 25, family: Family = Family.IPV4) -> Inlet:
    found = overview(facts).inlets
    return next(each for each in found if (each.port, each.family) == (port, family))


def test_a_port_that_is_served_and_let_in() -> None:
    assert inlet(HOST) == Inlet(25, Family.IPV4, Known(1.0), Known(Reach.NETWORK))
    assert inlet(HOST, 587).reach == Known(None)


def test_a_family_that_the_host_does_not_have_is_left_out() -> None:
    assert {each.family for each in overview(HOST).inlets} == {Family.IPV4}
    both = replace(HOST, addresses=Known((V4, V6)))
    assert {each.family for each in overview(both).inlets} == set(Family)
    unsure = overview(replace(HOST, addresses=Unknown("refused")))
    assert {each.family for each in unsure.inlets} == set(Family)


def test_what_was_not_found_out_stays_unknown() -> None:
    nothing = inlet(Facts())
    assert isinstance(nothing.lets_in, Unknown)
    assert isinstance(nothing.reach, Unknown)
    assert isinstance(overview(Facts()).servers, Unknown)
    assert isinstance(overview(Facts()).domains, Unknown)
    assert all(isinstance(each.answered, Unknown) for each in overview(Facts()).outlets)


def test_a_port_that_the_firewall_was_not_asked_about_is_unknown() -> None:
    assert isinstance(inlet(HOST, 587).lets_in, Unknown)


def test_bans_count_as_let_in_and_doubts_as_unknown() -> None:
    ban = Blocker("a ban", 0.2, "drop", ban=True)
    banned = verdict(25, 0.8, blockers=(ban,))
    doubtful = verdict(25, 0.5, doubts=(Doubt("a match nobody knows", 0.5),))
    told = {}
    for name, each in {"banned": banned, "doubtful": doubtful}.items():
        told[name] = inlet(replace(HOST, firewall=PerFamily(ipv4=Known((each,))))).lets_in
    assert told["banned"] == Known(1.0)
    assert told["doubtful"] == Unknown("it is undecided: a match nobody knows")


def test_a_socket_on_loopback_is_not_served_to_the_network() -> None:
    local = replace(EVERYWHERE, address="127.0.0.1", reach=Reach.LOOPBACK)
    assert inlet(replace(HOST, all_listeners=Known((local,)))).reach == Known(Reach.LOOPBACK)


def test_what_the_firewall_sends_on_arrives_at_another_socket() -> None:
    redirected = {
        port: verdict(port, 1.0, arrivals=(Arrival(to, 1.0, "rule 1 of PREROUTING"),))
        for port, to in {587: 25, 465: 2525}.items()
    }
    facts = replace(HOST, firewall=PerFamily(ipv4=Known(tuple(redirected.values()))))
    assert inlet(facts, 587) == Inlet(587, Family.IPV4, Known(1.0), Known(Reach.NETWORK), 25)
    assert inlet(facts, 465) == Inlet(465, Family.IPV4, Known(1.0), Known(None), 2525)


@pytest.mark.parametrize(("banner", "answered"), [("220 mx.example", True), ("", False)])
def test_the_way_out_is_open_where_somebody_greets(banner: str, answered: bool) -> None:
    attempt = Attempt("mx.example", "192.0.2.1", 25, Way.OPEN, banner=banner)
    facts = replace(HOST, way_out=PerFamily(ipv4=Known(WayOut((attempt,), ()))))
    (only,) = overview(facts).outlets
    assert (only.lets_out, only.answered) == (Known(1.0), Known(answered))


def test_what_a_domain_publishes() -> None:
    domain = DomainRecords(
        "example.com",
        spf=Known(SpfPolicy(1)),
        dkim_key=Known(None),
        transport=Known(TransportPolicy("example.com", Known(None), Unknown("no answer"))),
    )
    told = overview(replace(HOST, domain_records=Known((domain,)))).domains
    assert isinstance(told, Known)
    (only,) = told.value
    assert only.kinds[Kind.SPF] == Known(True)
    assert only.kinds[Kind.DKIM] == Known(False)
    assert only.kinds[Kind.TLS] == Unknown("no answer")
    assert isinstance(only.kinds[Kind.MX], Unknown)
