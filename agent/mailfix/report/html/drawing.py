"""The mail host drawn: Internet, firewall, sockets, servers and DNS, and what is broken where.

Lengths are units of the drawing, which is 360 of them wide: about a pixel each on a phone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

from mailfix.facts import MAIL_PORTS, SMTP_PORTS, Flow, MailServer, Reach, Role
from mailfix.model import WHOLE, Fact, Family, Known, Part, Unknown, of_the_internet
from mailfix.overview import Inlet, Kind, Outlet, Overview, Publication
from mailfix.report.counting import counted
from mailfix.report.escape import clip, escape
from mailfix.report.html.marks import ORDER, Mark, Sign
from mailfix.report.html.places import Place, Signs

T = TypeVar("T")

LANES_FROM, LANES_TO = 110, 346
MAX_COLUMN = 64
MAX_LANE_GAP = 17
NARROW = 36
"""Columns of this width and under have smaller letters and marks."""
INTERNET_TO = 88
FIREWALL_Y = 136
SOCKETS_Y = 186
SERVERS_FROM = 212
SERVER_HEIGHT = 40
SERVERS_IN_A_ROW = 2
DOMAIN_HEIGHT = 50
PILLS_FROM, PILL_GAP = 36, 5
PILL_WIDTH, PILL_LETTER = 29, 8
MAX_SERVERS = 4
MAX_DOMAINS = 4
MAX_NAME = 40
MAX_SERVER_NAME = 13
NO_MAIL_HOST = "not judged: this is no mail host"
NOTHING_WRONG = "nothing wrong was found here"
OPEN_FROM = 1 - WHOLE
"""A smaller share of the Internet that gets through is nobody's mail."""


class Flowing(StrEnum):
    """How a stretch of a lane is drawn: mail passes, is kept out, is lost, or nobody knows."""

    OPEN = "open"
    SHUT = "shut"
    BROKEN = "broken"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of a lane, from the Internet's side (``top``) to the host's (``bottom``)."""

    top: int
    bottom: int
    flowing: Flowing


@dataclass(frozen=True, slots=True)
class Spot:
    """A mark beside or upon something."""

    x: float
    y: int
    sign: Sign


@dataclass(frozen=True, slots=True)
class Lane:
    """One family's way in by one port, or out.

    ``passes`` tells whether the firewall is open; ``socket`` is how the socket is drawn, "" none.
    """

    x: float
    digit: str
    told: str
    stretches: tuple[Stretch, ...]
    spots: tuple[Spot, ...]
    passes: bool = False
    socket: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """The lanes of one port."""

    x: float
    port: int
    lanes: tuple[Lane, ...]
    narrow: bool = False
    outgoing: bool = False


@dataclass(frozen=True, slots=True)
class Chip:
    """A mail server."""

    x: int
    y: int
    name: str
    state: str
    sign: Sign


@dataclass(frozen=True, slots=True)
class Pill:
    """What a domain publishes of one kind."""

    x: int
    width: int
    label: str
    sign: Sign


@dataclass(frozen=True, slots=True)
class DomainRow:
    """A mail domain and what it publishes."""

    y: int
    name: str
    sign: Sign
    pills: tuple[Pill, ...]


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
    rows = max(1, -(-len(chips) // SERVERS_IN_A_ROW))
    host_y = SERVERS_FROM + rows * SERVER_HEIGHT + 24
    dns_y = host_y + 46
    published = _fine() if _may_be_mail_host(overview.servers) else Sign(Mark.IDLE, NO_MAIL_HOST)
    domains = tuple(_domain_rows(overview.domains, signs, dns_y + 66))
    more = _more_domains(overview.domains, domains, signs)
    return Drawing(
        told=_told(signs),
        host=clip(escape(host), MAX_NAME),
        addresses=_addresses(overview),
        columns=tuple(_columns(overview, signs)),
        chips=chips,
        host_y=host_y,
        dns_y=dns_y,
        height=dns_y + 66 + len(domains) * DOMAIN_HEIGHT + (28 if more else 6),
        internet=signs.within(Part.INTERNET) or _fine(),
        firewall=_whole(signs, Part.FIREWALL, [each.lets_in for each in overview.inlets]),
        sockets=_whole(signs, Part.SOCKETS, [each.reach for each in overview.inlets]),
        servers=_whole(signs, Part.SERVER, [overview.servers]),
        machine=_whole(signs, Part.HOST, [overview.addresses]),
        dns=_whole(signs, Part.DNS, [overview.domains], published),
        names=signs.at(Place(Part.DNS)) or published,
        domains=domains,
        more_domains=more,
    )


def _fine() -> Sign:
    return Sign(Mark.FINE, NOTHING_WRONG)


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
        return sign or otherwise or _fine()
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
    return clip(", ".join(escape(each) for each in firsts if each) or "no address", MAX_NAME + 6)


def _columns(overview: Overview, signs: Signs) -> Iterator[Column]:
    ports = _ports(overview, signs)
    width = min(MAX_COLUMN, (LANES_TO - LANES_FROM) / (len(ports) + bool(overview.outlets)))
    middle = LANES_FROM + width / 2
    if overview.outlets:
        places = _abreast(middle, width, overview.outlets)
        lanes = tuple(_lane_out(x, outlet, signs) for x, outlet in places)
        yield Column(middle, 25, lanes, narrow=width <= NARROW, outgoing=True)
        middle += width
    for port in ports:
        inlets = [each for each in overview.inlets if each.port == port]
        beside = _abreast(middle, width, inlets)
        lanes = tuple(_lane_in(x, inlet, signs) for x, inlet in beside)
        yield Column(middle, port, lanes, narrow=width <= NARROW)
        middle += width


def _ports(overview: Overview, signs: Signs) -> list[int]:
    """The ports that something listens on, or that a finding is about; 25 in any case."""
    ports = {25, *(each.port for each in overview.inlets if _is_used(each))}
    ports |= {place.port for place in signs.places if place.flow is Flow.IN}
    return [port for port in MAIL_PORTS if port in ports]


def _is_used(inlet: Inlet) -> bool:
    if isinstance(inlet.reach, Unknown):
        return inlet.port in SMTP_PORTS
    return inlet.reach.value is not None


def _abreast(middle: float, width: float, things: Sequence[T]) -> Iterator[tuple[float, T]]:
    gap = min(MAX_LANE_GAP, 0.42 * width)
    first = middle - gap * (len(things) - 1) / 2
    for number, each in enumerate(things):
        yield round(first + number * gap, 1), each


def _lane_in(x: float, inlet: Inlet, signs: Signs) -> Lane:
    port, family = inlet.port, inlet.family.value
    gate = signs.at(Place(Part.FIREWALL, Flow.IN, port, family)) or _doubt(inlet.lets_in)
    plug = signs.at(
        Place(Part.SOCKETS, Flow.IN, port, family), Place(Part.SOCKETS, Flow.IN, port)
    ) or _doubt(inlet.reach)
    let_in = _let_through(inlet.lets_in, gate)
    served = Flowing.OPEN if inlet.reach == Known(Reach.NETWORK) else Flowing.SHUT
    arrives = Flowing.SHUT if let_in is Flowing.BROKEN else let_in
    return Lane(
        x=x,
        digit=inlet.family.value[-1],
        told=_inlet_told(inlet),
        stretches=(
            Stretch(INTERNET_TO, FIREWALL_Y, let_in),
            Stretch(FIREWALL_Y, SOCKETS_Y, arrives),
            Stretch(SOCKETS_Y, SERVERS_FROM, served if arrives is Flowing.OPEN else arrives),
        ),
        spots=tuple(_spots(x, [(FIREWALL_Y, gate), (SOCKETS_Y, plug)])),
        passes=let_in is Flowing.OPEN,
        socket=_socket(inlet.reach),
    )


def _let_through(share: Fact[float], gate: Sign | None) -> Flowing:
    if isinstance(share, Unknown):
        return Flowing.UNKNOWN
    if share.value > OPEN_FROM:
        return Flowing.OPEN
    return _kept_out(gate)


def _kept_out(sign: Sign | None) -> Flowing:
    """Mail is lost where that is a fault, and kept out where nobody minds."""
    return Flowing.BROKEN if sign is not None and sign.mark is Mark.BROKEN else Flowing.SHUT


def _doubt(fact: Fact[Any]) -> Sign | None:
    return Sign(Mark.UNKNOWN, fact.reason) if isinstance(fact, Unknown) else None


def _spots(x: float, signs: list[tuple[int, Sign | None]]) -> Iterator[Spot]:
    for y, sign in signs:
        if sign is not None:
            yield Spot(x, y, sign)


def _socket(reach: Fact[Reach | None]) -> str:
    if isinstance(reach, Unknown):
        return ""
    return reach.value.value if reach.value else "nothing"


def _inlet_told(inlet: Inlet) -> str:
    told = [f"tcp/{inlet.port} over {inlet.family.label}"]
    told.append(_share_told(inlet.lets_in, "the firewall lets in"))
    if inlet.arrives_at is not None:
        told.append(f"it sends them on to tcp/{inlet.arrives_at}")
    return "; ".join([*told, _reach_told(inlet.reach)])


def _share_told(share: Fact[float], lets: str) -> str:
    if isinstance(share, Unknown):
        return f"what {lets} was not found out"
    return f"{lets} {of_the_internet(share.value) if share.value > OPEN_FROM else 'nobody'}"


def _reach_told(reach: Fact[Reach | None]) -> str:
    match reach:
        case Unknown():
            return "what listens was not found out"
        case Known(Reach.NETWORK):
            return "it is served to the network"
        case Known(Reach.LOOPBACK):
            return "it is served to the host itself alone"
    return "nothing listens"


def _lane_out(x: float, outlet: Outlet, signs: Signs) -> Lane:
    family = outlet.family.value
    gate = signs.at(Place(Part.FIREWALL, Flow.OUT, 25, family)) or _doubt(outlet.lets_out)
    far = signs.at(Place(Part.INTERNET, Flow.OUT, family=family)) or _doubt(outlet.answered)
    let_out = _let_through(outlet.lets_out, gate)
    firewall = _share_told(outlet.lets_out, "the firewall lets the mail user out to")
    return Lane(
        x=x,
        digit=family[-1],
        told=f"tcp/25 out over {outlet.family.label}: {firewall}; {_answer_told(outlet.answered)}",
        stretches=(
            Stretch(INTERNET_TO, FIREWALL_Y, _arriving(let_out, outlet.answered, far)),
            Stretch(FIREWALL_Y, SERVERS_FROM, let_out),
        ),
        spots=tuple(_spots(x, [(FIREWALL_Y, gate), (INTERNET_TO + 9, far)])),
        passes=let_out is Flowing.OPEN,
    )


def _arriving(let_out: Flowing, answered: Fact[bool], far: Sign | None) -> Flowing:
    if let_out is not Flowing.OPEN:
        return Flowing.UNKNOWN if let_out is Flowing.UNKNOWN else Flowing.SHUT
    if isinstance(answered, Unknown):
        return Flowing.UNKNOWN
    return Flowing.OPEN if answered.value else _kept_out(far)


def _answer_told(answered: Fact[bool]) -> str:
    if isinstance(answered, Unknown):
        return "whether others answer was not found out"
    return "mail servers of others answer" if answered.value else "no mail server answered"


def _chips(servers: Fact[tuple[MailServer, ...]], signs: Signs) -> Iterator[Chip]:
    known = servers.value if isinstance(servers, Known) else ()
    by_role = sorted(known, key=lambda server: server.role is not Role.MTA)
    for number, server in enumerate(by_role[:MAX_SERVERS]):
        row, column = divmod(number, SERVERS_IN_A_ROW)
        x = LANES_FROM + column * (LANES_TO - LANES_FROM) // SERVERS_IN_A_ROW
        name = clip(escape(server.name), MAX_SERVER_NAME)
        state = "running" if server.running else "not running"
        sign = signs.at(*_places_of(server)) or (_fine() if server.running else _off())
        yield Chip(x, SERVERS_FROM + row * SERVER_HEIGHT, name, state, sign)


def _places_of(server: MailServer) -> Iterator[Place]:
    """What is said of no server by name is said of the MTA."""
    yield Place(Part.SERVER, server=server.name)
    if server.role is Role.MTA:
        yield Place(Part.SERVER)


def _off() -> Sign:
    return Sign(Mark.IDLE, "it was put aside")


def _domain_rows(
    domains: Fact[tuple[Publication, ...]], signs: Signs, y: int
) -> Iterator[DomainRow]:
    """The worst first."""
    if isinstance(domains, Unknown):
        return
    worst = sorted(domains.value, key=lambda each: ORDER.index(_of_domain(each, signs).mark))
    for number, each in enumerate(worst[:MAX_DOMAINS]):
        yield DomainRow(
            y + number * DOMAIN_HEIGHT,
            clip(escape(each.shown), MAX_NAME),
            _of_domain(each, signs),
            tuple(_pills(each, signs)),
        )


def _of_domain(publication: Publication, signs: Signs) -> Sign:
    return signs.of_domain(publication.domain) or _fine()


def _pills(publication: Publication, signs: Signs) -> Iterator[Pill]:
    x = PILLS_FROM
    for kind, published in publication.kinds.items():
        width = PILL_WIDTH + PILL_LETTER * len(kind)
        place = Place(Part.DNS, domain=publication.domain, kind=kind)
        yield Pill(x, width, kind.value, signs.at(place) or _published(kind, published))
        x += width + PILL_GAP


def _published(kind: Kind, published: Fact[bool]) -> Sign:
    if isinstance(published, Unknown):
        return Sign(Mark.UNKNOWN, f"{kind}: {published.reason}")
    if published.value:
        return Sign(Mark.FINE, f"{kind}: {NOTHING_WRONG}")
    return Sign(Mark.IDLE, f"{kind}: not published")


def _more_domains(
    domains: Fact[tuple[Publication, ...]], shown: tuple[DomainRow, ...], signs: Signs
) -> str:
    if isinstance(domains, Unknown):
        return clip(escape(f"mail domains: {domains.reason}"), MAX_NAME + 10)
    left = len(domains.value) - len(shown)
    if left <= 0:
        return "" if shown else "no mail domain is known"
    marks = [_of_domain(each, signs).mark for each in domains.value]
    marked = sum(mark is not Mark.FINE for mark in marks)
    shown_marked = sum(row.sign.mark is not Mark.FINE for row in shown)
    return f"and {counted(left, 'more domain')}, {marked - shown_marked} of them marked"
