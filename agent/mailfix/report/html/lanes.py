"""The ways in, by port and family, and the way out: where mail passes, and where it is kept out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

from mailfix.facts import MAIL_PORTS, SMTP_PORTS, Flow, Reach
from mailfix.model import WHOLE, Fact, Known, Part, Unknown, of_the_internet
from mailfix.overview import Inlet, Outlet, Overview
from mailfix.report.html.geometry import (
    FIREWALL_Y,
    INTERNET_TO,
    LANES_FROM,
    LANES_TO,
    SERVERS_FROM,
    SOCKETS_Y,
)
from mailfix.report.html.marks import Mark, Sign
from mailfix.report.html.places import Place, Signs

T = TypeVar("T")

MAX_COLUMN = 64
MAX_LANE_GAP = 17
LANE_SHARE = 0.42
"""How much of a column's width two lanes are apart."""
NARROW = 36
"""Columns of this width and under have smaller letters and marks."""
FAR_MARK = 9
"""How far below the Internet its own marks stand."""
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


def columns(overview: Overview, signs: Signs) -> Iterator[Column]:
    """The way out, then the ports in."""
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
    gap = min(MAX_LANE_GAP, LANE_SHARE * width)
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
        spots=tuple(_spots(x, [(FIREWALL_Y, gate), (INTERNET_TO + FAR_MARK, far)])),
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
