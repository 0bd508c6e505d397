"""Rules of the running firewall: some go, some come, elements of sets likewise.

Nothing is done by a number or a handle that was read before: the firewall is read anew, the chains
must be as they were but for what others put beside, and afterwards they are read again.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import ClassVar

from mailfix.changes import legacy
from mailfix.changes.change import Drift, Failed, Place, Present, Seen
from mailfix.changes.present import PresentRules
from mailfix.firewall import Ruleset
from mailfix.firewall.cure import (
    ChainEdit,
    ChainRef,
    Command,
    Drifted,
    Edit,
    Hunk,
    SetChange,
    States,
    commands,
)
from mailfix.firewall.cure.edits import ElementEdit, RuleEdit, Spelled
from mailfix.firewall.cure.hunks import Line
from mailfix.firewall.cure.states import misplaced
from mailfix.firewall.ruleset import Rule
from mailfix.host import program
from mailfix.model import Unknown

MAX_ROUNDS = 8
"""Attempts, when others change the same chains at the same moment."""
CONTEXT_LINES = 2
MAX_TOLD = 3


@dataclass(frozen=True, slots=True)
class RulesChange:
    """``chains`` and ``sets`` tell the way forth; with ``back`` it is made the other way round."""

    chains: tuple[ChainEdit, ...]
    sets: tuple[SetChange, ...] = ()
    back: bool = False

    kind: ClassVar[str] = "rules"
    survives_boot: ClassVar[bool] = False

    @property
    def place(self) -> Place:
        return Place.FIREWALL

    @property
    def slot(self) -> str:
        return "rules"

    @property
    def cuts_off(self) -> bool:
        return True

    @property
    def inverse(self) -> RulesChange:
        return replace(self, back=not self.back)

    @property
    def _ahead(self) -> RulesChange:
        """The same without going back."""
        if not self.back:
            return self
        chains = tuple(each.inverse for each in self.chains)
        return RulesChange(chains, tuple(each.inverse for each in self.sets))

    def followed_by(self, later: RulesChange) -> RulesChange:
        """Raises Drift where ``later`` was not made for what this one leaves."""
        one, other = self._ahead, later._ahead
        try:
            chains = tuple(_followed(one.chains, other.chains))
        except Drifted as problem:
            raise Drift(str(problem)) from None
        return RulesChange(chains, (*one.sets, *other.sets))

    def describe(self) -> str:
        deeds = [*map(_told, self._hunks()), *map(_told_of_set, self._ahead.sets)]
        more = f"; and {len(deeds) - MAX_TOLD} more changes" if len(deeds) > MAX_TOLD else ""
        return f"firewall: {'; '.join(deeds[:MAX_TOLD])}{more}"

    def _hunks(self) -> Iterator[Hunk]:
        for chain in self._ahead.chains:
            yield from chain.hunks

    def preview(self) -> tuple[str, ...]:
        found: list[str] = []
        for chain in self._ahead.chains:
            found += _diff(chain.chain, chain.before, chain.after)
        for each in self._ahead.sets:
            found.append(f"set {each.where.name} ({each.where.backend}):")
            found += [f"-{element}" for element in each.gone]
            found += [f"+{element}" for element in each.come]
        return tuple(found)

    def look(self, *, interrupted: bool = False) -> Seen:
        now = PresentRules.read()
        found = [*(self._chain(each, now) for each in self.chains), *self._sets(now)]
        if all(each is Present.BEFORE for each in found):
            return Seen(Present.BEFORE)
        if all(each is Present.AFTER for each in found):
            return Seen(Present.AFTER)
        if interrupted and Present.OTHER not in found:
            return Seen(Present.PARTLY)
        return Seen(Present.OTHER, tuple(self._differences(now)))

    def _chain(self, edit: ChainEdit, now: PresentRules) -> Present:
        states = States(edit)
        state = states.state_of(now.lines(edit.chain))
        if state is None:
            return Present.OTHER
        if state not in (0, states.last):
            return Present.PARTLY
        return Present.AFTER if state == self._goal(states) else Present.BEFORE

    def _goal(self, states: States) -> int:
        return 0 if self.back else states.last

    def _sets(self, now: PresentRules) -> Iterator[Present]:
        for each in self._ahead.sets:
            made = now.holds(each)
            if made is None:
                yield Present.PARTLY
            else:
                yield Present.AFTER if made else Present.BEFORE

    def _differences(self, now: PresentRules) -> Iterator[str]:
        for edit in self.chains:
            expected = edit.before if self.back else edit.after
            yield from _diff(edit.chain, expected, now.lines(edit.chain))
        for each in self._ahead.sets:
            if not now.holds(each):
                yield f"the set {each.where.name} has other elements"

    def make(self) -> None:
        """Stage by stage; a rule that came to stand in a wrong place is taken out again."""
        for _ in range(MAX_ROUNDS):
            now = PresentRules.read().with_built_in(each.chain for each in self.chains)
            steps = list(self._steps(now))
            edits: list[Edit] = [edit for step in steps for edit in step.edits]
            edits += (_elements(each) for each in self._ahead.sets if not now.holds(each))
            if not edits:
                return
            with suppress(legacy.Shifted):
                carry_out(edits, now.ruleset)
            _take_out_misplaced(steps)
        raise Failed("others change the same firewall rules all the time")

    def _steps(self, now: PresentRules) -> Iterator[_Step]:
        for edit in self.chains:
            states, present = States(edit), now.lines(edit.chain)
            state, goal = states.state_of(present), self._goal(states)
            if state is None:
                raise Drift(
                    f"chain {edit.chain.chain} ({edit.chain.backend}, {edit.chain.table}) was "
                    "changed by somebody else meanwhile"
                )
            if state != goal:
                reached = state + (1 if goal > state else -1)
                yield _step(states, state, reached, now)

    def verify(self) -> None:
        now = PresentRules.read()
        for edit in self.chains:
            if self._chain(edit, now) is not Present.AFTER:
                raise Failed(f"chain {edit.chain.chain} does not hold what was planned")
        if any(each is not Present.AFTER for each in self._sets(now)):
            raise Failed("a set of the firewall does not hold what was planned")


@dataclass(frozen=True, slots=True)
class _Step:
    """What leads one chain to its next state, ``reached``; ``hunks`` lie in ``present``."""

    states: States
    reached: int
    present: tuple[str, ...]
    hunks: tuple[Hunk, ...]
    edits: tuple[RuleEdit, ...]


def _step(states: States, state: int, reached: int, now: PresentRules) -> _Step:
    """Raises Drift."""
    chain = states.edit.chain
    present = now.lines(chain)
    try:
        hunks = states.step(state, reached).placed(present)
        edits = tuple(_edits(chain, hunks, now))
    except Drifted as problem:
        raise Drift(str(problem)) from None
    return _Step(states, reached, present, hunks, edits)


def _followed(one: Sequence[ChainEdit], other: Sequence[ChainEdit]) -> Iterator[ChainEdit]:
    later = {each.chain: each for each in other}
    for each in one:
        found = later.pop(each.chain, None)
        both = each if found is None else each.followed_by(found)
        if both.hunks:
            yield both
    yield from later.values()


def _edits(chain: ChainRef, hunks: Sequence[Hunk], now: PresentRules) -> Iterator[RuleEdit]:
    """The edits of a chain as it is now, from its end on, so that no place shifts."""
    rules = chain.find(now.ruleset)[1].rules
    for hunk in reversed(hunks):
        for more, line in enumerate(hunk.new, start=1):
            yield RuleEdit(chain, hunk.at + more, None, _spelled(line))
        first = hunk.at + len(hunk.new) + 1
        for more, line in reversed(list(enumerate(hunk.old))):
            rule = rules[hunk.at + more]
            old = Spelled(rule, line.spelling, line.native)
            yield RuleEdit(chain, first + more, old, None)


def _spelled(line: Line) -> Spelled:
    return Spelled(Rule(0, line.text, ()), line.spelling, line.native)


def _elements(change: SetChange) -> ElementEdit:
    return ElementEdit(change.where, change.gone, change.come, ())


def _take_out_misplaced(steps: Sequence[_Step]) -> None:
    """What came by a number that somebody else's rule has shifted at that moment."""
    if not any(each.hunks for each in steps):
        return
    now = PresentRules.read()
    for step in steps:
        chain = step.states.edit.chain
        present = now.lines(chain)
        if step.states.state_of(present) == step.reached:
            continue
        rules = chain.find(now.ruleset)[1].rules
        edits = [
            RuleEdit(chain, at + 1, Spelled(rules[at], "", rules[at].handle is not None), None)
            for at in misplaced(step.hunks, step.present, present)
        ]
        if edits:
            carry_out(edits, now.ruleset)


def carry_out(edits: Sequence[Edit], ruleset: Ruleset) -> None:
    """Tell the tools; raises Failed or Drift."""
    try:
        removed = [each for each in edits if legacy.removes(each)]
        wanted = commands([each for each in edits if each not in removed], ruleset)
    except Drifted as problem:
        raise Drift(str(problem)) from None
    for command in wanted:
        run(command)
    legacy.delete(removed)


def run(command: Command) -> None:
    """Run one of the firewall's tools; raises Failed."""
    told = program.run(command.arguments, text_in=command.stdin)
    if isinstance(told, Unknown):
        raise Failed(told.reason)
    if told.value.code != 0:
        raise Failed(f"{command.arguments[0]} refused the change: {told.value.complaint}")


def _told(hunk: Hunk) -> str:
    gone, come = _named(hunk.old), _named(hunk.new)
    if not gone:
        return f"insert {come}"
    return f"replace {gone} by {come}" if come else f"delete {gone}"


def _named(lines: Sequence[Line]) -> str:
    texts = " and ".join(each.text for each in lines)
    return texts if len(lines) <= MAX_TOLD else f"{len(lines)} rules"


def _told_of_set(change: SetChange) -> str:
    return f"change elements of the set {change.where.name}"


def _diff(chain: ChainRef, before: Sequence[str], after: Sequence[str]) -> list[str]:
    family = chain.family.label if chain.family else "IPv4 and IPv6"
    name = f"{chain.chain} ({chain.backend}, {chain.table}, {family})"
    return list(difflib.unified_diff(before, after, name, name, n=CONTEXT_LINES, lineterm=""))
