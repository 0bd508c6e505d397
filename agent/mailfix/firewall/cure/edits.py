"""Edits of a ruleset: what a tool is to change, and what the ruleset is like afterwards.

An edit carries what stood there and what shall stand there, so that its inverse is exact: the
same rule in the same place.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TypeAlias

from mailfix.firewall.ruleset import Backend, Chain, Rule, RuleRef, Ruleset, Table
from mailfix.model import Family


class Drifted(LookupError):
    """The ruleset is not, in the place of an edit, what the edit was made for."""


@dataclass(frozen=True, slots=True)
class ChainRef:
    """Which chain it is. ``family`` is None for a table that sees both."""

    backend: Backend
    family: Family | None
    table: str
    chain: str

    @classmethod
    def of(cls, ref: RuleRef) -> ChainRef:
        """The chain that a rule or policy is in."""
        return cls(ref.backend, ref.family, ref.table, ref.chain)

    def find(self, ruleset: Ruleset) -> tuple[Table, Chain]:
        """The table and the chain.

        Raises:
            Drifted: there is no such chain.
        """
        for table in ruleset.tables:
            if self._is_in(table):
                return table, table.chains[self.chain]
        raise Drifted(f"there is no chain {self.chain} in table {self.table}")

    def _is_in(self, table: Table) -> bool:
        return (
            table.name == self.table
            and table.backend is self.backend
            and table.family is self.family
            and self.chain in table.chains
        )


@dataclass(frozen=True, slots=True)
class Spelled:
    """A rule, and how its tool is told to make it.

    ``spelling`` is what follows the chain in a line of iptables-save, or with ``native`` the
    rule's object in the JSON of nft without its place (``expr`` and ``comment``); "" for a native
    rule that cannot be told to nft again.
    """

    rule: Rule
    spelling: str
    native: bool = False


@dataclass(frozen=True, slots=True)
class RuleEdit:
    """One rule comes (``old`` is None), goes (``new`` is None) or changes.

    ``position`` counts from 1 within the chain: where the old rule is and the new one shall be.
    """

    chain: ChainRef
    position: int
    old: Spelled | None
    new: Spelled | None

    @property
    def inverse(self) -> RuleEdit:
        return replace(self, old=self.new, new=self.old)

    @property
    def rules(self) -> tuple[tuple[ChainRef, Rule], ...]:
        """Every rule that it takes away or brings."""
        return tuple((self.chain, each.rule) for each in (self.old, self.new) if each is not None)

    def applied(self, ruleset: Ruleset) -> Ruleset:
        """The ruleset with this edit made; raises Drifted."""
        old = () if self.old is None else (self.old.rule,)
        new = () if self.new is None else (self.new.rule,)
        return _spliced(ruleset, self.chain, self.position, old, new)


@dataclass(frozen=True, slots=True)
class RuleChange:
    """A rule whose text stays, while the set that it looks up changes."""

    chain: ChainRef
    old: Rule
    new: Rule


@dataclass(frozen=True, slots=True)
class SetRef:
    """A set or map: one of ipset (``table`` is ""), or of a table of nft."""

    backend: Backend
    family: Family | None
    table: str
    name: str


@dataclass(frozen=True, slots=True)
class ElementEdit:
    """Elements come to a set or go from it.

    ``gone`` and ``come`` are elements as ``ipset save`` shows them, or as JSON of nft. ``effects``
    are the rules that look into the set.
    """

    where: SetRef
    gone: tuple[str, ...]
    come: tuple[str, ...]
    effects: tuple[RuleChange, ...]

    @property
    def inverse(self) -> ElementEdit:
        swapped = tuple(RuleChange(each.chain, each.new, each.old) for each in self.effects)
        return replace(self, gone=self.come, come=self.gone, effects=swapped)

    @property
    def rules(self) -> tuple[tuple[ChainRef, Rule], ...]:
        """Every rule that means something else afterwards, as it was and as it will be."""
        return tuple(
            (effect.chain, rule) for effect in self.effects for rule in (effect.old, effect.new)
        )

    def applied(self, ruleset: Ruleset) -> Ruleset:
        """The ruleset with this edit made; raises Drifted."""
        for effect in self.effects:
            position = effect.old.position
            ruleset = _spliced(ruleset, effect.chain, position, (effect.old,), (effect.new,))
        return ruleset


Edit: TypeAlias = RuleEdit | ElementEdit


def deletion(chain: ChainRef, old: Spelled) -> RuleEdit:
    return RuleEdit(chain, old.rule.position, old, None)


def insertion(chain: ChainRef, position: int, new: Spelled) -> RuleEdit:
    """``new`` becomes the rule number ``position`` of the chain."""
    return RuleEdit(chain, position, None, _at(position, new))


def replacement(chain: ChainRef, old: Spelled, new: Spelled) -> RuleEdit:
    return RuleEdit(chain, old.rule.position, old, _at(old.rule.position, new))


def applied(ruleset: Ruleset, edits: Iterable[Edit]) -> Ruleset:
    """The ruleset after the edits, made in this order; rules are numbered anew.

    Raises:
        Drifted: the ruleset is not what an edit was made for.
    """
    for edit in edits:
        ruleset = edit.applied(ruleset)
    return ruleset


def as_made(edit: Edit) -> Edit:
    """What nft makes of it: a rule that is made gets a handle that nobody knows beforehand."""
    if isinstance(edit, ElementEdit) or edit.new is None:
        return edit
    return replace(edit, new=replace(edit.new, rule=replace(edit.new.rule, handle=None)))


def inverted(edits: Iterable[Edit]) -> tuple[Edit, ...]:
    """What takes the edits back: the inverse of the last one first."""
    return tuple(edit.inverse for edit in reversed(tuple(edits)))


def rule_at(ruleset: Ruleset, ref: RuleRef) -> Rule:
    """The rule that ``ref`` names.

    Raises:
        Drifted: there is no such rule in that place.
    """
    _, chain = ChainRef.of(ref).find(ruleset)
    at = ref.position or 0
    if not 1 <= at <= len(chain.rules) or chain.rules[at - 1].position != at:
        raise Drifted(f"chain {chain.name} has no rule {at}")
    return chain.rules[at - 1]


def _at(position: int, spelled: Spelled) -> Spelled:
    return replace(spelled, rule=replace(spelled.rule, position=position))


def _spliced(
    ruleset: Ruleset, where: ChainRef, position: int, old: tuple[Rule, ...], new: tuple[Rule, ...]
) -> Ruleset:
    table, chain = where.find(ruleset)
    start, end = position - 1, position - 1 + len(old)
    if not 0 <= start <= len(chain.rules) or not _same(chain.rules[start:end], old):
        raise Drifted(f"rule {position} of chain {chain.name} is another one by now")
    rest = chain.rules[end:]
    if len(new) != len(old):
        rest = tuple(
            replace(rule, position=at) for at, rule in enumerate(rest, start + len(new) + 1)
        )
    rules = (*chain.rules[:start], *new, *rest)
    changed = replace(table, chains={**table.chains, chain.name: replace(chain, rules=rules)})
    tables = tuple(changed if each is table else each for each in ruleset.tables)
    return replace(ruleset, tables=tables)


def _same(found: tuple[Rule, ...], expected: tuple[Rule, ...]) -> bool:
    """Whether they read the same. A rule that was made again has another handle."""
    return [rule.text for rule in found] == [rule.text for rule in expected]
