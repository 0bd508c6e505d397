"""Who calls a chain, and from which hooks packets come into it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mailfix.firewall.cure.edits import ChainRef
from mailfix.firewall.matches import Match
from mailfix.firewall.ruleset import (
    BaseChain,
    Chain,
    Choice,
    Goto,
    Hook,
    Jump,
    Rule,
    Step,
    Table,
)

MAX_CALLS = 64
"""Calls of one chain that are looked at."""


@dataclass(frozen=True, slots=True)
class Call:
    """A rule that sends packets to another chain of its table."""

    caller: ChainRef
    rule: Rule


@dataclass(frozen=True, slots=True)
class Calls:
    """The calls within a table, by the chain that is called."""

    by_callee: dict[str, list[Call]]
    bases: dict[str, BaseChain]

    @classmethod
    def of(cls, table: Table) -> Calls:
        by_callee: dict[str, list[Call]] = {}
        for chain in table.chains.values():
            caller = ChainRef(table.backend, table.family, table.name, chain.name)
            for rule in chain.rules:
                for callee in called_by(rule):
                    by_callee.setdefault(callee, []).append(Call(caller, rule))
        bases = {
            chain.name: chain.base for chain in table.chains.values() if chain.base is not None
        }
        return cls(by_callee, bases)

    def callers(self, chain: str) -> list[Call]:
        """The calls of this chain, from the near ones to the far ones, each once."""
        found: list[Call] = []
        seen = {chain}
        waiting = [chain]
        while waiting and len(found) < MAX_CALLS:
            for call in self.by_callee.get(waiting.pop(0), ()):
                found.append(call)
                if call.caller.chain not in seen:
                    seen.add(call.caller.chain)
                    waiting.append(call.caller.chain)
        return found[:MAX_CALLS]

    def hooks(self, chain: str) -> frozenset[Hook]:
        """The hooks from which packets may come into the chain."""
        return frozenset(self.bases[name].hook for name in self.above(chain))

    def above(self, chain: str) -> frozenset[str]:
        """The base chains from which packets may come into the chain, perhaps itself."""
        above: set[str] = set()
        waiting = [chain]
        while waiting:
            name = waiting.pop()
            if name not in above:
                above.add(name)
                waiting += (call.caller.chain for call in self.by_callee.get(name, ()))
        return frozenset(above & self.bases.keys())


def called_by(rule: Rule) -> Iterator[str]:
    """The chains that a rule may send packets to."""
    for step in rule.steps:
        yield from _called_by(step)


def _called_by(step: Step) -> Iterator[str]:
    match step:
        case Jump(chain) | Goto(chain):
            yield chain
        case Choice(branches):
            for _, verb in branches:
                yield from _called_by(verb)


def only_notes(rule: Rule) -> bool:
    """Whether the rule decides nothing: a LOG, a counter."""
    return all(isinstance(step, Match) for step in rule.steps)


def trailing_notes(chain: Chain, position: int) -> int:
    """Where the row of rules that decide nothing begins that ends right before ``position``."""
    while position > 1 and only_notes(chain.rules[position - 2]):
        position -= 1
    return position
