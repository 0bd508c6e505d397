"""What an nft expression looks at in a packet, and when that is one of some values.

JSON as in libnftables-json(5). Everything here raises ValueError, KeyError or TypeError for what
it does not understand; the caller makes the match undecidable then.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, reduce
from operator import or_
from typing import Any, TypeAlias

from mailfix.firewall.addresses import AddressSet, address_number
from mailfix.firewall.matches import (
    Address,
    AddressType,
    AllOf,
    Answering,
    Chosen,
    Constant,
    FamilyIs,
    Interface,
    LocallySent,
    Mark,
    Match,
    Not,
    OriginalPort,
    Owner,
    Ports,
    Protocol,
    Quantity,
    Side,
    State,
    TcpFlags,
    Tracked,
    Undecidable,
    one_of,
)
from mailfix.firewall.protocols import PROTOCOLS, TCP_FLAGS, masked, port, protocol

Json: TypeAlias = Any
Values: TypeAlias = Sequence[Json]
FULL_MASK = 0xFFFFFFFF
TCP_FLAG_BITS = 0xFF
EVERY = "*"
"""The element of a set that stands for all that no other element is."""

TCP = Protocol(frozenset({6}))


@dataclass(frozen=True, slots=True)
class Selector:
    """What is looked at. Without ``requires`` the packet has no such thing: no match, nor !=.

    ``among`` says when it is one of some values. ``any_bit`` and ``bits`` belong to selectors
    that are sets of bits: any of these is set; those of a mask have this value. ``number`` reads a
    value of one that has an order; ``highest`` is the last in it.
    """

    requires: tuple[Match, ...]
    among: Callable[[Values], Match]
    any_bit: Callable[[Values], Match] | None = None
    bits: Callable[[int, int], Match] | None = None
    number: Callable[[Json], int] | None = None
    highest: int = FULL_MASK

    def holds(self, values: Values) -> Match:
        """As ``among``, where ``*`` stands for every value."""
        return Constant(True) if EVERY in values else self.among(values)


def selector(left: Json) -> Selector:
    """The selector of an expression that is no concatenation and no bit operation."""
    if not isinstance(left, dict) or len(left) != 1:
        raise ValueError("an expression that is not understood")
    ((kind, body),) = left.items()
    reader = _KINDS.get(kind)
    if reader is None:
        raise ValueError(f"{kind} is not understood")
    return reader(body)


def interval(value: Json, number: Callable[[Json], int]) -> tuple[int, int]:
    """``25``, ``{"range": [1, 5]}``, a prefix of 32 bits: the first and the last number."""
    if isinstance(value, dict) and "prefix" in value:
        first, length = number(value["prefix"]["addr"]), _integer(value["prefix"]["len"])
        return first, first | FULL_MASK >> length
    if isinstance(value, dict) and "range" in value:
        low, high = value["range"]
        return number(low), number(high)
    return number(value), number(value)


def _intervals(values: Values, number: Callable[[Json], int]) -> tuple[tuple[int, int], ...]:
    found = tuple(interval(value, number) for value in values)
    if not all(0 <= low <= high for low, high in found):
        raise ValueError("a range that is none")
    return found


def address_set(values: Values) -> AddressSet:
    """Addresses, prefixes and ranges of one family."""
    return AddressSet.of(_address_interval(value) for value in values)


def _address_interval(value: Json) -> tuple[int, int]:
    if isinstance(value, str):
        number = address_number(value)
        return number, number
    if "prefix" in value:
        prefix = value["prefix"]
        network = ipaddress.ip_network(f"{prefix['addr']}/{prefix['len']}", strict=False)
        return int(network.network_address), int(network.broadcast_address)
    low, high = value["range"]
    if isinstance(low, int):
        return low, high
    return address_number(low), address_number(high)


def _integer(value: Json) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise ValueError(f"{value!r} is no number")
    return int(value)


def _port_number(value: Json) -> int:
    return value if isinstance(value, int) else port(value)


def _protocol_number(value: Json) -> int:
    return value if isinstance(value, int) else protocol(value)


def _address_selector(
    side: Side, bits: int, *requires: Match, of_connection: bool = False
) -> Selector:
    def among(values: Values) -> Match:
        return Address(side, address_set(values), of_connection)

    def by_mask(mask: int, value: int) -> Match:
        if value & ~mask:
            return Constant(False)
        return Address(side, masked(value, mask, bits), of_connection)

    def number(value: Json) -> int:
        return int(ipaddress.ip_address(value))

    return Selector(requires, among, None, by_mask, number, (1 << bits) - 1)


def _port_selector(side: Side, requires: tuple[Match, ...]) -> Selector:
    return Selector(
        requires,
        lambda values: Ports(side, _intervals(values, _port_number)),
        None,
        lambda mask, value: Ports(side, tuple(masked(value, mask, 16).intervals())),
        _port_number,
    )


def _protocol_selector(*requires: Match) -> Selector:
    def among(values: Values) -> Match:
        numbers: set[int] = set()
        for low, high in _intervals(values, _protocol_number):
            numbers |= set(range(low, min(high, 255) + 1))
        return Protocol(frozenset(numbers))

    def by_mask(mask: int, value: int) -> Match:
        return Protocol(frozenset(each for each in range(256) if each & mask == value))

    return Selector(requires, among, None, by_mask, _protocol_number)


def _named_bits(bits: Mapping[str, int]) -> Callable[[Json], int]:
    """``"new"``, ``["new", "related"]``, ``{"|": ["new", "related"]}``, or the number itself."""

    def read(value: Json) -> int:
        if isinstance(value, str):
            return bits[value]
        if isinstance(value, int):
            return value
        parts = value["|"] if isinstance(value, dict) else value
        return reduce(or_, map(read, parts), 0)

    return read


_flag_bits = _named_bits(TCP_FLAGS)


def _any_tcp_flag(values: Values) -> Match:
    bits = 0
    for value in values:
        bits |= _flag_bits(value)
    return one_of(TcpFlags(1 << at, 1 << at) for at in range(8) if bits >> at & 1)


_TCP_FLAGS = Selector(
    (TCP,),
    lambda values: one_of(TcpFlags(TCP_FLAG_BITS, _flag_bits(each)) for each in values),
    _any_tcp_flag,
    TcpFlags,
    _flag_bits,
)


def _undecidable(reason: str, *requires: Match) -> Selector:
    return Selector(requires, lambda _: Undecidable(reason))


IPV4, IPV6 = FamilyIs(False), FamilyIs(True)
_NOTHING = Selector((Constant(False),), lambda _: Constant(False))
"""What none of the packets that are asked about has."""


def _absent(body: Mapping[str, Json], family: Match) -> Selector:
    """Extension headers and IP options, which the first packets of a connection have not."""
    if "field" in body:
        return _NOTHING
    return Selector((family,), _absence)


def _absence(values: Values) -> Match:
    """``missing`` rather than ``exists``."""
    return one_of(Constant(not _exists(each)) for each in values)


def _exists(value: Json) -> bool:
    if value not in (True, False):
        raise ValueError(f"{value!r} is neither exists nor missing")
    return bool(value)


_IP_FIELDS: Mapping[tuple[str, str], Selector] = {
    ("ip", "saddr"): _address_selector(Side.SOURCE, 32, IPV4),
    ("ip", "daddr"): _address_selector(Side.DESTINATION, 32, IPV4),
    ("ip6", "saddr"): _address_selector(Side.SOURCE, 128, IPV6),
    ("ip6", "daddr"): _address_selector(Side.DESTINATION, 128, IPV6),
    ("ip", "protocol"): _protocol_selector(IPV4),
    ("ip6", "nexthdr"): _protocol_selector(IPV6),
    ("tcp", "flags"): _TCP_FLAGS,
}


def _chosen(quantity: Quantity, *requires: Match) -> Selector:
    def among(values: Values) -> Match:
        return Chosen(quantity, _intervals(values, _integer))

    return Selector(requires, among, number=_integer)


def _fixed(fixed: int, *requires: Match) -> Selector:
    """What is the same in every packet that is asked about."""

    def among(values: Values) -> Match:
        return Constant(any(low <= fixed <= high for low, high in _intervals(values, _integer)))

    def by_mask(mask: int, value: int) -> Match:
        return Constant(fixed & mask == value)

    return Selector(requires, among, None, by_mask, _integer)


_OF_HEADER: Mapping[tuple[str, str], Selector] = {
    ("ip", "version"): _fixed(4, IPV4),
    ("ip6", "version"): _fixed(6, IPV6),
    ("ip", "hdrlength"): _fixed(5, IPV4),
    ("ip", "length"): _chosen(Quantity.LENGTH, IPV4),
    ("ip", "ttl"): _chosen(Quantity.HOPS, IPV4),
    ("ip6", "hoplimit"): _chosen(Quantity.HOPS, IPV6),
}
_FRAGMENT_BITS = 0x3FFF
"""More-fragments and the offset: 0 in the first packet of a TCP connection."""


def _no_fragment(mask: int, value: int) -> Match:
    if mask & ~_FRAGMENT_BITS:
        return Undecidable("whether the packet may be fragmented is not known")
    return Constant(value == 0)


def _payload(body: Mapping[str, Json]) -> Selector:
    name, field = body["protocol"], body["field"]
    known = _IP_FIELDS.get((name, field))
    if known is not None:
        return known
    if field in ("sport", "dport"):
        return _ports_of(name, Side.SOURCE if field == "sport" else Side.DESTINATION)
    if (name, field) == ("ip", "frag-off"):
        return Selector((IPV4,), _frag_unknown, None, _no_fragment, _integer)
    if (name, field) in _OF_HEADER:
        return _OF_HEADER[name, field]
    reason = f"{name} {field} of the packet is not known"
    if name in ("ip", "ip6"):
        return _undecidable(reason, IPV6 if name == "ip6" else IPV4)
    if name in PROTOCOLS:
        return _undecidable(reason, Protocol(frozenset({PROTOCOLS[name]})))
    if name == "arp":
        return _NOTHING
    return _undecidable(reason)


@cache
def _ports_of(name: str, side: Side) -> Selector:
    of_protocol = () if name == "th" else (Protocol(frozenset({PROTOCOLS[name]})),)
    return _port_selector(side, of_protocol)


def _frag_unknown(_: Values) -> Match:
    return Undecidable("whether the packet may be fragmented is not known")


def _interface_selector(incoming: bool) -> Selector:
    def one(value: Json) -> Match:
        name = str(value)
        if name.endswith("\\*"):
            return Interface(incoming, name[:-2] + "*")
        return Interface(incoming, name.removesuffix("*"), prefix=name.endswith("*"))

    return Selector((), lambda values: one_of(one(value) for value in values))


def _mark_selector(connection: bool, *requires: Match) -> Selector:
    def among(values: Values) -> Match:
        blocks = (block for span in _intervals(values, _integer) for block in _blocks(*span))
        return one_of(Mark(value, mask, connection) for value, mask in blocks)

    return Selector(
        requires,
        among,
        None,
        lambda mask, value: Mark(value, mask, connection),
        _integer,
    )


def _blocks(low: int, high: int) -> Iterator[tuple[int, int]]:
    """A range of numbers of 32 bits as values under masks, as a range of addresses has prefixes."""
    while low <= high:
        size = min(low & -low or FULL_MASK + 1, 1 << (high - low + 1).bit_length() - 1)
        yield low, FULL_MASK & -size
        low += size


def _owner_selector(group: bool) -> Selector:
    return Selector(
        (LocallySent(),),
        lambda values: Owner(_intervals(values, _owner_number), group),
        number=_owner_number,
    )


def _owner_number(value: Json) -> int:
    return 0 if value == "root" else _integer(value)


def _named(names: Mapping[str, Match]) -> Callable[[Values], Match]:
    """One of the given values, by name; a value without a name never holds."""
    return lambda values: one_of(names.get(str(each), Constant(False)) for each in values)


_META: Mapping[str, Selector] = {
    "l4proto": _protocol_selector(),
    "nfproto": Selector((), _named({"ipv4": IPV4, "ipv6": IPV6})),
    "protocol": Selector((), _named({"ip": IPV4, "ip6": IPV6})),
    "iif": _interface_selector(True),
    "iifname": _interface_selector(True),
    "oif": _interface_selector(False),
    "oifname": _interface_selector(False),
    "mark": _mark_selector(False),
    "skuid": _owner_selector(False),
    "skgid": _owner_selector(True),
    "pkttype": Selector((), _named({"host": Constant(True), "unicast": Constant(True)})),
    "length": _chosen(Quantity.LENGTH),
    "secpath": Selector((), _absence),
    "ipsec": Selector((), _absence),
    "cgroup": _undecidable("the mail service's control group is not known", LocallySent()),
} | {
    key: _undecidable(f"meta {key} is not known")
    for key in (
        "priority",
        "rtclassid",
        "cpu",
        "iifgroup",
        "oifgroup",
        "iiftype",
        "oiftype",
        "iifkind",
        "oifkind",
        "random",
        "time",
        "day",
        "hour",
        "sdif",
        "sdifname",
        "ibrname",
        "obrname",
        "ibridgename",
        "obridgename",
    )
}


def _states(values: Values) -> Match:
    """The state is exactly one bit, so that it is one of these or none."""
    names: set[str] = set()
    for value in values:
        names |= {value} if isinstance(value, str) else set(value)
    return State(frozenset(name.upper() for name in names))


def _exact_states(values: Values) -> Match:
    return _states([value for value in values if isinstance(value, str)])


_STATE_BITS = {"invalid": 1, "established": 2, "related": 4, "new": 8, "untracked": 64}


def _state_bits(mask: int, value: int) -> Match:
    """``ct state & mask == value``: the state is exactly one bit."""
    names = {name.upper(): bit for name, bit in _STATE_BITS.items() if bit & mask}
    if value == 0:
        return Not(State(frozenset(names)))
    return State(frozenset(name for name, bit in names.items() if bit == value))


_STATUS_BITS = {
    "expected": 1,
    "seen-reply": 2,
    "assured": 4,
    "confirmed": 8,
    "snat": 16,
    "dnat": 32,
    "dying": 512,
}
_STATUS = {"ASSURED", "DNAT", "SNAT", "CONFIRMED", "SEEN-REPLY"}
"""The bits that a connection may have while it is made."""


def _status(values: Values) -> Match:
    return State(frozenset(name.upper() for name in _flat(values)) & _STATUS)


def _status_bits(mask: int, value: int) -> Match:
    """``ct status & mask == value``, of bits that have a name."""
    if (mask | value) & ~sum(_STATUS_BITS.values()):
        return Undecidable("ct status as a whole is not understood")
    bits = {name.upper(): bit for name, bit in _STATUS_BITS.items() if bit & mask}
    held = [
        State(frozenset({name}) & _STATUS) if bit & value else Not(State(frozenset({name})))
        for name, bit in bits.items()
    ]
    return Constant(False) if value & ~mask else AllOf(tuple(held))


def _flat(values: Values) -> list[str]:
    return [
        name for value in values for name in ([value] if isinstance(value, str) else list(value))
    ]


_DIRECTIONS: Mapping[str, Match] = {"original": Not(Answering()), "reply": Answering()}


def _ct(body: Mapping[str, Json]) -> Selector:
    key = body["key"]
    tracked = Tracked()
    match key:
        case "state":
            return Selector((), _exact_states, _states, _state_bits, _named_bits(_STATE_BITS))
        case "status":
            unknown = _undecidable("ct status as a whole is not understood").among
            read = _named_bits(_STATUS_BITS)
            return Selector((tracked,), unknown, _status, _status_bits, read)
        case "direction":
            return Selector((tracked,), _named(_DIRECTIONS))
        case "mark":
            return _mark_selector(True, tracked)
        case "helper":
            # Only of connections that another one has announced.
            return _NOTHING
        case "zone":
            return _fixed(0, tracked)
        case "l3proto":
            return Selector((tracked,), _named({"ipv4": IPV4, "ipv6": IPV6}))
        case "protocol":
            return _protocol_selector(tracked)
    if body.get("dir") == "original":
        return _original(key, tracked)
    return _undecidable(f"ct {key} is not known", tracked)


def _original(key: str, tracked: Match) -> Selector:
    sides = {"saddr": Side.SOURCE, "daddr": Side.DESTINATION}
    families = {"ip": (32, IPV4), "ip6": (128, IPV6)}
    name, _, field = key.rpartition(" ")
    if field in sides and name in families:
        bits, of_family = families[name]
        return _address_selector(sides[field], bits, tracked, of_family, of_connection=True)
    if key == "proto-dst":
        return Selector((tracked,), lambda values: OriginalPort(_intervals(values, _port_number)))
    return _undecidable(f"ct original {key} is not known", tracked)


def _fib(body: Mapping[str, Json]) -> Selector:
    """Routes. An address of the Internet is reached by the interface with the default route."""
    flags, result = body["flags"], body["result"]
    if result == "type" and ("saddr" in flags) != ("daddr" in flags):
        side = Side.SOURCE if "saddr" in flags else Side.DESTINATION
        return Selector(
            (), lambda values: AddressType(side, frozenset(str(each).upper() for each in values))
        )
    if "saddr" in flags and result in ("oif", "oifname"):
        return Selector((), _route_back)
    return _undecidable(f"fib {' . '.join(flags)} {result} is not known")


_ROUTE_MISSING = ("0", 0, False)
"""So ``missing`` is shown; ``exists`` is true."""


def _route_back(values: Values) -> Match:
    """There is a route back, by the interface that the packet came in by."""
    by_name = _interface_selector(True)
    return one_of(
        Constant(False)
        if value in _ROUTE_MISSING
        else Constant(True)
        if value is True
        else by_name.among([value])
        for value in values
    )


def _route(body: Mapping[str, Json]) -> Selector:
    if body["key"] == "ipsec":
        return Selector((), _absence)
    return _undecidable(f"rt {body['key']} is not known")


_KINDS: Mapping[str, Callable[[Json], Selector]] = {
    "payload": _payload,
    "meta": lambda body: _META[body["key"]],
    "ct": _ct,
    "fib": _fib,
    "rt": _route,
    "exthdr": lambda body: _absent(body, IPV6),
    "ip option": lambda body: _absent(body, IPV4),
    "tcp option": lambda body: _undecidable("the sender chooses the options of TCP", TCP),
    "sctp chunk": lambda body: _NOTHING,
    "dccp option": lambda body: _NOTHING,
    "socket": lambda body: _undecidable("which sockets are open is not known"),
    "osf": lambda body: _undecidable("the sender's operating system is not known"),
    "numgen": lambda body: _undecidable("it depends on chance or on earlier packets (numgen)"),
    "jhash": lambda body: _undecidable("it depends on a hash of the packet"),
    "symhash": lambda body: _undecidable("it depends on a hash of the packet"),
}
