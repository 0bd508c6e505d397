"""The statements of an nft rule as steps (libnftables-json(5), nft(8))."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from mailfix.firewall.iptables.targets import read_target
from mailfix.firewall.matches import (
    AllOf,
    Constant,
    FamilyIs,
    Match,
    Not,
    Tracked,
    Undecidable,
    conditions,
    one_of,
)
from mailfix.firewall.nft.selectors import FULL_MASK, Json, Selector, Values, selector
from mailfix.firewall.ruleset import (
    Accept,
    Block,
    Choice,
    CopyMark,
    Elsewhere,
    ForgetMark,
    Goto,
    Jump,
    Return,
    SetMark,
    Step,
    Translate,
    Uncertain,
    Untrack,
    Verb,
)

HIGHEST = FULL_MASK


@dataclass(slots=True)
class NamedSet:
    """A set or map of a table: its elements; ``condition`` where they have a rate or quota."""

    elements: list[Json]
    conditional: bool = False


@dataclass(frozen=True, slots=True)
class Scope:
    """A table's sets, the matches already made from them, and whose packets it sees.

    ``ipv6`` is None for a table that sees both families.
    """

    sets: Mapping[str, NamedSet]
    ipv6: bool | None = None
    made: dict[tuple[str, str], Match] = field(default_factory=dict)


_WITHOUT_EFFECT = frozenset(
    {
        "counter",
        "log",
        "dup",
        "flow",
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
_VERDICTS: Mapping[str, Verb] = {
    "accept": Accept(),
    "drop": Block("DROP"),
    "return": Return(),
    "queue": Elsewhere("a program decides (queue)"),
    "tproxy": Elsewhere("handed to a proxy (tproxy)"),
    "synproxy": Elsewhere("answered in the host's place (synproxy)"),
    "fwd": Elsewhere("sent out by another interface (fwd)"),
    "notrack": Untrack(),
    "snat": Translate(),
    "masquerade": Translate(),
}


def steps_of(expressions: Sequence[Json], scope: Scope) -> tuple[Step, ...]:
    """A rule's steps. Never raises: what is not understood becomes uncertain."""
    steps: list[Step] = []
    family = None if scope.ipv6 is None else FamilyIs(scope.ipv6)
    for expression in expressions:
        try:
            steps += (step for step in _steps(expression, scope) if step != family)
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as problem:
            kind = next(iter(expression), "") if isinstance(expression, dict) else ""
            reason = f"{kind or 'a statement'} is not understood: {problem}"
            steps.append(Undecidable(reason) if kind == "match" else Uncertain(reason))
    return tuple(steps)


def _steps(expression: Json, scope: Scope) -> list[Step]:
    ((kind, body),) = expression.items()
    if kind in _WITHOUT_EFFECT:
        return []
    if kind in _CONDITIONS:
        return [Undecidable(_CONDITIONS[kind])]
    if kind in _VERDICTS:
        return [_VERDICTS[kind]]
    if kind == "match":
        return list(conditions(_match(body, scope)))
    if kind == "vmap":
        return [_verdict_map(body, scope)]
    reader = _READERS.get(kind)
    return (
        [Uncertain(f"the statement {kind!r} is not understood")] if reader is None else reader(body)
    )


def _match(body: Mapping[str, Json], scope: Scope) -> tuple[Match, ...]:
    left, right, operator = body["left"], body["right"], body["op"]
    if isinstance(left, dict) and "&" in left:
        return _masked(left["&"], right, operator)
    if isinstance(left, dict) and "concat" in left:
        found = AllOf(_concatenation(left["concat"], right, scope))
        requires = tuple(each for part in left["concat"] for each in selector(part).requires)
        return (*requires, _signed(operator, found))
    chosen = selector(left)
    if operator in _COMPARISONS:
        return (*chosen.requires, _compared(chosen, operator, right))
    return (*chosen.requires, _found(chosen, left, operator, right, scope))


def _signed(operator: str, match: Match) -> Match:
    if operator not in ("==", "!=", "in"):
        raise ValueError(f"the operator {operator!r}")
    return Not(match) if operator == "!=" else match


def _found(chosen: Selector, left: Json, operator: str, right: Json, scope: Scope) -> Match:
    values, conditional, name = _values(right, scope)
    if chosen.any_bit is not None and operator in ("in", "!"):
        bits = chosen.any_bit(values)
        return Not(bits) if operator == "!" else bits
    key = (name, str(left))
    match = scope.made.get(key) if name else None
    if match is None:
        match = chosen.among(values)
        if conditional:
            match = AllOf((match, Undecidable("the set's elements have a rate or a quota")))
        if name:
            scope.made[key] = match
    return _signed(operator, match)


def _values(right: Json, scope: Scope) -> tuple[Values, bool, str]:
    """The values on the right, whether they have conditions, and the set's name if it has one."""
    if isinstance(right, str) and right.startswith("@"):
        named = scope.sets[right[1:]]
        return [_plain(each) for each in named.elements], named.conditional, right[1:]
    if isinstance(right, dict) and "set" in right:
        listed = right["set"]
        if isinstance(listed, str):
            return _values(listed, scope)
        return [_plain(each) for each in listed], False, ""
    return [right], False, ""


def _plain(element: Json) -> Json:
    """An element without its timeout, counter and comment."""
    if isinstance(element, dict) and "elem" in element:
        return element["elem"]["val"]
    return element


_COMPARISONS: Mapping[str, Callable[[int], tuple[int, int]]] = {
    "<": lambda number: (0, number - 1),
    "<=": lambda number: (0, number),
    ">": lambda number: (number + 1, HIGHEST),
    ">=": lambda number: (number, HIGHEST),
}


def _compared(chosen: Selector, operator: str, right: Json) -> Match:
    if chosen.number is None:
        return chosen.among([right])
    low, high = _COMPARISONS[operator](chosen.number(right))
    return chosen.among([{"range": [low, high]}]) if low <= high else Constant(False)


def _masked(parts: Sequence[Json], right: Json, operator: str) -> tuple[Match, ...]:
    left, mask = parts
    chosen = selector(left)
    if chosen.bits is None or chosen.number is None:
        return (*chosen.requires, chosen.among([right]))
    if isinstance(right, dict) and "set" in right:
        wanted = [_plain(each) for each in right["set"]]
    else:
        wanted = [right]
    bits = chosen.number(mask)
    found = tuple(chosen.bits(bits, chosen.number(value)) for value in wanted)
    return (*chosen.requires, _signed(operator, one_of(found)))


def _concatenation(parts: Sequence[Json], right: Json, scope: Scope) -> tuple[Match, ...]:
    """One of the elements, part by part."""
    selectors = [selector(part) for part in parts]
    values, conditional, _ = _values(right, scope)
    found = one_of(_element(selectors, value) for value in values)
    return (found, Undecidable("the set's elements have a rate")) if conditional else (found,)


def _element(selectors: Sequence[Selector], value: Json) -> Match:
    parts = value["concat"]
    if len(parts) != len(selectors):
        raise ValueError("an element with too few parts")
    return AllOf(tuple(chosen.among([part]) for chosen, part in zip(selectors, parts, strict=True)))


def _verdict_map(body: Mapping[str, Json], scope: Scope) -> Choice:
    data = body["data"]
    pairs = scope.sets[data[1:]].elements if isinstance(data, str) else data["set"]
    key = body["key"]
    concatenated = isinstance(key, dict) and "concat" in key
    selectors = [selector(part) for part in (key["concat"] if concatenated else [key])]
    requires = tuple(each for chosen in selectors for each in chosen.requires)
    branches: list[tuple[Match, Verb]] = []
    for value, verdict in pairs:
        plain = _plain(value)
        match = _element(selectors, plain) if concatenated else selectors[0].among([plain])
        verb = _verdict(verdict)
        if verb is not None:
            branches.append((AllOf((*requires, match)), verb))
    return Choice(tuple(branches))


def _verdict(verdict: Mapping[str, Json]) -> Verb | None:
    """None for ``continue``."""
    ((kind, body),) = verdict.items()
    match kind:
        case "jump":
            return Jump(body["target"])
        case "goto":
            return Goto(body["target"])
        case "continue":
            return None
    return _VERDICTS[kind]


def _mangle(body: Mapping[str, Json]) -> list[Step]:
    key, value = body["key"], body["value"]
    ((kind, what),) = key.items()
    if kind == "payload" and what.get("field") in ("saddr", "daddr", "sport", "dport"):
        return [Elsewhere(f"{what['protocol']} {what['field']} is rewritten")]
    if what.get("key") != "mark":
        return []
    verb = _mark(value, kind == "ct")
    return [Tracked(), verb] if verb == CopyMark(save=False) else [verb]


def _mark(value: Json, connection: bool) -> Verb:
    """``5``, ``mark or 5``, ``mark and 0xff or 5``, ``ct mark``."""
    own = {"ct": {"key": "mark"}} if connection else {"meta": {"key": "mark"}}
    other = {"meta": {"key": "mark"}} if connection else {"ct": {"key": "mark"}}
    if isinstance(value, int):
        return SetMark(value, FULL_MASK, connection)
    if value == other:
        return CopyMark(save=connection)
    match value:
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


def _update(body: Mapping[str, Json]) -> list[Step]:
    """``add @set { ... limit ... }`` goes on only where the limit holds."""
    if any(condition in each for each in body.get("stmt", ()) for condition in _CONDITIONS):
        return [Undecidable("it depends on earlier packets from the same address")]
    if body.get("op") == "delete":
        return [Undecidable("it depends on what the set holds at the time")]
    return []


_REJECTED_FAMILY = {"icmp": FamilyIs(False), "icmpv6": FamilyIs(True)}


def _reject(body: Json) -> list[Step]:
    """An ICMP of one family stands for that family: nft then leaves ``meta nfproto`` out."""
    kind = body.get("type") if isinstance(body, dict) else None
    family = _REJECTED_FAMILY.get(kind) if isinstance(kind, str) else None
    return [Block("REJECT")] if family is None else [family, Block("REJECT")]


def _redirect(body: Json) -> Verb:
    port = body.get("port") if isinstance(body, dict) else None
    if port is None or isinstance(port, int):
        return Translate(port)
    return Elsewhere("redirected to one of several ports")


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
    "jump": lambda body: [Jump(body["target"])],
    "goto": lambda body: [Goto(body["target"])],
    "continue": lambda body: [Constant(False)],
    "mangle": _mangle,
    "set": _update,
    "map": _update,
    "reject": _reject,
    "redirect": lambda body: [_redirect(body)],
    "dnat": lambda body: [Elsewhere("sent on to another address (dnat)")],
    "xt": _xt,
}
