"""The packets' way told: every base chain that they pass, and what each rule does to them."""

from __future__ import annotations

from dataclasses import dataclass

from mailfix.firewall.addresses import AddressSet
from mailfix.firewall.judging import judge
from mailfix.firewall.question import Question
from mailfix.firewall.ruleset import Backend, Block, Hook, RuleRef, Ruleset
from mailfix.firewall.trace import Deed, Note, Trace, Visit
from mailfix.firewall.verdict import Verdict
from mailfix.model import Family


@dataclass(frozen=True, slots=True)
class Event:
    """What a rule does to the packets of ``addresses``, a ``share`` (0 to 1) of those asked about.

    ``depth`` counts the chains that called each other, 0 in the base chain. ``rule`` may be the
    first of several ``rules`` in a row that differ in their addresses only. ``detail`` is the
    called chain, the new port, the action of a block, or the reason of a doubt.
    """

    depth: int
    rule: RuleRef
    deed: Deed
    detail: str
    addresses: AddressSet
    share: float
    rules: int = 1


@dataclass(frozen=True, slots=True)
class Passage:
    """One base chain, passed by the first packets of ``entered``.

    With ``answer`` it is passed by the answers to them, with ``later`` by what follows these.
    """

    hook: Hook
    answer: bool
    backend: Backend
    family: Family | None
    table: str
    chain: str
    priority: int
    policy: str
    entered: AddressSet
    events: tuple[Event, ...]
    later: bool = False


@dataclass(frozen=True, slots=True)
class Journey:
    """The verdict, and the way that led to it, in the packets' order."""

    verdict: Verdict
    passages: tuple[Passage, ...]


def follow(ruleset: Ruleset, question: Question) -> Journey:
    """Judge and tell the way; that of the packets after the answers only where they are stopped.

    Raises:
        ValueError: ``question`` holds no valid address.
    """
    trace = Trace()
    verdict = judge(ruleset, question, trace=trace)
    whole = verdict.space.count()
    stopped_later = any(each.later for each in verdict.blocked)
    told = [each for each in trace.visits if stopped_later or not each.packet.later]
    return Journey(verdict, tuple(_passage(visit, whole) for visit in told))


def _passage(visit: Visit, whole: int) -> Passage:
    return Passage(
        visit.hook,
        visit.packet.answer,
        visit.table.backend,
        visit.table.family,
        visit.table.name,
        visit.chain.name,
        visit.base.priority,
        visit.base.policy.action if isinstance(visit.base.policy, Block) else "ACCEPT",
        visit.entered,
        tuple(_event(note, whole) for note in visit.notes),
        visit.packet.later,
    )


def _event(note: Note, whole: int) -> Event:
    return Event(
        note.depth,
        note.place.ref(note.addresses),
        note.deed,
        note.detail,
        note.addresses,
        note.addresses.count() / whole if whole else 0.0,
        note.place.count(note.addresses),
    )
