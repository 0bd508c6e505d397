"""For each running rule: where it comes back from at the next boot."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeAlias

from mailfix.firewall.matches import AllOf, AnyOf, Match, Not, Undecidable
from mailfix.firewall.origins.owners import OWNERS, Owner, owns_rule, owns_table
from mailfix.firewall.origins.written import Kind, Written
from mailfix.firewall.ruleset import (
    Backend,
    Chain,
    Rule,
    RuleRef,
    Ruleset,
    Step,
    Table,
    Uncertain,
)
from mailfix.model import Family

Place: TypeAlias = tuple[Backend, Family | None, str, str, int | None]
"""Backend, family, table, chain, position (None: the policy)."""
ChainKey: TypeAlias = tuple[Family | None, str, str]
"""Family, table, chain: a rule keeps its meaning when it changes the backend."""


class Comeback(Enum):
    """What brings a rule back."""

    FILE = "file"
    OWNER = "owner"
    SCRIPT = "script"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Origin:
    """``name`` is the file, the owner or the script (which only may bring the rule back).

    ``line`` counts from 1 and is 0 where it is not known. ``text`` is the rule as it is written
    there; it comes from outside: escape it where it is printed.
    """

    comeback: Comeback
    name: str = ""
    line: int = 0
    text: str = ""

    def describe(self) -> str:
        match self.comeback:
            case Comeback.FILE if self.line:
                return f"line {self.line} of {self.name}"
            case Comeback.FILE | Comeback.OWNER:
                return self.name
            case Comeback.SCRIPT:
                return f"perhaps {self.name}, which changes firewall rules"
        return "nowhere: it is lost at the next boot"


@dataclass(frozen=True, slots=True)
class Sources:
    """What the next boot makes rules of.

    ``saved`` is what the files in ``written`` load together. ``owners`` are the names of those in
    OWNERS that start at boot; ``forgotten`` are running rules of theirs that their settings do not
    ask for. ``scripts`` mention the tools; what they do is not known.
    """

    saved: Ruleset = field(default_factory=Ruleset)
    written: tuple[Written, ...] = ()
    owners: frozenset[str] = frozenset()
    scripts: tuple[str, ...] = ()
    forgotten: frozenset[Place] = frozenset()

    @property
    def returning(self) -> tuple[Owner, ...]:
        return tuple(owner for owner in OWNERS if owner.name in self.owners)


@dataclass(frozen=True, slots=True)
class Origins:
    """The answer for every rule and policy of one ruleset."""

    by_place: Mapping[Place, Origin]

    def origin_of(self, ref: RuleRef) -> Origin:
        """Where the rule or policy comes back from."""
        return self.by_place.get(place_of(ref), Origin(Comeback.NOTHING))


def place_of(ref: RuleRef) -> Place:
    return (ref.backend, ref.family, ref.table, ref.chain, ref.position)


def place_in(table: Table, chain: Chain, position: int | None) -> Place:
    return (table.backend, table.family, table.name, chain.name, position)


def trace(running: Ruleset, sources: Sources) -> Origins:
    """Find the origin of each rule and policy of ``running``."""
    saved = saved_origins(sources)
    chains = {
        (table.family, table.name, name): (table, chain)
        for table in sources.saved.tables
        for name, chain in table.chains.items()
    }
    found: dict[Place, Origin] = {}
    for table in running.tables:
        for chain in table.chains.values():
            twin = chains.get((table.family, table.name, chain.name))
            pairs = {} if twin is None else _pairs(chain.rules, twin[1].rules)
            for rule in chain.rules:
                origin = _owned(sources, table, chain, rule)
                if origin is None and twin is not None and rule.position in pairs:
                    origin = saved.get(place_in(*twin, pairs[rule.position]))
                found[place_in(table, chain, rule.position)] = origin or _perhaps(sources)
            if twin is not None and chain.base and twin[1].base:
                same = chain.base.policy == twin[1].base.policy
                policy = saved.get(place_in(*twin, None)) if same else None
                found[place_in(table, chain, None)] = policy or _perhaps(sources)
    return Origins(found)


def _perhaps(sources: Sources) -> Origin:
    if sources.scripts:
        return Origin(Comeback.SCRIPT, sources.scripts[0])
    return Origin(Comeback.NOTHING)


def _owned(sources: Sources, table: Table, chain: Chain, rule: Rule) -> Origin | None:
    if place_in(table, chain, rule.position) in sources.forgotten:
        return None
    for owner in sources.returning:
        if owns_table(owner, table) or owns_rule(owner, chain, rule):
            return Origin(Comeback.OWNER, owner.name, 0, rule.text)
    return None


def saved_origins(sources: Sources) -> dict[Place, Origin]:
    """The file and line of each rule and policy of the saved ruleset.

    Where a file does more than add rules, a rule is looked for by its text; one that is not found
    so has its file only.
    """
    lines: dict[ChainKey, list[Written]] = defaultdict(list)
    for each in sources.written:
        lines[each.family, each.table, each.chain].append(each)
    found: dict[Place, Origin] = {}
    for table in sources.saved.tables:
        for chain in table.chains.values():
            own = lines.get((table.family, table.name, chain.name), [])
            for position, written in _lines_of(chain, own):
                found[place_in(table, chain, position)] = Origin(
                    Comeback.FILE, written.file, written.line, written.text
                )
            for rule in chain.rules if own else ():
                place = place_in(table, chain, rule.position)
                if place not in found:
                    found[place] = Origin(Comeback.FILE, own[-1].file, text=rule.text)
    return found


def _lines_of(chain: Chain, own: Sequence[Written]) -> Iterator[tuple[int | None, Written]]:
    policies = [each for each in own if each.kind is Kind.POLICY]
    if policies:
        yield None, policies[-1]
    rules = [each for each in own if each.kind is Kind.RULE]
    if len(rules) == len(chain.rules) and not any(each.kind is Kind.OTHER for each in own):
        yield from zip((rule.position for rule in chain.rules), _in_order(rules), strict=True)
        return
    by_text: dict[str, list[Written]] = defaultdict(list)
    for each in reversed(rules):
        by_text[_plain(each.text)].append(each)
    for rule in chain.rules:
        candidates = by_text.get(_plain(rule.text))
        if candidates:
            yield rule.position, candidates.pop()


def _in_order(rules: Sequence[Written]) -> list[Written]:
    """As they stand in the chain when all lines have been taken."""
    if all(each.before is None for each in rules):
        return list(rules)
    chain: list[Written] = []
    for each in rules:
        chain.insert(len(chain) if each.before is None else each.before - 1, each)
    return chain


def _pairs(running: Sequence[Rule], saved: Sequence[Rule]) -> dict[int, int]:
    """The positions in ``running``, each with that of its like in ``saved``, first come first."""
    found: dict[int, int] = {}
    left: Sequence[Rule] = running
    remaining: Sequence[Rule] = saved
    for key in (_exact_key, _text_key, _steps_key):
        if not left or not remaining:
            break
        free: dict[object, list[int]] = defaultdict(list)
        for rule in reversed(remaining):
            free[key(rule)].append(rule.position)
        for rule in left:
            positions = free.get(key(rule))
            if positions:
                found[rule.position] = positions.pop()
        taken = set(found.values())
        left = [rule for rule in left if rule.position not in found]
        remaining = [rule for rule in remaining if rule.position not in taken]
    return found


def _exact_key(rule: Rule) -> object:
    return rule.text


def _text_key(rule: Rule) -> object:
    return _plain(rule.text)


def _steps_key(rule: Rule) -> object:
    """What the rule means; the text, too, where the meaning is not known."""
    known = all(_is_known(step) for step in rule.steps)
    return rule.steps if known else (rule.steps, _plain(rule.text))


def _is_known(step: Step) -> bool:
    match step:
        case Undecidable() | Uncertain():
            return False
        case Not(inner):
            return _is_known(inner)
        case AllOf(matches) | AnyOf(matches):
            return all(_is_known(each) for each in matches)
    return not isinstance(step, Match) or not hasattr(step, "layers")


_SPACES = re.compile(r"\s+")
_LIKE = (
    (re.compile(r"^-[AI] (\S+)( \d+)?(?= |$)"), r"-A \1"),
    (re.compile(r" (-p (tcp|udp)) -m \2(?= )"), r" \1"),
    (re.compile(r"(\d)/32(?= |$)"), r"\1"),
    (re.compile(r'"'), ""),
)


def _plain(text: str) -> str:
    """The rule without what the tools write differently."""
    plain = _SPACES.sub(" ", text.strip())
    for pattern, instead in _LIKE:
        plain = pattern.sub(instead, plain)
    return plain
