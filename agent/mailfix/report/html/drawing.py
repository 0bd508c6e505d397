"""The mail host drawn: Internet, firewall, sockets, servers and DNS, and what is broken where."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

from mailfix.facts import MailServer, Role
from mailfix.model import Fact, Family, Known, Part, Unknown
from mailfix.overview import Overview
from mailfix.report.counting import counted
from mailfix.report.escape import clip, escape
from mailfix.report.html.domain_rows import DomainRow, domain_rows, more_domains
from mailfix.report.html.geometry import (
    BELOW_ALL,
    BELOW_SERVERS,
    DNS_BELOW_HOST,
    DOMAIN_HEIGHT,
    DOMAINS_BELOW_DNS,
    LANES_FROM,
    LANES_TO,
    LAST_LINE,
    SERVER_HEIGHT,
    SERVERS_FROM,
)
from mailfix.report.html.lanes import Column, columns
from mailfix.report.html.marks import Mark, Sign, fine
from mailfix.report.html.places import Place, Signs

SERVERS_IN_A_ROW = 2
MAX_SERVERS = 4
MAX_SERVER_NAME = 13
MAX_HOST_NAME = 40
MAX_ADDRESSES = 46
NO_MAIL_HOST = "not judged: this is no mail host"


@dataclass(frozen=True, slots=True)
class Chip:
    """A mail server."""

    x: int
    y: int
    name: str
    state: str
    sign: Sign


@dataclass(frozen=True, slots=True)
class Drawing:
    """Everything with its place; ``told`` is the drawing in words."""

    told: str
    host: str
    addresses: str
    columns: tuple[Column, ...]
    chips: tuple[Chip, ...]
    host_y: int
    dns_y: int
    height: int
    internet: Sign
    firewall: Sign
    sockets: Sign
    servers: Sign
    machine: Sign
    dns: Sign
    names: Sign
    domains: tuple[DomainRow, ...]
    more_domains: str


def draw(host: str, overview: Overview, signs: Signs) -> Drawing:
    """Lay the mail host out and mark it."""
    chips = tuple(_chips(overview.servers, signs))
    rows = max(1, ceil(len(chips) / SERVERS_IN_A_ROW))
    host_y = SERVERS_FROM + rows * SERVER_HEIGHT + BELOW_SERVERS
    dns_y = host_y + DNS_BELOW_HOST
    published = fine() if _may_be_mail_host(overview.servers) else Sign(Mark.IDLE, NO_MAIL_HOST)
    domains_y = dns_y + DOMAINS_BELOW_DNS
    domains = tuple(domain_rows(overview.domains, signs, domains_y))
    more = more_domains(overview.domains, domains, signs)
    return Drawing(
        told=_told(signs),
        host=clip(escape(host), MAX_HOST_NAME),
        addresses=_addresses(overview),
        columns=tuple(columns(overview, signs)),
        chips=chips,
        host_y=host_y,
        dns_y=dns_y,
        height=dns_y
        + DOMAINS_BELOW_DNS
        + len(domains) * DOMAIN_HEIGHT
        + (LAST_LINE if more else BELOW_ALL),
        internet=signs.within(Part.INTERNET) or fine(),
        firewall=_whole(signs, Part.FIREWALL, [each.lets_in for each in overview.inlets]),
        sockets=_whole(signs, Part.SOCKETS, [each.reach for each in overview.inlets]),
        servers=_whole(signs, Part.SERVER, [overview.servers]),
        machine=_whole(signs, Part.HOST, [overview.addresses]),
        dns=_whole(signs, Part.DNS, [overview.domains], published),
        names=signs.at(Place(Part.DNS)) or published,
        domains=domains,
        more_domains=more,
    )


def _may_be_mail_host(servers: Fact[tuple[MailServer, ...]]) -> bool:
    if isinstance(servers, Unknown):
        return True
    return any(server.role is Role.MTA for server in servers.value)


def _whole(
    signs: Signs, part: Part, facts: Sequence[Fact[Any]], otherwise: Sign | None = None
) -> Sign:
    """A part's worst; where nothing is told and nothing was found out either, it is unknown."""
    sign = signs.within(part)
    unknown = next((fact for fact in facts if isinstance(fact, Unknown)), None)
    if sign is not None or unknown is None:
        return sign or otherwise or fine()
    return Sign(Mark.UNKNOWN, unknown.reason)


def _told(signs: Signs) -> str:
    places = counted(signs.marked(Mark.BROKEN), "thing") + " broken"
    weak = f"{signs.marked(Mark.WEAK)} that need attention"
    return f"{places}, {weak}, {signs.marked(Mark.UNKNOWN)} not found out"


def _addresses(overview: Overview) -> str:
    if isinstance(overview.addresses, Unknown):
        return "its addresses were not found out"
    own = overview.addresses.value
    firsts = (next((each.address for each in own if each.family is f), None) for f in Family)
    return clip(", ".join(escape(each) for each in firsts if each) or "no address", MAX_ADDRESSES)


def _chips(servers: Fact[tuple[MailServer, ...]], signs: Signs) -> Iterator[Chip]:
    known = servers.value if isinstance(servers, Known) else ()
    by_role = sorted(known, key=lambda server: server.role is not Role.MTA)
    for number, server in enumerate(by_role[:MAX_SERVERS]):
        row, column = divmod(number, SERVERS_IN_A_ROW)
        x = LANES_FROM + column * (LANES_TO - LANES_FROM) // SERVERS_IN_A_ROW
        name = clip(escape(server.name), MAX_SERVER_NAME)
        state = "running" if server.running else "not running"
        sign = signs.at(*_places_of(server)) or (fine() if server.running else _off())
        yield Chip(x, SERVERS_FROM + row * SERVER_HEIGHT, name, state, sign)


def _places_of(server: MailServer) -> Iterator[Place]:
    """What is said of no server by name is said of the MTA."""
    yield Place(Part.SERVER, server=server.name)
    if server.role is Role.MTA:
        yield Place(Part.SERVER)


def _off() -> Sign:
    return Sign(Mark.IDLE, "it was put aside")
