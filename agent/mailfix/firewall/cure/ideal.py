"""The ruleset as it would be if what blocks the question were not there.

It is no edit: it may let in much else. It tells which addresses are to be let through, and which
ones later rules still ban.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from mailfix.firewall.cure.candidates import Site
from mailfix.firewall.cure.classes import Habits
from mailfix.firewall.cure.edits import ChainRef, Drifted
from mailfix.firewall.cure.originals import Originals
from mailfix.firewall.cure.sets import removals
from mailfix.firewall.judging import judge
from mailfix.firewall.question import Question
from mailfix.firewall.ruleset import Accept, Block, Chain, Choice, Rule, Ruleset, Step
from mailfix.firewall.verdict import Blocked

MAX_ROUNDS = 24
"""Blockers behind one another."""


def unblocked(ruleset: Ruleset, question: Question, originals: Originals) -> Ruleset:
    """Without the rules and policies that block the question broadly, however many there are."""
    habits = Habits.of(ruleset)
    for _ in range(MAX_ROUNDS):
        faults = judge(ruleset, question).faults
        if not faults:
            break
        for fault in faults:
            with suppress(Drifted):
                ruleset = _without(Site.of(ruleset, question, originals, fault, habits))
    return ruleset


def _without(site: Site) -> Ruleset:
    if site.rule is None:
        return _with_chain(site.ruleset, site.place, _accepting(site.chain))
    blocker = site.originals.spelled(site.place, site.rule)
    traffic = next(site.traffic())
    for removal in removals(site.ruleset, site.place, blocker, traffic, site.originals):
        if removal.keeps_bans:
            return removal.edit.applied(site.ruleset)
    return _with_chain(site.ruleset, site.place, _passing(site.chain, site.fault))


def _accepting(chain: Chain) -> Chain:
    base = None if chain.base is None else replace(chain.base, policy=Accept())
    return replace(chain, base=base)


def _passing(chain: Chain, fault: Blocked) -> Chain:
    """The rule, or all of a list, let packets go on."""
    rules = list(chain.rules)
    for ref in fault.every_rule():
        at = (ref.position or 0) - 1
        rules[at] = replace(rules[at], steps=_harmless(rules[at]))
    return replace(chain, rules=tuple(rules))


def _harmless(rule: Rule) -> tuple[Step, ...]:
    kept: list[Step] = []
    for step in rule.steps:
        if isinstance(step, Choice):
            branches = tuple(each for each in step.branches if not isinstance(each[1], Block))
            kept.append(Choice(branches))
        elif not isinstance(step, Block):
            kept.append(step)
    return tuple(kept)


def _with_chain(ruleset: Ruleset, place: ChainRef, chain: Chain) -> Ruleset:
    table, _ = place.find(ruleset)
    changed = replace(table, chains={**table.chains, chain.name: chain})
    tables = tuple(changed if each is table else each for each in ruleset.tables)
    return replace(ruleset, tables=tables)
