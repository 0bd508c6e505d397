"""From the blocks of a verdict to the plan that cures them, one after the other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from mailfix.firewall.cure.candidates import Kind, OwnersWay, Proposal, Site, proposals
from mailfix.firewall.cure.classes import Habits
from mailfix.firewall.cure.commands import Command, commands
from mailfix.firewall.cure.difference import Comparison, Difference
from mailfix.firewall.cure.edits import ChainRef, Drifted, Edit, applied, inverted
from mailfix.firewall.cure.ideal import unblocked
from mailfix.firewall.cure.originals import Originals
from mailfix.firewall.cure.owners import owner_of, owners_proposals
from mailfix.firewall.judging import judge
from mailfix.firewall.question import Question
from mailfix.firewall.ruleset import Dump, Rule, RuleRef, Ruleset
from mailfix.firewall.verdict import Blocked
from mailfix.model import percent

MAX_STEPS = 8
"""Blockers in a row that one plan cures."""
MAX_PROPOSALS = 40
"""Edits whose difference is computed for one blocker."""
MAX_OTHERS = 5


@dataclass(frozen=True, slots=True)
class Candidate:
    """One edit, or the owner's command for it, against one block, and what it changes."""

    fault: Blocked
    kind: Kind
    edits: tuple[Edit, ...]
    summary: str
    difference: Difference
    owner: OwnersWay | None = None

    @property
    def inverse(self) -> tuple[Edit, ...]:
        return inverted(self.edits)

    def describe(self) -> str:
        """For example ``delete rule 7 of INPUT (...): ...; opens tcp/25 over IPv4 for 100 % of
        the Internet, changes nothing else``; from outside: escape it where it is printed."""
        return f"{self.summary}; {_effect(self.difference)}"


@dataclass(frozen=True, slots=True)
class Cure:
    """The plan against everything that blocks the question, its steps in their order.

    ``difference`` compares the ruleset with what the whole plan makes of it; None without a plan.
    ``automatic`` plans open what was asked completely and change nothing else; ``why_not`` says
    what is wrong with others. ``others`` are steps that would also do for the first block.
    """

    question: Question
    plan: tuple[Candidate, ...]
    difference: Difference | None
    automatic: bool
    why_not: str = ""
    others: tuple[Candidate, ...] = ()

    @property
    def edits(self) -> tuple[Edit, ...]:
        return tuple(edit for step in self.plan for edit in step.edits)

    @property
    def inverse(self) -> tuple[Edit, ...]:
        return inverted(self.edits)

    def commands(self, ruleset: Ruleset) -> tuple[Command, ...]:
        """What makes the plan's edits on a host whose firewall is ``ruleset``; raises Drifted."""
        return commands(self.edits, ruleset)

    def describe(self) -> str:
        """The plan in one line."""
        if self.difference is None:
            return self.why_not
        steps = "; then ".join(step.summary for step in self.plan)
        return f"{steps}; {_effect(self.difference)}"


def _effect(difference: Difference) -> str:
    asked = difference.after.question
    what = f"{asked.protocol}/{asked.port} over {asked.family.label}"
    before, after = difference.before.passed_share, difference.after.passed_share
    if after == before:
        opens = f"does not open {what} by itself"
    else:
        opens = f"opens {what} for {percent(after)} of the Internet"
        opens += f" (now {percent(before)})" if before else ""
    return f"{opens}, {_else(difference)}"


def _else(difference: Difference) -> str:
    if difference.is_clean:
        return "changes nothing else"
    told = [each.describe() for each in difference.changes[:3]]
    if len(difference.changes) > 3 or difference.at_least:
        told.append("more")
    if difference.transit:
        told.append("changes what is forwarded")
    return f"but also {', '.join(told)}"


def cure(
    ruleset: Ruleset,
    question: Question,
    dumps: Iterable[Dump] = (),
    also: Iterable[Question] = (),
) -> Cure:
    """The smallest change that opens what ``question`` asks for and changes nothing else.

    ``dumps`` are the texts that the ruleset was read from: without them native rules of nft and
    sets cannot be edited. ``also`` are further questions (the other family) that may be opened.
    """
    return _Planning.of(ruleset, question, Originals.of(dumps), tuple(also)).run()


@dataclass(slots=True)
class _Planning:
    original: Ruleset
    question: Question
    originals: Originals
    asked: tuple[Question, ...]
    ideal: Ruleset
    habits: Habits
    plan: list[Candidate]
    others: list[Candidate]

    @classmethod
    def of(
        cls,
        ruleset: Ruleset,
        question: Question,
        originals: Originals,
        also: tuple[Question, ...],
    ) -> _Planning:
        asked = (question, *also)
        ideal = ruleset
        for each in asked:
            ideal = unblocked(ideal, each, originals)
        return cls(ruleset, question, originals, asked, ideal, Habits.of(ruleset), [], [])

    def run(self) -> Cure:
        ruleset = self.original
        for _ in range(MAX_STEPS):
            faults = judge(ruleset, self.question).faults
            if not faults:
                break
            step = self._step(ruleset, faults)
            if step is None:
                return self._result(f"no edit is known that takes back {_named(faults[0].rule)}")
            self.plan.append(step)
            ruleset = applied(ruleset, step.edits)
        return self._result("")

    def _step(self, ruleset: Ruleset, faults: Sequence[Blocked]) -> Candidate | None:
        """The best candidate against the first of the blocks that has one."""
        comparison = Comparison(ruleset, self.ideal, self.asked, self.habits)
        for fault in _as_packets_meet_them(faults):
            found = self._candidates(ruleset, fault, comparison)
            if found:
                if not self.plan:
                    self.others = found[1 : MAX_OTHERS + 1]
                return found[0]
        return None

    def _candidates(
        self, ruleset: Ruleset, fault: Blocked, comparison: Comparison
    ) -> list[Candidate]:
        """What cures the fault, the best first; no more are tried once one cures everything."""
        found: list[Candidate] = []
        for proposal in islice(self._proposals(ruleset, fault), MAX_PROPOSALS):
            try:
                difference = comparison.of(proposal.edits)
            except Drifted:
                continue
            if not _cures(proposal, fault, difference):
                continue
            found.append(_candidate(fault, proposal, difference))
            if difference.is_clean and not difference.after.faults:
                break
        return sorted(found, key=_preference)

    def _proposals(self, ruleset: Ruleset, fault: Blocked) -> Iterator[Proposal]:
        try:
            site = Site.of(ruleset, self.question, self.originals, fault, self.habits)
        except Drifted:
            return
        owner = owner_of(site)
        yield from proposals(site) if owner is None else owners_proposals(site, owner)

    def _result(self, why_not: str) -> Cure:
        if not self.plan:
            why_not = why_not or "nothing is known to be blocked"
            return Cure(self.question, (), None, False, why_not)
        edits = [edit for step in self.plan for edit in step.edits]
        difference = self.plan[0].difference
        if len(self.plan) > 1:
            comparison = Comparison(self.original, self.ideal, self.asked, self.habits)
            difference = comparison.of(edits)
        why_not = self._not_to_be_told(edits) or why_not or _objection(self.plan, difference)
        return Cure(
            self.question,
            tuple(self.plan),
            difference,
            not why_not,
            why_not,
            tuple(self.others),
        )

    def _not_to_be_told(self, edits: Sequence[Edit]) -> str:
        try:
            commands(edits, self.original)
            commands(inverted(edits), _read_again(applied(self.original, edits)))
        except Drifted as problem:
            return f"the tools cannot be told to do it: {problem}"
        return ""


def _read_again(ruleset: Ruleset) -> Ruleset:
    """As it will be read after the edits: with a handle for every rule, if not with that one."""
    tables = []
    for table in ruleset.tables:
        chains = {
            name: replace(chain, rules=tuple(map(_with_handle, chain.rules)))
            for name, chain in table.chains.items()
        }
        tables.append(replace(table, chains=chains))
    return replace(ruleset, tables=tuple(tables))


def _with_handle(rule: Rule) -> Rule:
    return rule if rule.handle is not None else replace(rule, handle=rule.position)


def _as_packets_meet_them(faults: Sequence[Blocked]) -> list[Blocked]:
    """The chains by what they block; within each its rules in order, the policy last."""
    rank = {ChainRef.of(each.rule): at for at, each in reversed(list(enumerate(faults)))}

    def place(fault: Blocked) -> tuple[int, bool, int]:
        position = fault.every_rule()[0].position
        return rank[ChainRef.of(fault.rule)], position is None, position or 0

    return sorted(faults, key=place)


def _candidate(fault: Blocked, proposal: Proposal, difference: Difference) -> Candidate:
    return Candidate(
        fault, proposal.kind, proposal.edits, proposal.summary, difference, proposal.owner
    )


def _preference(candidate: Candidate) -> tuple[tuple[bool, float], bool, float]:
    """The less else it changes the better; then what a program can do; then what cures more."""
    difference = candidate.difference
    is_advice = candidate.owner is not None and not candidate.owner.commands
    return difference.damage, is_advice, sum(each.share for each in difference.after.faults)


def _cures(proposal: Proposal, fault: Blocked, difference: Difference) -> bool:
    """Whether the rule (or policy) no longer blocks anything of what it blocked."""
    if proposal.kind is Kind.DELETE:
        return True
    return not any(
        _is_same(each, fault) and each.addresses & fault.addresses
        for each in difference.after.faults
    )


def _is_same(one: Blocked, other: Blocked) -> bool:
    first, second = one.rule, other.rule
    return (one.answer, one.later) == (other.answer, other.later) and (
        (first.backend, first.family, first.table, first.chain, first.text)
        == (second.backend, second.family, second.table, second.chain, second.text)
    )


def _objection(plan: Sequence[Candidate], difference: Difference) -> str:
    """Why the plan is not for a program to carry out by itself; "" if it is."""
    if not difference.is_clean:
        return f"it would do more than was asked: {_else(difference)}"
    if difference.after.faults:
        return f"{_named(difference.after.faults[0].rule)} still blocks"
    if not difference.completes:
        doubt = difference.after.undecided[0]
        return f"what passes then is not certain: {doubt.reason}"
    for step in plan:
        if step.owner is not None and step.owner.advice:
            return step.owner.advice
    return ""


def _named(ref: RuleRef) -> str:
    return ref.describe()
