"""The finer points of the checks, where a table says more than a case file."""

from __future__ import annotations

import pytest

from mailfix.facts import (
    Attempt,
    Blocker,
    Doubt,
    Flow,
    HostAddress,
    Listener,
    PortVerdict,
    Reach,
    Way,
    WayOut,
)
from mailfix.model import Family, percent
from mailfix.predicates.listening import describe, serves
from mailfix.predicates.reverse import is_generic
from mailfix.predicates.wayout import Closed, closed_by

PUBLIC = HostAddress("eth0", Family.IPV4, "203.0.113.10")
PRIVATE = HostAddress("eth1", Family.IPV4, "10.0.0.5")
V4, V6 = Family.IPV4, Family.IPV6


def listener(address: str, *families: Family, reach: Reach = Reach.NETWORK) -> Listener:
    return Listener(25, address, families, reach)


@pytest.mark.parametrize(
    ("listening", "family", "own", "served"),
    [
        (listener("0.0.0.0", V4), V4, (PUBLIC,), True),
        (listener("0.0.0.0", V4), V6, (PUBLIC,), False),
        (listener("::", V4, V6), V4, (PUBLIC,), True),
        (listener("::", V6), V4, (PUBLIC,), False),
        (listener("127.0.0.1", V4, reach=Reach.LOOPBACK), V4, (PUBLIC,), False),
        (listener("203.0.113.10", V4), V4, (PUBLIC,), True),
        (listener("::ffff:203.0.113.10", V4), V4, (PUBLIC,), True),
        (listener("10.0.0.5", V4), V4, (PRIVATE,), True),
        (listener("10.0.0.5", V4), V4, (PUBLIC, PRIVATE), False),
        (listener("::ffff:10.0.0.5", V4), V4, (PUBLIC, PRIVATE), False),
        (listener("100.64.0.9", V4), V4, (PUBLIC,), False),
        (listener("fd00::5", V6), V6, (HostAddress("eth0", V6, "2001:db8::10"),), False),
        (listener("fd00::5", V6), V6, (), True),
    ],
)
def test_who_is_reached_from_the_network(
    listening: Listener, family: Family, own: tuple[HostAddress, ...], served: bool
) -> None:
    assert serves(listening, family, own) is served


def test_a_listener_is_described_by_where_and_who() -> None:
    told = Listener(25, "::", (V6,), Reach.NETWORK, 812, "exim4", "Debian-exim", "exim4.service")
    assert describe(told) == "[::]:25 exim4 (pid 812), exim4.service"
    assert describe(listener("0.0.0.0", V4)) == "0.0.0.0:25 a process not told"


@pytest.mark.parametrize(
    ("part", "written"),
    [
        (1.0, "100 %"),
        (0.0, "0 %"),
        (0.5, "50 %"),
        (0.123, "12.3 %"),
        (0.001, "0.1 %"),
        (0.0000001, "under 0.1 %"),
        (0.9999, "over 99.9 %"),
        (0.9999999, "over 99.9 %"),
    ],
)
def test_a_share_is_never_rounded_to_nothing_or_to_all(part: float, written: str) -> None:
    assert percent(part) == written


@pytest.mark.parametrize(
    ("way", "banner", "is_greeting"),
    [
        (Way.OPEN, "220 mx.example.net ESMTP", True),
        (Way.OPEN, "554 go away", True),
        (Way.OPEN, "421 later", True),
        (Way.OPEN, "", False),
        (Way.OPEN, "SSH-2.0-OpenSSH", False),
        (Way.REFUSED, "", False),
    ],
)
def test_a_mail_server_is_known_by_its_greeting(way: Way, banner: str, is_greeting: bool) -> None:
    assert Attempt("mx", "198.51.100.25", 25, way, banner=banner).greeted is is_greeting


def attempts(*ways: Way, port: int = 25, banner: str = "") -> tuple[Attempt, ...]:
    return tuple(Attempt("mx", "198.51.100.25", port, way, banner=banner) for way in ways)


OPEN = PortVerdict(Flow.OUT, V4, 25, 1.0)
SHUT = PortVerdict(Flow.OUT, V4, 25, 0.0, (Blocker("-j DROP", 1.0, "drop"),))
DOUBTED = PortVerdict(Flow.OUT, V4, 25, 0.5, doubts=(Doubt("a limit", 0.5),))
INWARD = PortVerdict(Flow.IN, V4, 25, 1.0)
CONTROL = attempts(Way.OPEN, port=443)
NO_CONTROL = attempts(Way.TIMEOUT, Way.REFUSED, port=443)


@pytest.mark.parametrize(
    ("smtp", "control", "firewall", "who"),
    [
        (attempts(Way.OPEN, banner="220 hi"), NO_CONTROL, (SHUT,), Closed.NOBODY),
        (
            attempts(Way.TIMEOUT) + attempts(Way.OPEN, banner="220 hi"),
            CONTROL,
            (),
            Closed.NOBODY,
        ),
        (attempts(Way.TIMEOUT), CONTROL, (SHUT,), Closed.OWN_FIREWALL),
        (attempts(Way.TIMEOUT), CONTROL, (DOUBTED,), Closed.UNDECIDED),
        (attempts(Way.TIMEOUT), CONTROL, (), Closed.UNDECIDED),
        (attempts(Way.TIMEOUT), CONTROL, (INWARD,), Closed.UNDECIDED),
        (attempts(Way.TIMEOUT), CONTROL, (OPEN,), Closed.PROVIDER),
        (attempts(Way.REFUSED, Way.UNREACHABLE), CONTROL, (OPEN,), Closed.PROVIDER),
        (attempts(Way.OPEN), CONTROL, (OPEN,), Closed.PROVIDER),
        (attempts(Way.PROHIBITED), CONTROL, (OPEN,), Closed.UNDECIDED),
        (attempts(Way.ERROR, Way.TIMEOUT), CONTROL, (OPEN,), Closed.UNDECIDED),
        (attempts(Way.TIMEOUT), NO_CONTROL, (OPEN,), Closed.NETWORK),
        (attempts(Way.UNREACHABLE), NO_CONTROL, (SHUT,), Closed.OWN_FIREWALL),
    ],
)
def test_who_closes_port_25_is_named_only_where_it_is_proven(
    smtp: tuple[Attempt, ...],
    control: tuple[Attempt, ...],
    firewall: tuple[PortVerdict, ...],
    who: Closed,
) -> None:
    assert closed_by(WayOut(smtp, control), firewall) is who


@pytest.mark.parametrize(
    ("name", "generic"),
    [
        ("mail.example.com", False),
        ("mail10.example.com", False),
        ("mx-203.example.com", False),
        ("relay113.mail10.example.com", False),
        ("static.example.com", False),
        ("cloud10.example.com", False),
        ("mail.vps.example.com", False),
        ("ns1.ovh.net.example.com", False),
        ("203-0-113-10.example.net", True),
        ("203.0.113.10.example.net", True),
        ("10-113-0-203.example.net", True),
        ("203-000-113-010.example.net", True),
        ("ip203000113010.example.net", True),
        ("pool-113-10.example.net", True),
        ("113.10.static.example.net", True),
        ("vmi7.contaboserver.net", True),
        ("ns31415926.ip-203-0-113.eu", True),
        ("vps-1a2b.vps.ovh.ca", True),
        ("li1-10.members.linode.com", True),
        ("203.0.113.10.vultrusercontent.com", True),
        ("static.10.113.0.203.clients.your-server.de", True),
        ("srv1.hstgr.cloud", True),
    ],
)
def test_a_providers_name_is_told_from_a_name_of_its_own(name: str, generic: bool) -> None:
    assert is_generic(name, "203.0.113.10") is generic


@pytest.mark.parametrize(
    ("name", "generic"),
    [
        ("mail.example.com", False),
        ("ipv6.cafe.example.com", False),
        ("2001-db8--10.example.net", True),
        ("2001-0db8-0000-0000-0000-0000-0000-0010.example.net", True),
        ("20010db8000000000000000000000010.example.net", True),
    ],
)
def test_a_name_that_spells_its_ipv6_address_is_generic(name: str, generic: bool) -> None:
    assert is_generic(name, "2001:db8::10") is generic
