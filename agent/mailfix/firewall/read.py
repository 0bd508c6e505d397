"""From the texts of a host's tools to its ruleset."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial

from mailfix.firewall.collector import collector_at_rest
from mailfix.firewall.ipset import IpSet, read_ipsets, set_match
from mailfix.firewall.iptables.matches import Modules
from mailfix.firewall.iptables.save import SavedTables, read_save
from mailfix.firewall.matches import Match, Undecidable
from mailfix.firewall.nft.listing import HiddenRule, NftChain, NftTable, read_nft
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


@collector_at_rest()
def read_ruleset(dumps: Iterable[Dump]) -> Ruleset:
    """The host's firewall. Never raises: what is not understood is carried as undecided."""
    return _read(list(dumps))


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
    shown_by_nft = {(each.family, each.name) for each in native}
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
    twins = {(each.family, each.name): each for each in native}
    joined: dict[TableKey, Table] = {}
    others: list[Table] = []
    for saved in saves:
        for table in saved.tables:
            key = (table.family, table.name)
            if table.backend is not Backend.IPTABLES_NFT or key not in twins:
                others.append(table)
            else:
                damaged = table.name in saved.damaged
                joined[key] = table if damaged else _joined(table, twins[key])
    return [*others, *(joined.get(key) or twin.read() for key, twin in twins.items())]


def _joined(saved: Table, twin: NftTable) -> Table:
    """One table from both views.

    nft hides what extensions ask, the save shows native rules wrongly. Rules and chains that only
    nft knows stay nft's.
    """
    chains = {
        name: _joined_chain(saved.chains.get(name), each) for name, each in twin.chains.items()
    }
    return replace(
        saved,
        chains=chains | {name: chain for name, chain in saved.chains.items() if name not in chains},
    )


def _joined_chain(saved: Chain | None, listed: NftChain) -> Chain:
    if saved is None:
        return listed.read()
    if len(saved.rules) != len(listed.rules):
        made_by_iptables = all(
            at in listed.counted or isinstance(each, HiddenRule)
            for at, each in enumerate(listed.rules)
        )
        return replace(saved, base=listed.base) if made_by_iptables else listed.read()
    rules = tuple(
        _joined_rule(one, other, at in listed.counted)
        for at, (one, other) in enumerate(zip(saved.rules, listed.rules, strict=True))
    )
    if saved.base and listed.base and saved.base.policy != listed.base.policy:
        reason = f"the policy of chain {saved.name} changed while the rules were read"
        rules = (Rule(1, reason, (Uncertain(reason),)), *rules)
    return Chain(listed.name, rules, listed.base)


def _joined_rule(saved: Rule, listed: Rule | HiddenRule, counted: bool) -> Rule:
    if isinstance(listed, HiddenRule):
        if _clear(saved) and not listed.asks_twice:
            return saved
        shown = listed.read()
        return saved if _same(saved, shown) else _both(saved, shown)
    if _same(saved, listed):
        return saved
    return _both(saved, listed) if counted and not _clear(listed) else listed


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
