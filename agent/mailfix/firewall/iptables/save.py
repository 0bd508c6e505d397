"""The text of iptables-save and ip6tables-save, of both backends.

A line that is not understood never disappears: a rule becomes one whose verdict is uncertain, and
damage to a table makes every base chain of it uncertain from its first rule on.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias, TypeVar

from mailfix.firewall.iptables.matches import Modules, general
from mailfix.firewall.iptables.options import GENERAL, Option, is_cut_in_quotes, options, parts
from mailfix.firewall.iptables.targets import read_target
from mailfix.firewall.matches import Address, AllOf, Constant, Match, Side, conditions
from mailfix.firewall.protocols import address_and_mask
from mailfix.firewall.ruleset import (
    Accept,
    BaseChain,
    Block,
    Chain,
    Dump,
    Gap,
    Goto,
    Hook,
    Jump,
    Rule,
    Step,
    Table,
    Uncertain,
    Verb,
)
from mailfix.model import Family

MAX_RULE_LENGTH = 20_000
"""Characters. A rule of iptables with every option there is takes some 2,000."""

MAX_TABLES = 100
"""The kernel has five; iptables-nft-save shows native ones of other names, too."""

_HOOKS = {
    hook.name: hook
    for hook in (Hook.PREROUTING, Hook.INPUT, Hook.FORWARD, Hook.OUTPUT, Hook.POSTROUTING)
}
"""The built-in chains."""

_PRIORITIES = {
    ("raw", Hook.PREROUTING): -300,
    ("raw", Hook.OUTPUT): -300,
    ("nat", Hook.PREROUTING): -100,
    ("nat", Hook.INPUT): 100,
    ("nat", Hook.OUTPUT): -100,
    ("nat", Hook.POSTROUTING): 100,
    ("filter", Hook.INPUT): 0,
    ("filter", Hook.FORWARD): 0,
    ("filter", Hook.OUTPUT): 0,
    ("security", Hook.INPUT): 50,
    ("security", Hook.FORWARD): 50,
    ("security", Hook.OUTPUT): 50,
} | {("mangle", hook): -150 for hook in _HOOKS.values()}
"""NF_IP_PRI_RAW and the like of linux/netfilter_ipv4.h."""

_POLICIES = ("ACCEPT", "DROP", "-")
_COUNTERS = re.compile(r"\[\d+:\d+\] ")
_SOURCE = re.compile(r"-s ([0-9a-fA-F.:/]+)(?: |$)")
_INCOMPATIBLE = re.compile(r"# Table `(.*)' is incompatible, use 'nft' tool\.")
_LEGACY_PRESENT = "# Warning: iptables-legacy tables present"


MAX_REMEMBERED = 20_000
"""Readings of texts that are kept for when the same text comes again."""

K = TypeVar("K")
V = TypeVar("V")
Words: TypeAlias = tuple[str, ...]
Shape: TypeAlias = tuple[tuple[Step, ...], str | None]
"""A rule's steps and its comment."""


class _Part(NamedTuple):
    """What one general option of a rule says, with the options that belong to it.

    ``protocol`` is the one that the rule is on from here. A target that only takes notes has no
    ``verb``.
    """

    matches: tuple[Match, ...]
    protocol: str
    is_target: bool = False
    verb: Verb | None = None
    comment: str | None = None


@dataclass(slots=True)
class _OpenTable:
    """A table while its lines are being read.

    ``shapes`` are what its rules ask by their text, ``parts`` what its parts say by the protocol
    that the rule is on and their words: most rules are like others but for one part.
    """

    name: str
    policies: dict[str, str] = field(default_factory=dict)
    rules: dict[str, list[Rule]] = field(default_factory=dict)
    shapes: dict[str, Shape] = field(default_factory=dict)
    parts: dict[tuple[str, tuple[str, ...]], _Part] = field(default_factory=dict)
    damage: str = ""
    complete: bool = False


@dataclass(slots=True)
class _Reading:
    dump: Dump
    modules: Modules
    tables: dict[str, _OpenTable] = field(default_factory=dict)
    current: _OpenTable | None = None
    gaps: list[Gap] = field(default_factory=list)

    def gap(self, reason: str) -> None:
        gap = Gap(self.dump.backend, self.dump.family, reason)
        if gap not in self.gaps:
            self.gaps.append(gap)


def _conditions(match: Match) -> tuple[Match, ...]:
    """Taken apart only where there may be something to take apart: rules are many."""
    parts = match.matches if isinstance(match, AllOf) else (match,)
    whole = not any(isinstance(each, (AllOf, Constant)) for each in parts)
    return parts if whole else tuple(conditions(parts))


@dataclass(frozen=True, slots=True)
class SavedTables:
    """``incompatible`` names the tables that the tool could not show.

    In those of ``damaged`` every base chain begins with a rule that may do anything.
    """

    tables: tuple[Table, ...]
    damaged: frozenset[str]
    gaps: tuple[Gap, ...]
    incompatible: tuple[str, ...]
    legacy_present: bool


def read_save(dump: Dump, modules: Modules) -> SavedTables:
    """Never raises: what is damaged comes back as uncertain rules and gaps."""
    reading = _Reading(dump, modules)
    incompatible: list[str] = []
    legacy_present = False
    for line in dump.text.split("\n"):
        if line[:1] == "#":
            found = _INCOMPATIBLE.match(line)
            if found:
                incompatible.append(found[1])
            legacy_present = legacy_present or line.startswith(_LEGACY_PRESENT)
        elif line and not line.isspace():
            _read_line(reading, line.strip(" \r"))
    tables = tuple(_closed(table, reading) for table in reading.tables.values())
    return SavedTables(
        tables,
        frozenset(name for name, table in reading.tables.items() if table.damage),
        tuple(reading.gaps),
        tuple(incompatible),
        legacy_present,
    )


def _read_line(reading: _Reading, line: str) -> None:
    table = reading.current
    if line[:1] == "*":
        _open_table(reading, line[1:].strip())
    elif table is None or table.complete:
        reading.gap("the dump holds lines that belong to no table")
    elif line == "COMMIT":
        table.complete = True
    elif line[:1] == ":":
        _read_chain(table, line)
    else:
        _read_rule(reading, table, _COUNTERS.sub("", line, count=1) if line[:1] == "[" else line)


def _open_table(reading: _Reading, name: str) -> None:
    table = reading.tables.get(name)
    if table is not None:
        table.damage = table.damage or f"table {name} is in the dump twice"
    elif len(reading.tables) == MAX_TABLES:
        reading.gap("the dump holds more tables than there can be")
        return
    else:
        table = reading.tables[name] = _OpenTable(name)
    reading.current = table


def _read_chain(table: _OpenTable, line: str) -> None:
    words = line[1:].split()
    if len(words) < 2 or words[1] not in _POLICIES or words[0] in table.policies:
        table.damage = table.damage or "a chain's line is damaged"
        return
    table.policies[words[0]] = words[1]
    table.rules.setdefault(words[0], [])


def _read_rule(reading: _Reading, table: _OpenTable, line: str) -> None:
    append, _, of_chain = line.partition(" ")
    chain, _, asked = of_chain.partition(" ")
    rules = table.rules.get(chain)
    if append != "-A" or rules is None or is_cut_in_quotes(line):
        table.damage = table.damage or "the dump holds a line that is not understood"
        return
    steps, comment = _rule_steps(reading, table, asked)
    rules.append(Rule(len(rules) + 1, line, steps, None, comment))


def _rule_steps(reading: _Reading, table: _OpenTable, asked: str) -> Shape:
    """A rule's steps. Rules that differ in their source only share all but the first step."""
    if len(asked) > MAX_RULE_LENGTH:
        return (Uncertain("the rule is too long to be read"),), None
    found = _SOURCE.match(asked)
    rest = asked if found is None else asked[found.end() :]
    try:
        shape = table.shapes.get(rest)
        if shape is None:
            shape = _remembered(table.shapes, rest, _shape(reading, table, parts(rest)))
        if found is None:
            return shape
        steps, comment = shape
        return (Address(Side.SOURCE, address_and_mask(found[1])), *steps), comment
    except (ValueError, KeyError, OverflowError) as problem:
        return (Uncertain(f"the rule is not understood: {problem}"),), None


def _shape(reading: _Reading, table: _OpenTable, words: Sequence[Words]) -> Shape:
    """The matches in order, and what the target does.

    Raises:
        ValueError: an option cannot be what it is, or stands where it cannot stand.
    """
    matches: list[Match] = []
    protocol, comment = "", None
    target: _Part | None = None
    for own in words:
        if target is not None:
            raise ValueError(f"{options(own)[0].name} stands after the target")
        part = table.parts.get((protocol, own))
        if part is None:
            read = _part(reading, table, protocol, options(own))
            part = _remembered(table.parts, (protocol, own), read)
        matches += part.matches
        protocol = part.protocol
        comment = part.comment if comment is None else comment
        target = part if part.is_target else None
    steps: tuple[Step, ...] = tuple(dict.fromkeys(matches))
    return (steps if target is None or target.verb is None else (*steps, target.verb)), comment


def _part(reading: _Reading, table: _OpenTable, protocol: str, found: Sequence[Option]) -> _Part:
    first, own = found[0], found[1:]
    comments = (each.value for each in found if each.name == "--comment" and each.values)
    comment = next(comments, None)
    if first.name in ("--jump", "--goto"):
        return _Part((), protocol, True, _verb(table, first, own), comment)
    if first.name == "--match":
        asked = reading.modules.read(first.value, own)
    elif first.name not in GENERAL:
        asked = reading.modules.read(protocol, found)
    else:
        protocol = first.value if first.name == "--protocol" else protocol
        asked = general(first)
        asked = AllOf((asked, reading.modules.read(protocol, own))) if own else asked
    return _Part(_conditions(asked), protocol, comment=comment)


def _remembered(known: dict[K, V], key: K, value: V) -> V:
    """``value``, kept for the next rule that is alike."""
    if len(known) >= MAX_REMEMBERED:
        known.clear()
    known[key] = value
    return value


def _verb(table: _OpenTable, option: Option, own: Sequence[Option]) -> Verb | None:
    name = option.value
    if option.name == "--goto":
        return Goto(name)
    if name in table.rules and name not in _HOOKS:
        return Jump(name)
    return read_target(name, own)


def _closed(table: _OpenTable, reading: _Reading) -> Table:
    family = reading.dump.family or Family.IPV4
    if not table.complete:
        table.damage = table.damage or f"the dump of table {table.name} is cut off"
    if table.damage:
        reading.gap(table.damage)
    chains = {}
    for name, rules in table.rules.items():
        base = _base(table, name)
        if base is None and table.policies[name] != "-":
            reading.gap(f"the hook of a chain of table {table.name} is not known")
        if table.damage and base is not None:
            rules.insert(0, Rule(1, table.damage, (Uncertain(table.damage),)))
        chains[name] = Chain(name, tuple(rules), base)
    return Table(reading.dump.backend, family, table.name, chains)


def _base(table: _OpenTable, name: str) -> BaseChain | None:
    hook = _HOOKS.get(name)
    policy = table.policies[name]
    if hook is None or policy == "-":
        return None
    priority = _PRIORITIES.get((table.name, hook))
    if priority is None:
        return None
    verdict = Accept() if policy == "ACCEPT" else Block(policy)
    return BaseChain(hook, priority, verdict, nat=table.name == "nat")
