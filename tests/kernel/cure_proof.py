"""A cure held against the kernel: its commands run, what they open, what they leave, the way back.

Each state is asked in a namespace of its own, because what reports the survivors is itself a rule.
"""

from __future__ import annotations

import difflib
import json
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mailfix.firewall import Direction, Dump, Question, Ruleset, judge, read_ruleset
from mailfix.firewall.cure import Command, Cure, applied, commands, cure
from mailfix.model import Family
from tests.kernel.compare import MAX_REFUSED_LINES, Tally, disagreements, dumps, question
from tests.kernel.rig import Kernel, Probe, must_run, namespace, run

OTHER_PORTS = (22, 24, 26, 80, 587, 2525)
LISTENED_PORTS = (25, 587)
MAX_POINTS = 60
RANDOM_POINTS = 10

_IPTABLES_TABLES = ("raw", "mangle", "nat", "filter", "security")

Loads = Sequence[tuple[Sequence[str], str]]


class NotLoaded(Exception):
    """These versions of the tools do not take the ruleset."""


@dataclass(frozen=True)
class Proven:
    """What was found, for the cases to look at; ``differences`` is empty if all promises hold."""

    cure: Cure
    differences: tuple[str, ...]


@dataclass
class Plans:
    """How many blocked questions got which answer."""

    open: int = 0
    automatic: int = 0
    told: int = 0
    none: int = 0

    def count(self, found: Proven) -> None:
        if found.cure.automatic:
            self.automatic += 1
        elif found.cure.plan:
            self.told += 1
        elif "nothing is known" in found.cure.why_not:
            self.open += 1
        else:
            self.none += 1

    def line(self) -> str:
        return (
            f"{self.automatic} automatic cures, {self.told} that change more or leave something, "
            f"{self.none} blocked without any, {self.open} not blocked"
        )


def prove(loads: Loads, asked: Question, tally: Tally, also: Sequence[Question] = ()) -> Proven:
    """Compute the cure and hold every promise of it against the kernel.

    Raises:
        NotLoaded: the ruleset cannot be loaded here.
    """
    with namespace() as kernel:
        _load(loads)
        texts = dumps()
        before = read_ruleset(texts)

        found = cure(before, asked, texts, also)
        if not found.plan or "cannot be told" in found.why_not:
            return Proven(found, ())
        after = applied(before, found.edits)
        wrong = list(_there_and_back(texts, before, after, found))
        if not wrong:
            kernel.install_catcher_of_followers()
            wrong += _with_answers(kernel, after, found, tally)
    if not wrong:
        wrong += _unchanged(loads, before, after, found, tally)
    return Proven(found, tuple(wrong))


def accepted(command: Sequence[str], text: str) -> str:
    """A generated text without the lines that nft refuses; the generator does not know them all.

    Raises:
        NotLoaded: too many of them.
    """
    lines = text.splitlines()
    for _ in range(MAX_REFUSED_LINES):
        with namespace():
            done = run(*command, text="\n".join([*lines, ""]))
        refused = re.match(r"/dev/stdin:(\d+):", done.stderr)
        if done.returncode == 0 or refused is None:
            return "\n".join([*lines, ""])
        lines[int(refused[1]) - 1] = ""
    raise NotLoaded("it has too many errors")


def _load(loads: Loads) -> None:
    for command, text in loads:
        done = run(*command, text=text)
        if done.returncode:
            raise NotLoaded(done.stderr.strip()[:200])


def _execute(wanted: Sequence[Command]) -> None:
    for each in wanted:
        must_run(*each.arguments, text=each.stdin)


def _there_and_back(
    texts: list[Dump], before: Ruleset, after: Ruleset, found: Cure
) -> Iterator[str]:
    """The commands make what was predicted; the inverse makes what was; and once more."""
    _execute(found.commands(before))
    reread = read_ruleset(dumps())
    yield from _same_verdicts(reread, after, found.question)
    _execute(commands(found.inverse, reread))
    restored = dumps()
    yield from difflib.unified_diff(_plain(texts), _plain(restored), "before", "after the way back")
    _execute(found.commands(read_ruleset(restored)))


def _same_verdicts(reread: Ruleset, predicted: Ruleset, asked: Question) -> Iterator[str]:
    for one in _questions(asked, (25, *OTHER_PORTS)):
        was, told = judge(reread, one), judge(predicted, one)
        if (was.passed, was.undecided_addresses) != (told.passed, told.undecided_addresses):
            yield f"{one}: not what was predicted"


def _with_answers(kernel: Kernel, after: Ruleset, found: Cure, tally: Tally) -> list[str]:
    tally.rulesets += 1
    chance = random.Random(25)
    wrong: list[str] = []
    for one in _questions(found.question, LISTENED_PORTS):
        wrong += disagreements(kernel, judge(after, one), chance, tally, with_answer=True)
    return wrong


def _unchanged(
    loads: Loads, before: Ruleset, after: Ruleset, found: Cure, tally: Tally
) -> Iterator[str]:
    """The same packets of all else asked before and after: where nothing is told, all the same."""
    chance = random.Random(26)
    asked = [
        (one, _probes(before, after, one, chance))
        for one in _questions(found.question, (25, *OTHER_PORTS))
        if not _concerned(found, one)
    ]
    answers = []
    for cured in (False, True):
        with namespace() as kernel:
            _load(loads)
            if cured:
                _execute(found.commands(read_ruleset(dumps())))
            kernel.install_catcher()
            answers.append([kernel.survivors(one, probes) for one, probes in asked])
    for (one, probes), was, now in zip(asked, *answers, strict=True):
        tally.packets += 2 * len(probes)
        if was != now and not judge(before, one, with_answer=False).undecided_addresses:
            yield f"{one.direction} {one.family} {one.port} changed for {sorted(was ^ now)[:5]}"


def _concerned(found: Cure, one: Question) -> bool:
    """Whether the cure says that it changes something for these packets."""
    assert found.difference is not None
    asked = found.question
    if (one.direction, one.family, one.port) == (asked.direction, asked.family, asked.port):
        return True
    return found.difference.at_least or any(
        (each.direction, each.family, each.protocol) == (one.direction, one.family, one.protocol)
        and any(low <= one.port <= high for low, high in each.ports)
        for each in found.difference.changes
    )


def _probes(before: Ruleset, after: Ruleset, one: Question, chance: random.Random) -> list[Probe]:
    """The end points of every interval of both verdicts, one beside each, and random addresses."""
    points: set[int] = set()
    for ruleset in (before, after):
        verdict = judge(ruleset, one, with_answer=False)
        for part in (verdict.passed, *(each.addresses for each in verdict.blocked)):
            for first, last in part.intervals():
                points |= {first - 1, first, last, last + 1}
    space = judge(before, one, with_answer=False).space
    inside = sorted(point for point in points if point in space)
    chosen = chance.sample(inside, min(len(inside), MAX_POINTS))
    intervals = list(space.intervals())
    chosen += [chance.randint(*chance.choice(intervals)) for _ in range(RANDOM_POINTS)]
    low, high = one.ephemeral
    return [Probe(point, chance.randint(low, high)) for point in chosen]


def _questions(asked: Question, ports: Sequence[int]) -> list[Question]:
    return [
        replace(question(direction, family, port), forwarding=asked.forwarding)
        for direction in Direction
        for family in Family
        for port in ports
    ]


def _plain(texts: Sequence[Dump]) -> list[str]:
    """The texts without what changes by itself: comments, counters, handles."""
    return [line for dump in texts for line in _plain_text(dump.text)]


def _plain_text(text: str) -> list[str]:
    if text.startswith("{"):
        native = [each for each in json.loads(text)["nftables"] if not _is_of_iptables(each)]
        return json.dumps(_without_numbers(native), indent=1).splitlines()
    lines = (re.sub(r"\[\d+:\d+\]", "", line) for line in text.splitlines())
    return [line for line in lines if not line.startswith("#")]


def _is_of_iptables(listed: Any) -> bool:
    """Whether it is a rule that iptables-nft-save shows; nft shows how it was once put in."""
    rule = listed.get("rule", {})
    return rule.get("family") in ("ip", "ip6") and rule.get("table") in _IPTABLES_TABLES


def _without_numbers(value: Any) -> Any:
    if isinstance(value, dict):
        passing = ["handle", "packets", "bytes", "expires"]
        if {"dynamic", "timeout"} & set(value.get("flags", ())):
            passing.append("elem")
        return {name: _without_numbers(each) for name, each in value.items() if name not in passing}
    return [_without_numbers(each) for each in value] if isinstance(value, list) else value
