"""The firewall after the next boot, as far as it can be known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from functools import cached_property

from mailfix.firewall.origins.owners import Owner, owns_chain, owns_rule, owns_table, targets
from mailfix.firewall.origins.tracing import (
    Comeback,
    Origin,
    Origins,
    Place,
    Sources,
    place_in,
    saved_origins,
)
from mailfix.firewall.ruleset import Accept, BaseChain, Chain, Rule, Ruleset, Table


@dataclass(frozen=True)
class AfterBoot:
    """The ruleset, and what puts each of its rules there.

    ``joined`` are the tables that owners have a part in.
    """

    ruleset: Ruleset
    sources: Sources
    joined: tuple[Joined, ...] = ()

    @cached_property
    def origins(self) -> Origins:
        """Where each rule of the ruleset comes from."""
        saved = {_key(table): table for table in self.sources.saved.tables}
        origins: Mapping[Place, Origin] = saved_origins(self.sources)
        for each in self.joined:
            origins = _moved(origins, each, saved.get(_key(each.table)))
        return Origins(origins)

    def is_like(self, running: Ruleset) -> bool:
        """Whether the running rules are the same, in the same order and backend."""
        return not self.ruleset.gaps and _shape(self.ruleset) == _shape(running)


def after_boot(running: Ruleset, sources: Sources) -> AfterBoot:
    """What the saved files load, and what the owners that start at boot have running today.

    An owner makes its own chains anew, with the jumps to them; what others put beside them, or
    into those that it leaves empty, is gone.
    """
    saved = {_key(table): table for table in sources.saved.tables}
    tables = dict(saved)
    joined = []
    for table in running.tables:
        remade = _remade(_remembered(table, sources.forgotten), sources.returning)
        if remade:
            part = _joined(table, remade, saved.get(_key(table)))
            tables[_key(table)] = part.table
            joined.append(part)
    ruleset = Ruleset(tuple(tables.values()), sources.saved.gaps)
    return AfterBoot(ruleset, sources, tuple(joined))


def _remembered(table: Table, forgotten: Set[Place]) -> Table:
    """The table without the rules that no owner makes again."""
    if not any(place[:3] == _key(table) for place in forgotten):
        return table
    chains = {
        name: replace(
            chain,
            rules=tuple(
                rule
                for rule in chain.rules
                if place_in(table, chain, rule.position) not in forgotten
            ),
        )
        for name, chain in table.chains.items()
    }
    return replace(table, chains=chains)


def _key(table: Table) -> tuple[object, ...]:
    return (table.backend, table.family, table.name)


@dataclass(frozen=True, slots=True)
class _Remade:
    """What one owner brings back into one chain."""

    owner: Owner
    rules: tuple[Rule, ...]
    with_policy: bool


@dataclass(frozen=True, slots=True)
class Joined:
    """A table of after the boot; ``sources`` tells for each chain where its rules are from.

    There a rule is from an owner (by name) or from a position in the saved chain.
    """

    table: Table
    sources: Mapping[str, Sequence[str | int]]
    policies: Mapping[str, str]


def _remade(table: Table, owners: Sequence[Owner]) -> dict[str, _Remade]:
    """By chain what comes back, the chains that are jumped to included."""
    found: dict[str, _Remade] = {}
    for owner in owners:
        whole = owns_table(owner, table)
        for chain in table.chains.values():
            if whole or owns_chain(owner, chain):
                rules = () if chain.name in owner.left_empty else chain.rules
                found[chain.name] = _Remade(owner, rules, with_policy=True)
            elif chain.base is not None and chain.name not in found:
                rules = tuple(rule for rule in chain.rules if owns_rule(owner, chain, rule))
                if rules:
                    found[chain.name] = _Remade(owner, rules, with_policy=False)
    return found | _jumped_to(table, found)


def _jumped_to(table: Table, remade: Mapping[str, _Remade]) -> dict[str, _Remade]:
    found: dict[str, _Remade] = {}
    waiting = list(remade.values())
    while waiting:
        each = waiting.pop()
        for name in (name for rule in each.rules for name in targets(rule)):
            if name in table.chains and name not in remade and name not in found:
                found[name] = _Remade(each.owner, table.chains[name].rules, with_policy=False)
                waiting.append(found[name])
    return found


def _joined(table: Table, remade: Mapping[str, _Remade], saved: Table | None) -> Joined:
    chains: dict[str, Chain] = {} if saved is None else dict(saved.chains)
    sources: dict[str, list[str | int]] = {
        name: [rule.position for rule in chain.rules] for name, chain in chains.items()
    }
    policies: dict[str, str] = {}
    for name, part in remade.items():
        other = chains.get(name)
        rules, sources[name] = _merged(part, other)
        chains[name] = replace(
            table.chains[name],
            rules=tuple(replace(rule, position=at) for at, rule in enumerate(rules, 1)),
            base=_base(table.chains[name], part, other),
        )
        if part.with_policy:
            policies[name] = part.owner.name
    return Joined(replace(table, chains=chains), sources, policies)


def _merged(part: _Remade, saved: Chain | None) -> tuple[list[Rule], list[str | int]]:
    """An owner's chain is as it makes it; in a built-in chain its rules come first."""
    if saved is None or part.with_policy:
        return list(part.rules), [part.owner.name] * len(part.rules)
    written = {rule.text for rule in saved.rules}
    new = [rule for rule in part.rules if rule.text not in written]
    positions: list[str | int] = [rule.position for rule in saved.rules]
    return [*new, *saved.rules], [part.owner.name] * len(new) + positions


def _base(chain: Chain, part: _Remade, saved: Chain | None) -> BaseChain | None:
    if part.with_policy or chain.base is None:
        return chain.base
    policy = saved.base.policy if saved is not None and saved.base is not None else Accept()
    return replace(chain.base, policy=policy)


def _moved(
    origins: Mapping[Place, Origin], joined: Joined, saved: Table | None
) -> dict[Place, Origin]:
    """The origins after the rules of ``saved`` have got new positions in ``joined``."""
    table = joined.table
    before = {} if saved is None else _origins_in(origins, saved)
    found = {place: each for place, each in origins.items() if place[:3] != _key(table)}
    for name, sources in joined.sources.items():
        chain = table.chains[name]
        for at, source in enumerate(sources, 1):
            if isinstance(source, str):
                text = chain.rules[at - 1].text
                found[place_in(table, chain, at)] = Origin(Comeback.OWNER, source, 0, text)
            elif (name, source) in before:
                found[place_in(table, chain, at)] = before[name, source]
        if name in joined.policies:
            found[place_in(table, chain, None)] = Origin(Comeback.OWNER, joined.policies[name])
        elif (name, None) in before:
            found[place_in(table, chain, None)] = before[name, None]
    return found


def _origins_in(
    origins: Mapping[Place, Origin], table: Table
) -> dict[tuple[str, int | None], Origin]:
    return {
        (place[3], place[4]): origin
        for place, origin in origins.items()
        if place[:3] == _key(table)
    }


def _shape(ruleset: Ruleset) -> dict[tuple[object, ...], object]:
    """The rules that there are, without handles; chains that do nothing are left out."""
    return {
        _key(table): {
            chain.name: (chain.base, tuple((rule.text, rule.steps) for rule in chain.rules))
            for chain in table.chains.values()
            if chain.rules or _has_say(chain)
        }
        for table in ruleset.tables
        if any(chain.rules or _has_say(chain) for chain in table.chains.values())
    }


def _has_say(chain: Chain) -> bool:
    return chain.base is not None and not isinstance(chain.base.policy, Accept)
