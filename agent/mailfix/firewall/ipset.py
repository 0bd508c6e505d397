"""The text of ``ipset save``, and what a rule asks of such a set (ipset(8))."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from mailfix.firewall.addresses import AddressSet
from mailfix.firewall.iptables.options import words
from mailfix.firewall.matches import (
    Address,
    AllOf,
    AnyOf,
    Constant,
    Exceptions,
    Interface,
    Mark,
    Match,
    Ports,
    Protocol,
    Side,
    Undecidable,
)
from mailfix.firewall.protocols import number, port_range, protocol

FULL_MASK = "0xffffffff"

_WITH_PORTS = frozenset({6, 17, 132, 136})
"""TCP, UDP, SCTP, UDP-Lite; an element of another protocol has a type or nothing for a port."""


@dataclass(frozen=True, slots=True)
class Element:
    """One element's comma-separated parts; ``exception`` is ipset's ``nomatch``."""

    parts: tuple[str, ...]
    exception: bool = False


@dataclass(slots=True)
class IpSet:
    """A set as saved: ``kind`` such as ``hash:ip,port``, and its elements without their options.

    ``netmask`` is the prefix length that elements and packets are cut to, "" for none, and
    ``markmask`` what of a packet's mark is looked at.
    """

    kind: str
    netmask: str = ""
    markmask: str = FULL_MASK
    elements: list[Element] = field(default_factory=list)
    damage: str = ""


def read_ipsets(text: str) -> dict[str, IpSet]:
    """The sets of ``ipset save`` by name; a damaged line may belong to any of them."""
    sets: dict[str, IpSet] = {}
    damaged = False
    for line in text.split("\n"):
        found = words(line)
        match found:
            case ["create", name, kind, *settings] if name not in sets:
                mask = _setting(settings, "markmask") or FULL_MASK
                sets[name] = IpSet(kind, _setting(settings, "netmask"), mask)
                if "bitmask" in settings:
                    sets[name].damage = f"the bitmask of set {name!r} is not understood"
            case ["add", name, element, *settings] if name in sets:
                wildcard = "+" if _has(settings, "wildcard") else ""
                parts = tuple(f"{element}{wildcard}".split(","))
                sets[name].elements.append(Element(parts, _has(settings, "nomatch")))
            case []:
                pass
            case _:
                damaged = True
    if damaged:
        for each in sets.values():
            each.damage = "the text of ipset save is damaged"
    return sets


def _setting(settings: list[str], name: str) -> str:
    return settings[settings.index(name) + 1] if name in settings[:-1] else ""


def _has(settings: list[str], flag: str) -> bool:
    """Whether ``flag`` is among an element's settings and not the text of its comment."""
    before = ""
    for word in settings:
        if word == flag and before != "comment":
            return True
        before = word
    return False


def set_match(
    sets: Mapping[str, IpSet], name: str, sides: Sequence[Side], exceptions: bool = False
) -> Match:
    """Whether the packet, seen from ``sides``, is in the set.

    With ``exceptions`` whether it is what the set makes an exception of (``--return-nomatch``,
    which means nothing to sets that cannot have any).
    """
    found = sets.get(name)
    if found is None:
        return Undecidable(f"the set {name!r} is not known")
    if found.damage:
        return Undecidable(found.damage)
    try:
        if found.kind == "list:set":
            return _list_match(sets, found, sides, exceptions)
        return _elements_match(found, sides, exceptions)
    except (ValueError, KeyError, IndexError) as problem:
        return Undecidable(f"the set {name!r} is not understood: {problem}")


def _list_match(
    sets: Mapping[str, IpSet], found: IpSet, sides: Sequence[Side], exceptions: bool
) -> Match:
    """A list holds sets, never lists."""
    members = [element.parts[0] for element in found.elements]
    if any(name in sets and sets[name].kind == "list:set" for name in members):
        raise ValueError("a list in a list")
    return AnyOf(tuple(set_match(sets, name, sides, exceptions) for name in members))


def _elements_match(found: IpSet, sides: Sequence[Side], exceptions: bool) -> Match:
    method, _, fields = found.kind.partition(":")
    names = fields.split(",")
    if method not in ("hash", "bitmap"):
        raise ValueError(f"type {found.kind}")
    if len(names) > len(sides):
        return Constant(False)
    can_have_exceptions = "net" in names
    if can_have_exceptions and (exceptions or any(each.exception for each in found.elements)):
        return _with_exceptions(found, names, sides, exceptions)
    if names in (["ip"], ["net"]):
        parts = (_addresses(each.parts[0], found.netmask) for each in found.elements)
        return Address(sides[0], AddressSet.union_of(parts))
    if found.netmask:
        raise ValueError("a netmask in a set of more than addresses")
    return AnyOf(tuple(_element(found, element, names, sides) for element in found.elements))


def _with_exceptions(
    found: IpSet, names: list[str], sides: Sequence[Side], exceptions: bool
) -> Match:
    """The most specific network decides (``nomatch``); of two networks first the first."""
    by_length: dict[tuple[tuple[int, ...], bool], list[Match]] = {}
    for element in found.elements:
        lengths = tuple(
            ipaddress.ip_network(text, strict=False).prefixlen
            for name, text in zip(names, element.parts, strict=True)
            if name == "net"
        )
        layer = by_length.setdefault((lengths, element.exception is exceptions), [])
        layer.append(_element(found, element, names, sides))
    return Exceptions(
        tuple(
            (inside, AnyOf(tuple(matches)))
            for (_, inside), matches in sorted(by_length.items(), key=lambda each: each[0])
        )
    )


def _addresses(text: str, netmask: str = "") -> AddressSet:
    low, dash, high = text.partition("-")
    if dash:
        return AddressSet.of([(int(ipaddress.ip_address(low)), int(ipaddress.ip_address(high)))])
    return AddressSet.network(f"{text}/{netmask}" if netmask and "/" not in text else text)


def _element(found: IpSet, element: Element, names: list[str], sides: Sequence[Side]) -> Match:
    if len(element.parts) != len(names):
        raise ValueError(f"an element has {len(element.parts)} parts")
    return AllOf(
        tuple(
            _mark(found, value) if name == "mark" else _FIELDS[name](value, side)
            for name, value, side in zip(names, element.parts, sides, strict=False)
        )
    )


def _address(text: str, side: Side) -> Match:
    return Address(side, _addresses(text))


def _port(text: str, side: Side) -> Match:
    """``25`` in a bitmap, ``tcp:25`` or ``icmp:echo-request`` in a hash."""
    name, colon, ports = text.rpartition(":")
    if not colon:
        return Ports(side, (port_range(ports, "-"),))
    wanted = protocol(name)
    of_protocol = Protocol(frozenset({wanted}))
    if wanted not in _WITH_PORTS:
        return of_protocol
    return AllOf((of_protocol, Ports(side, (port_range(ports, "-"),))))


def _interface(text: str, side: Side) -> Match:
    if text.startswith("physdev:"):
        return Constant(False)
    return Interface(side is Side.SOURCE, text.removesuffix("+"), text.endswith("+"))


def _mark(found: IpSet, text: str) -> Match:
    return Mark(number(text), number(found.markmask))


_FIELDS: Mapping[str, Callable[[str, Side], Match]] = {
    "ip": _address,
    "net": _address,
    "port": _port,
    "iface": _interface,
    "mac": lambda text, side: Undecidable("the sender's MAC address is not known"),
}
