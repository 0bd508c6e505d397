"""The statements of an nft rule as steps (libnftables-json(5), nft(8))."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from mailfix.firewall.addresses import LINE_END
from mailfix.firewall.iptables.targets import read_target
from mailfix.firewall.matches import (
    AllOf,
    Constant,
    Enlisted,
    FamilyIs,
    Match,
    Not,
    Undecidable,
    all_of,
    conditions,
    one_of,
)
from mailfix.firewall.nft.selectors import (
    EVERY,
    FULL_MASK,
    TCP,
    Json,
    Selector,
    Values,
    selector,
)
from mailfix.firewall.ruleset import (
    Accept,
    Block,
    Choice,
    CopyMark,
    Elsewhere,
    Enlist,
    ForgetMark,
    Goto,
    Jump,
    Return,
    SendOn,
    SetMark,
    Step,
    Translate,
    Uncertain,
    Untrack,
    Verb,
)


@dataclass(slots=True)
class NamedSet:
    """A set or map of a table: its elements; ``condition`` where they have a rate or quota."""

    elements: list[Json]
    conditional: bool = False


@dataclass(frozen=True, slots=True)
class Scope:
    """A table's sets, the matches already made from them, and whose packets it sees.

    ``ipv6`` is None for a table that sees both families. ``changing`` are the names of sets that
    rules put packets into.
    """

    sets: Mapping[str, NamedSet]
    ipv6: bool | None = None
    table: str = ""
    changing: frozenset[str] = frozenset()
    made: dict[tuple[str, str], Match] = field(default_factory=dict)


_WITHOUT_EFFECT = frozenset(
    {
        "counter",
        "log",
        "dup",
        "ct helper",
        "ct timeout",
        "ct expectation",
        "last",
        "comment",
        "secmark",
        "optstrip",
    }
)
_CONDITIONS = {
    "limit": "it depends on the rate of earlier packets (limit)",
    "quota": "it depends on the number of bytes so far (quota)",
    "ct count": "it depends on the number of open connections (ct count)",
    "meter": "it depends on the rate of earlier packets (meter)",
}
_DEPENDS_ON_ELEMENT = Undecidable("the set's elements have a rate or a quota")
_VERDICTS: Mapping[str, Verb] = {
    "accept": Accept(),
    "drop": Block("DROP"),
    "return": Return(),
    "queue": Elsewhere("a program decides (queue)"),
    "tproxy": Elsewhere("handed to a proxy (tproxy)"),
    "synproxy": Elsewhere("answered in the host's place (synproxy)"),
    "fwd": Elsewhere("sent out by another interface (fwd)"),
    "notrack": Untrack(),
}


def steps_of(expressions: Sequence[Json], scope: Scope) -> tuple[Step, ...]:
    """A rule's steps. Never raises: what is not understood becomes uncertain."""
    steps: list[Step] = []
    family = None if scope.ipv6 is None else FamilyIs(scope.ipv6)
    for expression in expressions:
        try:
            found = _steps(expression, scope)
            steps += [step for step in found if step != family] if family in found else found
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as problem:
            kind = next(iter(expression), "") if isinstance(expression, dict) else ""
            reason = f"{kind or 'a statement'} is not understood: {problem}"
            steps.append(Undecidable(reason) if kind == "match" else Uncertain(reason))
    return tuple(steps)


def _steps(expression: Json, scope: Scope) -> list[Step]:
    ((kind, body),) = expression.items()
    if body is None and kind in _VERDICTS:
        return [_VERDICTS[kind]]
    if kind == "counter" and (body is None or "map" not in body):
        return []
    if kind == "match":
        return _conditions(_match(body, scope))
    if kind == "vmap":
        return [_verdict_map(body, scope)]
    if kind in _TRANSLATIONS:
        return [*_needs(body, scope), *_translation(kind, body, scope)]
    if kind in ("set", "map") and "op" in body:
        return [*_needs(body, scope), *_update(body, scope)]
    return [*_needs(body, scope), *_deed(kind, body)]


def _deed(kind: str, body: Json) -> Sequence[Step]:
    if kind in _WITHOUT_EFFECT:
        return ()
    if kind in _CONDITIONS:
        return (Undecidable(_CONDITIONS[kind]),)
    if kind in _VERDICTS:
        return (_VERDICTS[kind],)
    reader = _READERS.get(kind)
    unknown = (Uncertain(f"the statement {kind!r} is not understood"),)
    return unknown if reader is None else reader(body)


def _needs(body: Json, scope: Scope) -> Iterator[Match]:
    """A statement ends the rule where what it reads or looks up in a map is not there.

    nft leaves out of its list what a statement implies, such as ``meta nfproto ipv4``.
    """
    if isinstance(body, list):
        for each in body:
            yield from _needs(each, scope)
    if not isinstance(body, dict):
        return
    for kind, part in body.items():
        if kind == "key" and _is_written(part):
            continue
        if kind == "map" and isinstance(part, dict):
            yield from _key_of_map(part, scope)
        elif kind in _READ:
            yield from selector({kind: part}).requires
        else:
            yield from _needs(part, scope)


_READ = frozenset({"payload", "ct", "exthdr", "tcp option", "ip option"})


def _is_written(key: Json) -> bool:
    """Whether a statement sets something that is there at any time."""
    return isinstance(key, dict) and ("meta" in key or "ct" in key)


def _key_of_map(body: Mapping[str, Json], scope: Scope) -> Iterator[Match]:
    data = body["data"]
    pairs = scope.sets[data[1:]].elements if isinstance(data, str) else data["set"]
    keys = _Key.of(body["key"])
    yield from keys.requires
    yield one_of(keys.holds(_plain(value)) for value, _ in pairs)


def _conditions(found: tuple[Match, ...]) -> list[Step]:
    """Taken apart only where there may be something to take apart: rules are many."""
    whole = not any(isinstance(each, (AllOf, Constant)) for each in found)
    return list(found if whole else conditions(found))


def _match(body: Mapping[str, Json], scope: Scope) -> tuple[Match, ...]:
    left, right, operator = body["left"], body["right"], body["op"]
    if isinstance(left, dict) and "&" in left:
        return _masked(left["&"], right, operator)
    if isinstance(left, dict) and "concat" in left:
        key = _Key.of(left)
        found = _as_it_changes(_listed(key, right, scope), left, right, scope)
        return (*key.requires, _signed(operator, found))
    chosen = selector(left)
    if operator in _COMPARISONS:
        return (*chosen.requires, _compared(chosen, operator, right))
    return (*chosen.requires, _found(chosen, left, operator, right, scope))


def _signed(operator: str, match: Match) -> Match:
    if operator not in ("==", "!=", "in"):
        raise ValueError(f"the operator {operator!r}")
    return Not(match) if operator == "!=" else match


def _found(chosen: Selector, left: Json, operator: str, right: Json, scope: Scope) -> Match:
    if isinstance(right, str) and right.startswith("@"):
        return _in_set(chosen, left, operator, right, scope)
    return _among(chosen, operator, right, scope)


def _in_set(chosen: Selector, left: Json, operator: str, name: str, scope: Scope) -> Match:
    """A set is looked into once, however many rules ask for it."""
    key = (f"{operator}{name}", str(left))
    found = scope.made.get(key)
    if found is None:
        found = scope.made[key] = _among(chosen, operator, name, scope, left)
    return found


def _among(chosen: Selector, operator: str, right: Json, scope: Scope, left: Json = None) -> Match:
    values, conditional = _values(right, scope)
    if chosen.any_bit is not None and operator in ("in", "!"):
        bits = chosen.any_bit(values)
        return Not(bits) if operator == "!" else bits
    match = _as_it_changes(chosen.holds(values), left, right, scope)
    if conditional:
        match = AllOf((match, _DEPENDS_ON_ELEMENT))
    return _signed(operator, match)


def _as_it_changes(match: Match, left: Json, right: Json, scope: Scope) -> Match:
    """What a set holds, and what it will hold when earlier rules have put the packet into it."""
    if isinstance(right, str) and right[1:] in scope.changing:
        return Enlisted(f"{scope.table} {right[1:]}", str(left), match)
    return match


def _values(right: Json, scope: Scope) -> tuple[Values, bool]:
    """The values on the right, and whether they have conditions."""
    if isinstance(right, str) and right.startswith("@"):
        named = scope.sets[right[1:]]
        return [_plain(each) for each in named.elements], named.conditional
    if isinstance(right, dict) and "set" in right:
        listed = right["set"]
        if isinstance(listed, str):
            return _values(listed, scope)
        return [_plain(each) for each in listed], False
    return [right], False


def _plain(element: Json) -> Json:
    """An element without its timeout, counter and comment."""
    if isinstance(element, dict) and "elem" in element:
        return element["elem"]["val"]
    return element


_COMPARISONS: Mapping[str, Callable[[int], tuple[int, int]]] = {
    "<": lambda number: (0, number - 1),
    "<=": lambda number: (0, number),
    ">": lambda number: (number + 1, LINE_END),
    ">=": lambda number: (number, LINE_END),
}


def _compared(chosen: Selector, operator: str, right: Json) -> Match:
    if chosen.number is None:
        return _not_in_order(chosen, right)
    low, high = _COMPARISONS[operator](chosen.number(right))
    high = min(high, chosen.highest)
    return chosen.among([{"range": [low, high]}]) if low <= high else Constant(False)


def _not_in_order(chosen: Selector, right: Json) -> Match:
    """Of what has no order only the undecidable can be compared."""
    match = chosen.among([right])
    return match if isinstance(match, Undecidable) else Undecidable("the comparison is not known")


def _masked(parts: Sequence[Json], right: Json, operator: str) -> tuple[Match, ...]:
    left, mask = parts
    chosen = selector(left)
    if chosen.bits is None or chosen.number is None:
        return (*chosen.requires, _not_in_order(chosen, right))
    bits = chosen.number(mask)
    if isinstance(right, dict) and "set" in right:
        wanted = [chosen.number(_plain(each)) for each in right["set"]]
    elif operator in _COMPARISONS:
        low, high = _COMPARISONS[operator](chosen.number(right))
        wanted, operator = [each for each in _parts_of(bits) if low <= each <= high], "=="
    else:
        wanted = [chosen.number(right)]
    found = tuple(chosen.bits(bits, value) for value in wanted)
    return (*chosen.requires, _signed(operator, one_of(found)))


MAX_MASK_PARTS = 256


def _parts_of(mask: int) -> Sequence[int]:
    """All numbers with no other bits than those of ``mask``; ValueError for too many."""
    bits = [1 << at for at in range(mask.bit_length()) if mask >> at & 1]
    if 1 << len(bits) > MAX_MASK_PARTS:
        raise ValueError("a comparison of so many bits")
    parts = [0]
    for bit in bits:
        parts += [part | bit for part in parts]
    return parts


@dataclass(frozen=True, slots=True)
class _Key:
    """What is looked up in a set or map: one selector, or several of a concatenation."""

    selectors: tuple[Selector, ...]
    concatenated: bool

    @classmethod
    def of(cls, key: Json) -> _Key:
        concatenated = isinstance(key, dict) and "concat" in key
        parts = key["concat"] if concatenated else [key]
        return cls(tuple(selector(part) for part in parts), concatenated)

    @property
    def requires(self) -> tuple[Match, ...]:
        return tuple(each for chosen in self.selectors for each in chosen.requires)

    def holds(self, value: Json) -> Match:
        """Whether the packet has this value, which may be ``*`` for every one."""
        if value == EVERY:
            return Constant(True)
        parts = value["concat"] if self.concatenated else [value]
        if len(parts) != len(self.selectors):
            raise ValueError("an element with too few parts")
        found = zip(self.selectors, parts, strict=True)
        return all_of(chosen.holds([part]) for chosen, part in found)


def _listed(key: _Key, right: Json, scope: Scope) -> Match:
    """Whether the packet has one of the values."""
    values, conditional = _values(right, scope)
    found = one_of(key.holds(value) for value in values)
    return AllOf((found, _DEPENDS_ON_ELEMENT)) if conditional else found


def _verdict_map(body: Mapping[str, Json], scope: Scope) -> Choice:
    data, key = body["data"], _Key.of(body["key"])
    named = scope.sets[data[1:]] if isinstance(data, str) else NamedSet(data["set"])
    held = [(_plain(value), verdict) for value, verdict in named.elements]
    branches = [(key.holds(value), _verdict(verdict)) for value, verdict in held if value != EVERY]
    others = [_verdict(verdict) for value, verdict in held if value == EVERY]
    if others:
        branches.append((Not(one_of(match for match, _ in branches)), others[0]))
    changing = isinstance(data, str) and data[1:] in scope.changing
    depends = named.conditional or changing
    needs = (*key.requires, _DEPENDS_ON_ELEMENT) if depends else key.requires
    return Choice(
        tuple((all_of((*needs, match)), verb) for match, verb in branches if verb is not None)
    )


def _verdict(verdict: Mapping[str, Json]) -> Verb | None:
    """None for ``continue``."""
    ((kind, body),) = verdict.items()
    match kind:
        case "jump":
            return Jump(_called(body))
        case "goto":
            return Goto(_called(body))
        case "continue":
            return None
    return _VERDICTS[kind]


def _called(body: Mapping[str, Json]) -> str:
    target = body["target"]
    if not isinstance(target, str):
        raise ValueError("a chain without a name")
    return target


def _mangle(body: Mapping[str, Json]) -> list[Step]:
    key, value = body["key"], body["value"]
    ((kind, what),) = key.items()
    if kind == "payload" and what.get("field") in ("saddr", "daddr", "sport", "dport"):
        return [Elsewhere(f"{what['protocol']} {what['field']} is rewritten")]
    if kind == "ct" and what.get("key") == "zone":
        return [Uncertain("zones of connection tracking are not followed (ct zone)")]
    if what.get("key") != "mark" or kind not in ("meta", "ct"):
        return []
    return [_mark(value, kind == "ct")]


def _mark(value: Json, connection: bool) -> Verb:
    """``5``, ``mark or 5``, ``mark and 0xff or 5``, ``ct mark``."""
    own = {"ct": {"key": "mark"}} if connection else {"meta": {"key": "mark"}}
    other = {"meta": {"key": "mark"}} if connection else {"ct": {"key": "mark"}}
    if isinstance(value, int):
        return SetMark(value, FULL_MASK, connection)
    if value == other:
        return CopyMark(save=connection)
    match value:
        case {"&": [mark, int(taken)]} if mark == other and connection:
            return CopyMark(save=True, packet_mask=taken)
        case {"&": [mark, int(taken)]} if mark == other:
            return CopyMark(save=False, connection_mask=taken)
        case {"|": [{"&": [mark, int(kept)]}, int(bits)]} if mark == own:
            return SetMark(bits, (~kept & FULL_MASK) | bits, connection)
        case {"|": [mark, int(bits)]} if mark == own:
            return SetMark(bits, bits, connection)
        case {"&": [mark, int(kept)]} if mark == own:
            return SetMark(0, ~kept & FULL_MASK, connection)
        case {"^": [mark, int(bits)]} if mark == own:
            return SetMark(bits, 0, connection)
        case {"^": [{"&": [mark, int(kept)]}, int(bits)]} if mark == own:
            return SetMark(bits, ~kept & FULL_MASK, connection)
    return ForgetMark(connection)


def _update(body: Mapping[str, Json], scope: Scope) -> list[Step]:
    """``add @set { ... limit ... }`` goes on only where the limit holds."""
    name, leaves = f"{scope.table} {body['set'][1:]}", body["op"] == "delete"
    steps: list[Step] = [Enlist(name, str(_plain(body["elem"])), leaves)]
    if any(condition in each for each in body.get("stmt", ()) for condition in _CONDITIONS):
        steps.append(Undecidable("it depends on earlier packets from the same address"))
    return steps


_REJECTED: Mapping[str, Match] = {
    "icmp": FamilyIs(False),
    "icmpv6": FamilyIs(True),
    "tcp reset": TCP,
}


def _reject(body: Json) -> list[Step]:
    """The answer that is to be sent stands for a family or for TCP: nft then leaves it out."""
    kind = body.get("type") if isinstance(body, dict) else None
    implied = _REJECTED.get(kind) if isinstance(kind, str) else None
    return [Block("REJECT")] if implied is None else [implied, Block("REJECT")]


def _translation(kind: str, body: Json, scope: Scope) -> list[Step]:
    """snat, dnat and redirect: of one family where they name one, perhaps out of a map."""
    make = _TRANSLATIONS[kind]
    settings = body if isinstance(body, dict) else {}
    family = _FAMILIES.get(settings.get("family", ""))
    address, port = settings.get("addr"), settings.get("port")
    step: Step
    if isinstance(address, dict) and "map" in address and port is None:
        step = _choice(address["map"], scope, lambda value: make(*_address_and_port(value)))
    elif isinstance(port, dict) and "map" in port:
        step = _choice(port["map"], scope, lambda value: make(address, value))
    else:
        step = make(address, port)
    return [step] if family is None else [family, step]


def _address_and_port(value: Json) -> tuple[Json, Json]:
    if isinstance(value, dict) and "concat" in value:
        address, port = value["concat"]
        return address, port
    return value, None


def _choice(body: Mapping[str, Json], scope: Scope, make: Callable[[Json], Verb]) -> Choice:
    """A verb for each value of a map."""
    data, key = body["data"], _Key.of(body["key"])
    pairs = scope.sets[data[1:]].elements if isinstance(data, str) else data["set"]
    return Choice(tuple((key.holds(_plain(value)), make(found)) for value, found in pairs))


def _redirected(address: Json, port: Json) -> Verb:
    if port is None or isinstance(port, int):
        return Translate(port)
    return Elsewhere("redirected to one of several ports")


def _sent_on(address: Json, port: Json) -> Verb:
    if not isinstance(address, str | None) or not isinstance(port, int | None):
        return Elsewhere("sent on to one of several addresses or ports (dnat)")
    return SendOn(None if address is None else int(ipaddress.ip_address(address)), port)


def _own_name(address: Json, port: Json) -> Verb:
    return Translate()


_TRANSLATIONS: Mapping[str, Callable[[Json, Json], Verb]] = {
    "redirect": _redirected,
    "dnat": _sent_on,
    "snat": _own_name,
    "masquerade": _own_name,
}
_FAMILIES: Mapping[str, Match] = {"ip": FamilyIs(False), "ip6": FamilyIs(True)}


def _xt(body: Json) -> list[Step]:
    """An extension of iptables, of which nft tells the name only."""
    name = body.get("name", "") if isinstance(body, dict) else ""
    if isinstance(body, dict) and body.get("type") == "match":
        return [] if name == "comment" else [Undecidable(f"nft does not show -m {name}")]
    if isinstance(body, dict) and name and name not in ("MARK", "CONNMARK", "CT", "REDIRECT"):
        verb = read_target(name, [])
        return [] if verb is None else [verb]
    return [Undecidable("nft does not show what iptables put here"), Uncertain("nft hides it")]


_READERS: Mapping[str, Callable[[Json], list[Step]]] = {
    "jump": lambda body: [Jump(_called(body))],
    "goto": lambda body: [Goto(_called(body))],
    "continue": lambda body: [Constant(False)],
    # It goes on only with connections of which both sides have been heard (nft_flow_offload.c).
    "flow": lambda body: [Constant(False)],
    "mangle": _mangle,
    "reject": _reject,
    "xt": _xt,
}
