"""The engine's verdict held against the kernel's answers, packet by packet."""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import pytest

from mailfix.firewall import (
    AddressSet,
    Backend,
    Direction,
    Dump,
    Question,
    Verdict,
    judge,
    read_ruleset,
)
from mailfix.firewall.question import Network
from mailfix.model import Family
from tests.kernel.rig import (
    BEHIND,
    BEHIND_NETWORK,
    BRIDGE,
    INTERFACE,
    LOCAL,
    MAIL_GID,
    MAIL_UID,
    Kernel,
    Probe,
    must_run,
    run,
)

MAX_POINTS = 1500
RANDOM_POINTS = 60


MOST_UNDECIDED = 0.02
"""How much of the space may be undecided where no rule asks for what cannot be known."""


@dataclass
class Tally:
    """What was compared so far, for the summary that the tests print.

    ``shares`` are those undecided in rulesets of which everything can be known, ``doubtful`` in
    the others.
    """

    rulesets: int = 0
    packets: int = 0
    shares: list[float] = field(default_factory=list)
    doubtful: list[float] = field(default_factory=list)

    @property
    def undecided(self) -> float:
        """The mean over the rulesets of which everything can be known."""
        return _mean(self.shares)

    def add(self, other: Tally) -> None:
        self.rulesets += other.rulesets
        self.packets += other.packets
        self.shares += other.shares
        self.doubtful += other.doubtful

    def line(self) -> str:
        everything = [*self.shares, *self.doubtful]
        return (
            f"{self.rulesets} rulesets, {self.packets} packets, {len(everything)} verdicts, "
            f"{_mean(everything):.2%} of the space undecided, "
            f"{self.undecided:.3%} outside rules that cannot be decided"
        )


def _mean(shares: Sequence[float]) -> float:
    return sum(shares) / len(shares) if shares else 0.0


_TALLIES = pytest.StashKey[dict[str, Tally]]()


def tallies(config: pytest.Config) -> dict[str, Tally]:
    """What this process has counted so far, by the tests' module."""
    return config.stash.setdefault(_TALLIES, defaultdict(Tally))


MAX_REFUSED_LINES = 12


def load(command: Sequence[str], text: str) -> bool:
    """Load a generated ruleset; lines that nft refuses are left out.

    The generator does not know every rule of grammar that the tools have. False: not loaded.
    """
    lines = text.splitlines()
    for _ in range(MAX_REFUSED_LINES):
        done = run(*command, text="\n".join([*lines, ""]))
        if done.returncode == 0:
            return True
        refused = re.match(r"/dev/stdin:(\d+):", done.stderr)
        if refused is None:
            return False
        lines[int(refused[1]) - 1] = ""
    return False


def question(direction: Direction, family: Family, port: int, protocol: str = "tcp") -> Question:
    """A question about the namespace as the rig makes it."""
    return Question(
        direction,
        family,
        port,
        INTERFACE,
        LOCAL[family],
        protocol,
        MAIL_UID,
        MAIL_GID,
        own_addresses=(BRIDGE[family],),
        networks=(Network(BEHIND, AddressSet.network(BEHIND_NETWORK[family])),),
        forwarding=True,
    )


def dumps() -> list[Dump]:
    """What the host's own tools show of the namespace that the thread is in."""
    found = [
        Dump(Backend.NFT, None, must_run("nft", "-j", "list", "ruleset")),
        Dump(Backend.IPSET, None, must_run("ipset", "save")),
    ]
    for family, prefix in ((Family.IPV4, "ip"), (Family.IPV6, "ip6")):
        for backend, kind in ((Backend.IPTABLES_NFT, "nft"), (Backend.IPTABLES_LEGACY, "legacy")):
            found.append(Dump(backend, family, must_run(f"{prefix}tables-{kind}-save")))
    return found


def disagreements(
    kernel: Kernel, verdict: Verdict, chance: random.Random, tally: Tally, *, with_answer: bool
) -> list[str]:
    """Ask the kernel about the end points of every interval and about random addresses."""
    asked = verdict.question
    points = sorted(_points(verdict, chance))
    low, high = asked.ephemeral
    probes = [Probe(point, chance.randint(low, high)) for point in points]
    ask = kernel.followed if with_answer else kernel.survivors
    survivors = ask(asked, probes)
    tally.packets += len(probes)
    blocked = AddressSet.union_of(each.addresses for each in verdict.blocked)
    return [
        f"{asked.direction} {asked.family} {asked.port}, far address number {point}: "
        f"the engine says {'passed' if point in verdict.passed else 'blocked'}, "
        f"the kernel the opposite"
        for index, point in enumerate(points)
        if point in (blocked if index in survivors else verdict.passed)
    ]


def compare(
    kernel: Kernel,
    questions: list[Question],
    chance: random.Random,
    tally: Tally,
    *,
    with_answer: bool = False,
    decidable: bool = True,
) -> list[str]:
    """Judge what is loaded, then ask the kernel; the differences in words.

    Only about first packets, or ``with_answer`` whether their answers come back, too. Not
    ``decidable``: the ruleset asks for what cannot be known.
    """
    texts = dumps()
    ruleset = read_ruleset(texts)
    verdicts = [judge(ruleset, each, with_answer=with_answer) for each in questions]
    if with_answer:
        kernel.install_catcher_of_followers()
    else:
        kernel.install_catcher()
    tally.rulesets += 1
    shares = tally.shares if decidable else tally.doubtful
    shares += (verdict.undecided_share for verdict in verdicts)
    found = [
        line
        for verdict in verdicts
        for line in disagreements(kernel, verdict, chance, tally, with_answer=with_answer)
    ]
    if found:
        found.append("\n".join(dump.text for dump in texts if dump.text))
    return found


def _points(verdict: Verdict, chance: random.Random) -> set[int]:
    edges = set(_edges(verdict))
    if len(edges) > MAX_POINTS:
        edges = set(chance.sample(sorted(edges), MAX_POINTS))
    intervals = list(verdict.space.intervals())
    for _ in range(RANDOM_POINTS):
        edges.add(chance.randint(*chance.choice(intervals)))
    return {point for point in edges if point in verdict.space}


def _edges(verdict: Verdict) -> Iterator[int]:
    parts = [verdict.passed, verdict.undecided_addresses, verdict.space]
    parts += [each.addresses for each in verdict.blocked]
    for part in parts:
        for first, last in part.intervals():
            yield from (first - 1, first, (first + last) // 2, last, last + 1)
