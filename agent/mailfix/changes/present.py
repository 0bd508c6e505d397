"""The firewall as it is at this moment, read for a change that is about to be made."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace

from mailfix.changes.change import Failed
from mailfix.firewall import Backend, Ruleset, read_ruleset
from mailfix.firewall.cure import ChainRef, Drifted, SetChange
from mailfix.firewall.cure.commands import element_key
from mailfix.firewall.cure.originals import Originals
from mailfix.firewall.ruleset import Chain, Dump, Table
from mailfix.host import Host, event_loop
from mailfix.model import Family, Unknown
from mailfix.probes.firewall import SAVE, has_tables, read_dumps

PATIENCE_S = 20.0
Tool = tuple[Backend, Family | None]
SETS: Tool = (Backend.IPSET, None)
LOOKS_UP_SETS = ("--match-set", "--add-set")
_BUILT_IN = frozenset({"PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"})


def read_texts() -> tuple[Dump, ...]:
    """What the firewall's tools tell; raises Failed. Not from within asyncio."""
    told = event_loop.run(read_dumps(Host.within(PATIENCE_S)))
    if isinstance(told, Unknown):
        raise Failed(f"the firewall cannot be read: {told.reason}")
    return told.value


@dataclass(frozen=True, slots=True)
class PresentRules:
    """The rules, and what the tools' texts hold beyond them.

    ``silent`` are tools that did not tell theirs. To an audit the tables that ``nft`` lists will
    do; a change would take a chain that is not told for one that is empty, and put into it a second
    time what it holds.
    """

    ruleset: Ruleset
    originals: Originals
    silent: frozenset[Tool] = frozenset()

    @classmethod
    def read(cls) -> PresentRules:
        """Raises Failed."""
        return cls.of(read_texts())

    @classmethod
    def of(cls, texts: tuple[Dump, ...]) -> PresentRules:
        return cls(read_ruleset(texts), Originals.of(texts), frozenset(_silent(texts)))

    def has(self, chain: ChainRef) -> bool:
        """Whether there is such a chain; raises Failed where that is not told."""
        self._require((chain.backend, chain.family))
        try:
            chain.find(self.ruleset)
        except Drifted:
            return False
        return True

    def lines(self, chain: ChainRef) -> tuple[str, ...]:
        """The texts of the chain's rules in full; none where there is no such chain.

        Raises Failed where they are not told.
        """
        if not self.has(chain):
            return ()
        rules = chain.find(self.ruleset)[1].rules
        return tuple(self.originals.reading(chain, each) for each in rules)

    def _require(self, tool: Tool) -> None:
        if tool in self.silent:
            raise Failed(f"the firewall cannot be read: {_name(tool)} did not tell its rules")

    def with_built_in(self, chains: Iterable[ChainRef]) -> PresentRules:
        """With the chains that iptables makes when they are first used."""
        ruleset = self.ruleset
        for each in chains:
            if each.backend is not Backend.NFT and each.chain in _BUILT_IN:
                ruleset = _with_chain(ruleset, each)
        return replace(self, ruleset=ruleset)

    def holds(self, change: SetChange) -> bool | None:
        """Whether the set has what comes and lacks what goes; None where that is half so.

        Raises Failed where its elements are not told.
        """
        if change.where.backend is Backend.IPSET:
            self._require(SETS)
        gone, come = _keys(change, change.gone), _keys(change, change.come)
        present = self._elements(change)
        if gone <= present and not come & present:
            return False
        return True if come <= present and not gone & present else None

    def _elements(self, change: SetChange) -> frozenset[str]:
        where = change.where
        if where.backend is Backend.IPSET:
            return _keys(change, tuple(self.originals.ipset_elements(where.name)))
        chain = ChainRef(where.backend, where.family, where.table, "")
        listed = self.originals.sets(chain).get(where.name, {}).get("elem", [])
        return _keys(change, tuple(map(json.dumps, listed)))


def _silent(texts: tuple[Dump, ...]) -> Iterator[Tool]:
    """The tools whose text is missing, though there is something for them to tell."""
    told = {(each.backend, each.family) for each in texts}
    if any(each.backend is Backend.NFT and has_tables(each.text) for each in texts):
        yield from {(Backend.IPTABLES_NFT, family) for family in Family} - told
    if SETS not in told and any(sign in each.text for sign in LOOKS_UP_SETS for each in texts):
        yield SETS


def _name(tool: Tool) -> str:
    backend, family = tool
    return SAVE[backend, family] if family else backend.value


def _with_chain(ruleset: Ruleset, place: ChainRef) -> Ruleset:
    with suppress(Drifted):
        place.find(ruleset)
        return ruleset
    key = (place.backend, place.family, place.table)
    same = [each for each in ruleset.tables if (each.backend, each.family, each.name) == key]
    table = same[0] if same else Table(*key)
    made = replace(table, chains={**table.chains, place.chain: Chain(place.chain, ())})
    others = (each for each in ruleset.tables if each is not table)
    return replace(ruleset, tables=(*others, made))


def _keys(change: SetChange, elements: tuple[str, ...]) -> frozenset[str]:
    """What tells elements apart: without the time that is left to them, and their counters."""
    if change.where.backend is Backend.IPSET:
        return frozenset(each.split(" ", 1)[0] for each in elements)
    return frozenset(_key(each) for each in elements)


def _key(element: str) -> str:
    listed = json.loads(element)
    verdict = listed[1] if isinstance(listed, list) else None
    return json.dumps([element_key(listed), verdict])
