"""Rules that open ports to everyone, as firewalld and CSF make them from their settings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from mailfix.firewall.matches import Address, AllOf, Ports, Protocol, Side
from mailfix.firewall.origins.tracing import Place, place_in
from mailfix.firewall.ruleset import Accept, Chain, Hook, Rule, Ruleset, Step, Table
from mailfix.model import Family

TCP = 6


@dataclass(frozen=True, slots=True)
class Opening:
    """A rule that accepts TCP to ``ports`` (ranges, both ends included) from anywhere."""

    table: Table
    chain: Chain
    rule: Rule
    ports: tuple[tuple[int, int], ...]

    @property
    def place(self) -> Place:
        return place_in(self.table, self.chain, self.rule.position)

    @property
    def hook(self) -> Hook | None:
        """Where the chain is asked; None for one that others jump to."""
        return self.chain.base.hook if self.chain.base is not None else None

    def serves(self, family: Family) -> bool:
        return self.table.serves(family)

    def within(self, kept: Iterable[tuple[int, int]]) -> bool:
        """Whether each of its ranges lies in one of ``kept``."""
        ranges = tuple(kept)
        return all(
            any(low <= first and last <= high for low, high in ranges) for first, last in self.ports
        )


def openings(running: Ruleset) -> Iterator[Opening]:
    """Every rule that opens TCP ports without asking for an address."""
    for table in running.tables:
        for chain in table.chains.values():
            for rule in chain.rules:
                ports = _ports(rule)
                if ports:
                    yield Opening(table, chain, rule, ports)


def _ports(rule: Rule) -> tuple[tuple[int, int], ...]:
    if not rule.steps or not isinstance(rule.steps[-1], Accept):
        return ()
    asked = list(_flat(rule.steps[:-1]))
    of_tcp = any(isinstance(each, Protocol) and each.numbers == {TCP} for each in asked)
    if not of_tcp or any(isinstance(each, Address) for each in asked):
        return ()
    found = [each for each in asked if isinstance(each, Ports) and each.side is Side.DESTINATION]
    return found[0].ranges if len(found) == 1 else ()


def _flat(steps: Iterable[Step]) -> Iterator[Step]:
    for step in steps:
        if isinstance(step, AllOf):
            yield from _flat(step.matches)
        else:
            yield step
