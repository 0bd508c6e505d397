"""From the texts of a host's tools to its ruleset."""

from __future__ import annotations

import gc
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

from mailfix.firewall.ipset import IpSet, read_ipsets, set_match
from mailfix.firewall.iptables.matches import Modules
from mailfix.firewall.iptables.save import SavedTables, read_save
from mailfix.firewall.matches import Match, Undecidable
from mailfix.firewall.nft.listing import NftTable, read_nft
from mailfix.firewall.ruleset import (
    Backend,
    Chain,
    Dump,
    Gap,
    Rule,
    Ruleset,
    Step,
    Table,
    Uncertain,
)
from mailfix.model import Family

TableKey = tuple[Family | None, str]


def read_ruleset(dumps: Iterable[Dump]) -> Ruleset:
    """The host's firewall. Never raises: what is not understood is carried as undecided."""
    with _collector_at_rest():
        return _read(list(dumps))


@contextmanager
def _collector_at_rest() -> Iterator[None]:
    """Reading leaves no cycles behind; looking for them takes as long as the reading itself."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _read(texts: Sequence[Dump]) -> Ruleset:
    sets: dict[str, IpSet] = {}
    for dump in texts:
        if dump.backend is Backend.IPSET:
            sets |= read_ipsets(dump.text)
    modules = Modules(partial(set_match, sets), _changing(texts))
    saves = [(dump, read_save(dump, modules)) for dump in texts if dump.backend in _SAVED]
    native: list[NftTable] = []
    gaps: list[Gap] = []
    for dump in texts:
        if dump.backend is Backend.NFT:
            tables, nft_gaps = read_nft(dump.text)
            native += tables
            gaps += nft_gaps
    gaps += _save_gaps(saves, native)
    return Ruleset(tuple(_merged([save for _, save in saves], native)), tuple(gaps))


def _changing(texts: Sequence[Dump]) -> frozenset[str]:
    """The names of the ipsets that rules put packets into."""
    found = (_CHANGING.findall(dump.text) for dump in texts if dump.backend in _SAVED)
    return frozenset(name for names in found for name in names)


_CHANGING = re.compile(r"--(?:add|del)-set (\S+)")
_SAVED = (Backend.IPTABLES_LEGACY, Backend.IPTABLES_NFT)


def _save_gaps(saves: Sequence[tuple[Dump, SavedTables]], native: Sequence[NftTable]) -> list[Gap]:
    """What the saves leave open and no other text answers."""
    shown_by_nft = {(each.table.family, each.table.name) for each in native}
    legacy_read = {dump.family for dump, _ in saves if dump.backend is Backend.IPTABLES_LEGACY}
    gaps: list[Gap] = []
    for dump, saved in saves:
        gaps += saved.gaps
        for name in saved.incompatible:
            if (dump.family, name) not in shown_by_nft:
                reason = f"table {name} can only be shown by nft"
                gaps.append(Gap(dump.backend, dump.family, reason))
        if saved.legacy_present and dump.family not in legacy_read:
            reason = "there are iptables-legacy tables that were not read"
            gaps.append(Gap(Backend.IPTABLES_LEGACY, dump.family, reason))
    return gaps


def _merged(saves: Sequence[SavedTables], native: Sequence[NftTable]) -> list[Table]:
    """Each table once, in nft's order: those of iptables-nft appear in the save, too."""
    listed: dict[TableKey, Table] = {
        (each.table.family, each.table.name): each.table for each in native
    }
    twins = {(each.table.family, each.table.name): each for each in native}
    others: list[Table] = []
    for saved in saves:
        for table in saved.tables:
            key = (table.family, table.name)
            if table.backend is not Backend.IPTABLES_NFT or key not in twins:
                others.append(table)
            else:
                damaged = table.name in saved.damaged
                listed[key] = table if damaged else _joined(table, twins[key])
    return [*others, *listed.values()]


def _joined(saved: Table, twin: NftTable) -> Table:
    """One table from both views.

    nft hides what extensions ask, the save shows native rules wrongly. Rules and chains that only
    nft knows stay nft's.
    """
    chains: dict[str, Chain] = dict(twin.table.chains)
    for name, chain in saved.chains.items():
        other = chains.get(name)
        chains[name] = chain if other is None else _joined_chain(chain, other, twin)
    return replace(saved, chains=chains)


def _joined_chain(saved: Chain, listed: Chain, twin: NftTable) -> Chain:
    hidden, counted = twin.hidden[listed.name], twin.counted[listed.name]
    if len(saved.rules) != len(listed.rules):
        made_by_iptables = len(hidden | counted) == len(listed.rules)
        return replace(saved, base=listed.base) if made_by_iptables else listed
    native_alone = [
        at not in hidden and (at not in counted or _clear(other))
        for at, other in enumerate(listed.rules)
    ]
    rules = tuple(
        one if _same(one, other) else other if alone else _both(one, other)
        for one, other, alone in zip(saved.rules, listed.rules, native_alone, strict=True)
    )
    if saved.base and listed.base and saved.base.policy != listed.base.policy:
        reason = f"the policy of chain {saved.name} changed while the rules were read"
        rules = (Rule(1, reason, (Uncertain(reason),)), *rules)
    return replace(listed, rules=rules)


def _both(saved: Rule, listed: Rule) -> Rule:
    """What both views ask: the save muddles two matches on the same port, nft hides extensions."""
    asked = [step for step in listed.steps if isinstance(step, Match)]
    shown = [step for step in asked if not _unclear(step) and step not in saved.steps]
    if shown and len(asked) == sum(not _unclear(step) for step in asked):
        verbs = tuple(step for step in saved.steps if not isinstance(step, Match))
        return replace(saved, steps=(*asked, *verbs))
    return replace(saved, steps=(*shown, *saved.steps))


def _same(one: Rule, other: Rule) -> bool:
    return one.steps == other.steps or set(one.steps) == set(other.steps)


def _clear(rule: Rule) -> bool:
    """Whether nft shows everything that the rule does."""
    return not any(_unclear(step) for step in rule.steps)


def _unclear(step: Step) -> bool:
    return isinstance(step, (Undecidable, Uncertain))
