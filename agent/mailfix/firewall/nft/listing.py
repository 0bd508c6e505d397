"""The JSON of ``nft -j list ruleset`` (libnftables-json(5))."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeVar

from mailfix.firewall.matches import Address, Match, Undecidable
from mailfix.firewall.nft.selectors import Json
from mailfix.firewall.nft.statements import NamedSet, Scope, steps_of
from mailfix.firewall.nft.text import rule_text
from mailfix.firewall.ruleset import (
    Accept,
    Backend,
    BaseChain,
    Block,
    Chain,
    Choice,
    Elsewhere,
    Gap,
    Hook,
    Rule,
    Step,
    Table,
    Uncertain,
)
from mailfix.model import Family

_FAMILIES: Mapping[str, Family | None] = {
    "ip": Family.IPV4,
    "ip6": Family.IPV6,
    "inet": None,
    "netdev": None,
}
_CONDITIONS = ("limit", "quota", "ct count")

K = TypeVar("K")
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class HiddenRule:
    """A rule of iptables with parts that nft cannot show.

    ``asks_twice``: it has two matches on the same thing, of which iptables-nft-save loses one.
    """

    asks_twice: bool
    read: Callable[[], Rule]
    """What nft shows of it."""


@dataclass(frozen=True, slots=True)
class NftChain:
    """A chain as nft shows it. ``counted`` are the places, from 0, of rules with a counter.

    All rules of iptables have one.
    """

    name: str
    rules: tuple[Rule | HiddenRule, ...]
    base: BaseChain | None
    counted: frozenset[int]

    def read(self) -> Chain:
        """The chain as far as nft shows it."""
        return Chain(self.name, tuple(_shown(each) for each in self.rules), self.base)


@dataclass(frozen=True, slots=True)
class NftTable:
    """A table as nft shows it; ``family`` is None for inet and netdev, which see both."""

    family: Family | None
    name: str
    chains: Mapping[str, NftChain]

    def read(self) -> Table:
        """The table as far as nft shows it."""
        chains = {name: chain.read() for name, chain in self.chains.items()}
        return Table(Backend.NFT, self.family, self.name, chains)


def _shown(rule: Rule | HiddenRule) -> Rule:
    return rule if isinstance(rule, Rule) else rule.read()


@dataclass(slots=True)
class _OpenTable:
    """A table while its objects are being read, those of a chain by the chain's name."""

    family: str
    name: str
    changing: frozenset[str]
    sets: dict[str, NamedSet] = field(default_factory=dict)
    bases: dict[str, BaseChain | None] = field(default_factory=dict)
    rules: dict[str, list[Rule | HiddenRule]] = field(default_factory=dict)
    counted: dict[str, set[int]] = field(default_factory=dict)
    scope: Scope = field(init=False)

    def __post_init__(self) -> None:
        family = _FAMILIES.get(self.family)
        ipv6 = None if family is None else family is Family.IPV6
        self.scope = Scope(self.sets, ipv6, f"{self.family} {self.name}", self.changing)


def read_nft(text: str) -> tuple[tuple[NftTable, ...], tuple[Gap, ...]]:
    """The tables that may concern mail, and what of the text cannot be followed. Never raises."""
    tables: dict[tuple[str, str], _OpenTable] = {}
    changing = frozenset(_CHANGING.findall(text))
    try:
        for entry, start, end in _entries(text):
            _add(tables, entry, changing, _Source(text, start, end))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as problem:
        return (), (Gap(Backend.NFT, None, f"nft's list cannot be read: {problem}"),)
    read = tuple(_closed(table) for table in tables.values() if table.family in _FAMILIES)
    gaps = tuple(
        Gap(Backend.NFT, None, f"table {table.family} {table.name} is not followed yet")
        for table in tables.values()
        if table.family == "bridge" and _may_block(table)
    )
    return read, gaps


def _entries(text: str) -> Iterator[tuple[Json, int, int]]:
    """The objects of ``{"nftables": [...]}`` one by one, each with where it stands in the text.

    Only one of them is held at a time: all together take ten times as much memory as the text.

    Raises:
        ValueError: the text is no such list.
    """
    opening = _OPENING.match(text)
    if opening is None:
        raise ValueError("it does not begin as it should")
    at = opening.end()
    while _CLOSING.match(text, at) is None:
        entry, end = _DECODER.raw_decode(text, at)
        yield entry, at, end
        comma = _COMMA.match(text, end)
        if comma is None:
            if _CLOSING.match(text, end) is None:
                raise ValueError(f"it is damaged after {end} characters")
            return
        at = comma.end()


def _no_number(text: str) -> None:
    raise ValueError(f"{text} is no number")


_DECODER = json.JSONDecoder(parse_constant=_no_number)
_OPENING = re.compile(r'\s*\{\s*"nftables"\s*:\s*\[\s*')
_CHANGING = re.compile(r'"(?:set|map)":\s*"@([^"\\]+)"')
"""The set that a statement puts packets into; where a match looks into one, it is on its right."""
_COMMA = re.compile(r"\s*,\s*")
_CLOSING = re.compile(r"\s*\]\s*\}\s*\Z")


@dataclass(frozen=True, slots=True)
class _Source:
    """Where a rule stands in nft's list, to be read again when more of it is asked for."""

    text: str
    start: int
    end: int

    def expressions(self) -> Json:
        return json.loads(self.text[self.start : self.end])["rule"].get("expr", [])

    def wording(self) -> str:
        try:
            return rule_text(self.expressions())
        except RecursionError:
            return "..."


def _add(
    tables: dict[tuple[str, str], _OpenTable],
    entry: Json,
    changing: frozenset[str],
    source: _Source,
) -> None:
    ((kind, body),) = entry.items()
    if kind == "rule":
        _add_rule(tables[body["family"], body["table"]], body, source)
    elif kind == "table":
        key = (_kept(str, body, "family"), _kept(str, body, "name"))
        _once(tables, key, _OpenTable(*key, changing))
    elif kind == "chain":
        table = tables[body["family"], body["table"]]
        _once(table.bases, _kept(str, body, "name"), _base(body))
        table.rules[body["name"]] = []
        table.counted[body["name"]] = set()
    elif kind in ("set", "map"):
        table = tables[body["family"], body["table"]]
        _once(table.sets, body["name"], _named_set(body))


def _address_first(steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """Conditions may be asked in any order; rules on one source each are the same behind it."""
    for at, step in enumerate(steps):
        if isinstance(step, Address):
            return (step, *steps[:at], *steps[at + 1 :])
        if not isinstance(step, Match):
            break
    return steps


def _kept(kind: type[V], body: Json, name: str) -> V:
    """A value that is shown or compared as it is; ValueError for one of another kind."""
    value = body[name]
    if not isinstance(value, kind):
        raise ValueError(f"{name} is {value!r:.40}")
    return value


def _once(found: dict[K, V], name: K, new: V) -> None:
    if name in found:
        raise ValueError(f"{name!r} stands there twice")
    found[name] = new


def _add_rule(table: _OpenTable, body: Json, source: _Source) -> None:
    chain, expressions = body["chain"], body.get("expr", [])
    rules = table.rules[chain]
    kinds = {kind for each in expressions for kind in each}
    if "counter" in kinds:
        table.counted[chain].add(len(rules))
    handle = _kept(int, body, "handle") if "handle" in body else None
    comment = _kept(str, body, "comment") if "comment" in body else None
    made = partial(_rule, table.scope, len(rules) + 1, source, handle, comment)
    hidden = "xt" in kinds
    rules.append(HiddenRule(_asks_twice(expressions), made) if hidden else made(expressions))


def _rule(
    scope: Scope,
    position: int,
    source: _Source,
    handle: int | None,
    comment: str | None,
    expressions: Json = None,
) -> Rule:
    steps: tuple[Step, ...]
    try:
        asked = source.expressions() if expressions is None else expressions
        steps = _address_first(steps_of(asked, scope))
    except RecursionError:
        steps = (Uncertain("the rule is nested too deeply"),)
    return Rule(position, source.wording, steps, handle, comment)


def _asks_twice(expressions: Json) -> bool:
    asked = [str(_looked_at(each["match"])) for each in expressions if "match" in each]
    return len(asked) != len(set(asked))


def _looked_at(match: Json) -> Json:
    """What a match compares, without the mask."""
    left = match.get("left") if isinstance(match, dict) else None
    masked = left.get("&") if isinstance(left, dict) else None
    return masked[0] if isinstance(masked, list) and masked else left


def _named_set(body: Json) -> NamedSet:
    elements = body.get("elem", [])
    conditional = any(
        condition in part
        for part in (*body.get("stmt", ()), *map(_settings, elements))
        for condition in _CONDITIONS
    )
    return NamedSet(elements, conditional)


def _settings(element: Json) -> Mapping[str, Json]:
    if isinstance(element, dict) and isinstance(element.get("elem"), dict):
        settings: Mapping[str, Json] = element["elem"]
        return settings
    return {}


def _closed(table: _OpenTable) -> NftTable:
    chains = {name: _chain(table, name) for name in table.rules}
    return NftTable(_FAMILIES[table.family], table.name, chains)


_NO_DEVICE = "nft does not show which interface the chain is for"


def _chain(table: _OpenTable, name: str) -> NftChain:
    """nft before 1.0.7 does not tell the devices of an ingress chain."""
    base, rules, counted = table.bases[name], table.rules[name], frozenset(table.counted[name])
    if base is None or base.devices is not None or base.hook not in (Hook.INGRESS, Hook.EGRESS):
        return NftChain(name, tuple(rules), base, counted)
    shown = [_shown(rule) for rule in rules]
    unsure = [replace(rule, steps=(Undecidable(_NO_DEVICE), *rule.steps)) for rule in shown]
    if isinstance(base.policy, Block):
        unsure.append(Rule(len(rules) + 1, "policy drop", (Uncertain(_NO_DEVICE),)))
    return NftChain(name, tuple(unsure), replace(base, policy=Accept()), counted)


def _base(body: Json) -> BaseChain | None:
    if "hook" not in body:
        return None
    policy = _POLICIES[body.get("policy", "accept")]
    devices = body.get("dev")
    if devices is not None:
        devices = (devices,) if isinstance(devices, str) else tuple(map(str, devices))
    kind = _kept(str, body, "type")
    return BaseChain(Hook(body["hook"]), _kept(int, body, "prio"), policy, kind == "nat", devices)


_POLICIES: Mapping[str, Accept | Block] = {"accept": Accept(), "drop": Block("DROP")}


def _may_block(table: _OpenTable) -> bool:
    """Whether anything in the table is more than accepting and taking notes."""
    return any(base and isinstance(base.policy, Block) for base in table.bases.values()) or any(
        isinstance(step, (Block, Elsewhere, Uncertain, Choice))
        for rules in table.rules.values()
        for rule in rules
        for step in _shown(rule).steps
    )
