"""Rules of nft in its JSON: new ones, and known ones that spare a port (libnftables-json(5))."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence

from mailfix.firewall.cure.traffic import PortRange, Traffic, contains, without
from mailfix.firewall.nft.selectors import Json
from mailfix.firewall.protocols import HIGHEST_PORT
from mailfix.model import Family

_OTHER = {Family.IPV4: Family.IPV6, Family.IPV6: Family.IPV4}


def _match(left: Json, right: Json, operator: str = "==") -> Json:
    return {"match": {"op": operator, "left": left, "right": right}}


def _port_field(traffic: Traffic) -> Json:
    field = "sport" if traffic.answer else "dport"
    return {"payload": {"protocol": traffic.protocol, "field": field}}


def of_family(family: Family) -> Json:
    """``meta nfproto ipv4`` and the like, for tables that see both families."""
    return _match({"meta": {"key": "nfproto"}}, family.value)


def letting_through(traffic: Traffic, verdict: str, *, with_family: bool) -> Json:
    """A rule for just this traffic; ``with_family`` where the table sees both."""
    expressions = [of_family(traffic.family)] if with_family else []
    if traffic.far:
        header = "ip6" if traffic.family is Family.IPV6 else "ip"
        field = "saddr" if traffic.far_is_source else "daddr"
        address = {"payload": {"protocol": header, "field": field}}
        expressions.append(_match(address, json.loads(traffic.far)))
    expressions.append(_match(_port_field(traffic), traffic.port))
    if traffic.answer and not traffic.tracked and traffic.protocol == "tcp":
        flags = {"&": [{"payload": {"protocol": "tcp", "field": "flags"}}, ["syn", "ack"]]}
        expressions.append(_match(flags, "syn", "!="))
    if traffic.own and traffic.asked is None:
        flag = "saddr" if traffic.answer else "daddr"
        expressions.append(_match({"fib": {"result": "type", "flags": [flag]}}, "local"))
    if traffic.uid is not None:
        expressions.append(_match({"meta": {"key": "skuid"}}, traffic.uid))
    if traffic.established:
        expressions.append(_match({"ct": {"key": "state"}}, "established", "in"))
    elif traffic.asked is not None:
        if traffic.own:
            expressions.append(_match({"ct": {"key": "status"}}, "dnat", "in"))
        original = {"ct": {"key": "proto-dst", "dir": "original"}}
        expressions.append(_match(original, traffic.asked))
    return {"expr": [*expressions, {verdict: None}]}


def without_port(body: Mapping[str, Json], traffic: Traffic) -> tuple[Json, ...] | None:
    """The rule without the traffic's port among those that it names.

    Empty where no other port is left; None where it names none.
    """
    expressions = body["expr"]
    for at, each in enumerate(expressions):
        found = _spared(each, traffic)
        if found is not None:
            changed = [[*expressions[:at], one, *expressions[at + 1 :]] for one in found]
            return tuple({**body, "expr": one} for one in changed)
    return None


def sparing(body: Mapping[str, Json], traffic: Traffic) -> tuple[Json, ...]:
    """The rules that do what this one does, save to the traffic's protocol and port."""
    expressions = body["expr"]
    other_port = _match(_port_field(traffic), traffic.port, "!=")
    narrowed = _with_match(body, other_port)
    if any(_of_protocol(each, traffic) for each in expressions):
        return (narrowed,)
    others = _match({"meta": {"key": "l4proto"}}, traffic.protocol, "!=")
    return _with_match(body, others), narrowed


def _with_match(body: Mapping[str, Json], match: Json) -> Json:
    """With one more match, behind the one that names the family."""
    expressions = body["expr"]
    first = 1 if expressions[:1] and _names_family(expressions[0]) else 0
    return {**body, "expr": [*expressions[:first], match, *expressions[first:]]}


def is_of_one_family(body: Mapping[str, Json]) -> bool:
    """Whether something in the rule is about the packets of one family only."""
    return any(_names_family(each) or _in_header(each) for each in body["expr"])


def _in_header(expression: Json) -> bool:
    text = json.dumps(expression)
    return any(f'"protocol": "{name}"' in text for name in ("ip", "ip6", "icmp", "icmpv6"))


def of_the_other_family(body: Mapping[str, Json], family: Family) -> Json:
    """The rule, but not for ``family``."""
    return {**body, "expr": [of_family(_OTHER[family]), *body["expr"]]}


def only_of(body: Mapping[str, Json], family: Family) -> Json:
    """The rule, but only for ``family``."""
    return {**body, "expr": [of_family(family), *body["expr"]]}


def _names_family(expression: Json) -> bool:
    left = expression.get("match", {}).get("left")
    return left in ({"meta": {"key": "nfproto"}}, {"meta": {"key": "protocol"}})


def _of_protocol(expression: Json, traffic: Traffic) -> bool:
    """Whether only packets of the traffic's protocol get past this expression."""
    match expression:
        case {"match": {"op": "==", "left": {"meta": {"key": "l4proto"}}, "right": right}}:
            return bool(right == traffic.protocol)
        case {"match": {"left": {"payload": {"protocol": name}}}}:
            return bool(name == traffic.protocol)
        case {"vmap": {"key": {"payload": {"protocol": name}}}}:
            return bool(name == traffic.protocol)
    return False


def _is_port(left: Json, traffic: Traffic) -> bool:
    payload = left.get("payload", {}) if isinstance(left, dict) else {}
    field = "sport" if traffic.answer else "dport"
    return payload.get("field") == field and payload.get("protocol") in (traffic.protocol, "th")


def _spared(expression: Json, traffic: Traffic) -> list[Json] | None:
    """A match or verdict map on the port without the traffic's; None where it is no such thing."""
    match expression:
        case {"match": {"op": operator, "left": left, "right": right}} if _is_port(left, traffic):
            return _spared_match(left, operator, right, traffic)
        case {"vmap": {"key": key, "data": {"set": list(pairs)}}} if _is_port(key, traffic):
            kept = pairs_without(pairs, traffic.port)
            return [{"vmap": {"key": key, "data": {"set": kept}}}] if kept else []
    return None


def _spared_match(left: Json, operator: str, right: Json, traffic: Traffic) -> list[Json] | None:
    ranges = port_ranges(right, operator)
    if ranges is None or contains(ranges, traffic.port) is (operator == "!="):
        return None
    port = traffic.port
    if operator == "!=":
        return [_match(left, written([*ranges, (port, port)]), "!=")]
    kept = list(without(ranges, port))
    return [_match(left, written(kept))] if kept else []


_COMPARED: Mapping[str, Callable[[int], PortRange]] = {
    "<": lambda port: (0, port - 1),
    "<=": lambda port: (0, port),
    ">": lambda port: (port + 1, HIGHEST_PORT),
    ">=": lambda port: (port, HIGHEST_PORT),
}


def port_ranges(right: Json, operator: str = "==") -> list[PortRange] | None:
    """The ports that a match is about; None where they are not told in the rule itself."""
    if operator in _COMPARED:
        return [_COMPARED[operator](right)] if isinstance(right, int) else None
    values = right["set"] if isinstance(right, dict) and "set" in right else [right]
    ranges = [_ports(each) for each in values] if isinstance(values, list) else [None]
    known = [each for each in ranges if each is not None]
    return known if len(known) == len(ranges) else None


def _ports(value: Json) -> PortRange | None:
    match value:
        case {"elem": {"val": inner}}:
            return _ports(inner)
        case {"range": [int(low), int(high)]}:
            return low, high
        case bool():
            return None
        case int():
            return value, value
    return None


def written(ranges: Iterable[PortRange]) -> Json:
    """Ports as nft shows them: one, a range, or a set."""
    values = [element(each) for each in sorted(ranges)]
    return values[0] if len(values) == 1 else {"set": values}


def element(ports: PortRange) -> Json:
    low, high = ports
    return low if low == high else {"range": [low, high]}


def pairs_without(pairs: Sequence[Json], port: int) -> list[Json]:
    """The branches of a verdict map on ports, without that of one port."""
    kept: list[Json] = []
    for key, verdict in pairs:
        ports = _ports(key)
        if ports is None or not contains([ports], port):
            kept.append([key, verdict])
        else:
            kept += ([element(each), verdict] for each in without([ports], port))
    return kept
