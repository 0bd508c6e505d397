"""The JSON of ``nft -j list ruleset`` (libnftables-json(5))."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

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


@dataclass(frozen=True, slots=True)
class NftTable:
    """A table as nft shows it.

    ``hidden`` holds, per chain, which rules (by place, from 0) have parts that nft cannot show
    because iptables made them; ``counted`` those with a counter, as all of iptables' have.
    """

    table: Table
    hidden: Mapping[str, frozenset[int]]
    counted: Mapping[str, frozenset[int]]


@dataclass(slots=True)
class _OpenTable:
    family: str
    name: str
    chains: dict[str, Json] = field(default_factory=dict)
    rules: dict[str, list[Json]] = field(default_factory=dict)
    sets: dict[str, NamedSet] = field(default_factory=dict)


def read_nft(text: str) -> tuple[tuple[NftTable, ...], tuple[Gap, ...]]:
    """The tables that may concern mail, and what of the text cannot be followed. Never raises."""
    if not text.strip():
        return (), ()
    try:
        objects = json.loads(text)["nftables"]
        tables = _gather(objects)
        read = [_table(table) for table in tables if table.family in _FAMILIES]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as problem:
        return (), (Gap(Backend.NFT, None, f"nft's list cannot be read: {problem}"),)
    gaps = tuple(
        Gap(Backend.NFT, None, f"table {table.family} {table.name} is not followed yet")
        for table in tables
        if table.family == "bridge" and _may_block(table)
    )
    return tuple(read), gaps


def _gather(objects: list[Json]) -> list[_OpenTable]:
    tables: dict[tuple[str, str], _OpenTable] = {}
    for entry in objects:
        ((kind, body),) = entry.items()
        if kind == "table":
            key = (body["family"], body["name"])
            tables[key] = _OpenTable(*key)
        elif kind in ("chain", "rule", "set", "map"):
            _add(tables[body["family"], body["table"]], kind, body)
    return list(tables.values())


def _add(table: _OpenTable, kind: str, body: Json) -> None:
    match kind:
        case "chain":
            table.chains[body["name"]] = body
            table.rules[body["name"]] = []
        case "rule":
            table.rules[body["chain"]].append(body)
        case _:
            elements = body.get("elem", [])
            conditional = any(
                condition in part
                for part in (*body.get("stmt", ()), *map(_settings, elements))
                for condition in _CONDITIONS
            )
            table.sets[body["name"]] = NamedSet(elements, conditional)


def _settings(element: Json) -> Mapping[str, Json]:
    if isinstance(element, dict) and isinstance(element.get("elem"), dict):
        settings: Mapping[str, Json] = element["elem"]
        return settings
    return {}


def _table(table: _OpenTable) -> NftTable:
    family = _FAMILIES[table.family]
    scope = Scope(table.sets, None if family is None else family is Family.IPV6)
    chains = {
        name: Chain(
            name,
            tuple(_rule(at, body, scope) for at, body in enumerate(table.rules[name], 1)),
            _base(body),
        )
        for name, body in table.chains.items()
    }
    shown = Table(Backend.NFT, family, table.name, chains)
    return NftTable(shown, _with(table, "xt"), _with(table, "counter"))


def _with(table: _OpenTable, kind: str) -> dict[str, frozenset[int]]:
    return {
        name: frozenset(
            at
            for at, body in enumerate(rules)
            if any(kind in each for each in body.get("expr", ()))
        )
        for name, rules in table.rules.items()
    }


def _rule(position: int, body: Json, scope: Scope) -> Rule:
    expressions = body.get("expr", [])
    return Rule(
        position,
        rule_text(expressions),
        steps_of(expressions, scope),
        body.get("handle"),
        body.get("comment"),
    )


def _base(body: Json) -> BaseChain | None:
    if "hook" not in body:
        return None
    policy = Block("DROP") if body.get("policy") == "drop" else Accept()
    devices = body.get("dev")
    if devices is not None:
        devices = (devices,) if isinstance(devices, str) else tuple(devices)
    return BaseChain(Hook(body["hook"]), body["prio"], policy, body["type"] == "nat", devices)


def _may_block(table: _OpenTable) -> bool:
    """Whether anything in the table is more than accepting and taking notes."""
    return any(body.get("policy") == "drop" for body in table.chains.values()) or any(
        isinstance(step, (Block, Elsewhere, Uncertain, Choice))
        for rules in table.rules.values()
        for body in rules
        for step in steps_of(body.get("expr", []), Scope(table.sets))
    )
