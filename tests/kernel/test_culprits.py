"""The rule that is named for a block is the one that blocks, one after the other until all passes.

It is taken out with the administrator's own tool: then the kernel lets the packets through, or the
engine names a rule that comes later. And iptables has counted the packets on the rule it was.
"""

from __future__ import annotations

import random
import re

import pytest
from hypothesis import given

from mailfix.firewall import Backend, Blocked, Direction, Question, RuleRef, judge, read_ruleset
from mailfix.model import Family
from tests.full import FULL
from tests.kernel.compare import dumps, load, question
from tests.kernel.conftest import drawing
from tests.kernel.grammar import Ruleset, iptables_rulesets
from tests.kernel.nft_grammar import nft_rulesets
from tests.kernel.removal import remove
from tests.kernel.rig import Kernel, Probe, ephemeral_port, must_run, namespace
from tests.kernel.shared import SharedRuleset, load_shared, shared_cases
from tests.kernel.written import WrittenRuleset, written_rulesets

MAX_IN_A_ROW = 25
"""More rules than that behind each other are not taken out one by one."""
SAMPLES = 3
EXAMPLES = 300 if FULL else 15
WRITTEN = [(each, backend) for each in written_rulesets() for backend in each.backends]


@pytest.mark.parametrize(
    ("ruleset", "backend"), WRITTEN, ids=[f"{backend}:{case.name}" for case, backend in WRITTEN]
)
def test_in_written_rulesets(ruleset: WrittenRuleset, backend: str) -> None:
    for asked in _questions(*Family):
        with namespace() as kernel:
            ruleset.load(backend)
            _until_all_passes(kernel, asked)


SHARED = shared_cases()[:: 1 if FULL else 8]


@pytest.mark.parametrize(
    ("ruleset", "backend"), SHARED, ids=[f"{backend}:{case.name}" for case, backend in SHARED]
)
def test_in_shared_rulesets(ruleset: SharedRuleset, backend: str) -> None:
    for asked in _questions(ruleset.family):
        with namespace() as kernel:
            load_shared(ruleset, backend)
            _until_all_passes(kernel, asked)


def _check_random(made: tuple[Family, Ruleset]) -> None:
    family, ruleset = made
    for asked in _questions(family):
        with namespace() as kernel:
            if not all([load(command, text) for command, text in ruleset.loads]):
                return
            _until_all_passes(kernel, asked)


_settings = drawing(EXAMPLES)


@_settings
@given(made=iptables_rulesets())
def test_in_random_iptables(made: tuple[Family, Ruleset]) -> None:
    _check_random(made)


@_settings
@given(made=nft_rulesets())
def test_in_random_native_nft(made: tuple[Family, Ruleset]) -> None:
    _check_random(made)


def _questions(*families: Family) -> list[Question]:
    return [question(direction, family, 25) for family in families for direction in Direction]


def _until_all_passes(kernel: Kernel, asked: Question) -> None:
    """Take the culprit out that one far address has, and the next one, until there is none."""
    chance = random.Random(25)
    address: int | None = None
    removed: list[RuleRef] = []
    for _ in range(MAX_IN_A_ROW):
        verdict = judge(read_ruleset(dumps()), asked, with_answer=False)
        if address is None and verdict.blocked:
            first, last = next(chance.choice(verdict.blocked).addresses.intervals())
            address = chance.randint(first, last)
        if address is None or address in verdict.undecided_addresses:
            return
        culprits = [each for each in verdict.blocked if address in each.addresses]
        if not culprits:
            assert address in verdict.passed
            assert _passes(kernel, asked, address), _told("still blocked without", removed)
            return
        (culprit,) = culprits
        if removed:
            assert _comes_after(culprit.rule, removed[-1]), _told(culprit.rule.describe(), removed)
        before = _counted(culprit.rule)
        assert not _passes(kernel, asked, address), _told(culprit.rule.describe(), removed)
        if culprit.rules == 1:
            # A RST that rejects passes the rules of OUTPUT, too.
            assert _counted(culprit.rule) >= before + _counts(culprit), culprit.rule.describe()
        rules = culprit.every_rule()
        remove(rules)
        removed.append(rules[0])


def _told(text: str, removed: list[RuleRef]) -> str:
    return "\n".join([text, *(each.describe() for each in removed)])


def _passes(kernel: Kernel, asked: Question, address: int) -> bool:
    """Whether all of some packets get through; the kernel says so."""
    probes = [Probe(address, ephemeral_port(asked, random.Random(at))) for at in range(SAMPLES)]
    kernel.install_catcher()
    survivors = kernel.survivors(asked, probes)
    kernel.remove_catcher()
    assert len(survivors) in (0, SAMPLES)
    return bool(survivors)


def _comes_after(rule: RuleRef, earlier: RuleRef) -> bool:
    """Within one chain a rule that was there all the time cannot have been passed before."""
    same = (rule.backend, rule.family, rule.table, rule.chain) == (
        earlier.backend,
        earlier.family,
        earlier.table,
        earlier.chain,
    )
    if not same or rule.position is None:
        return True
    return earlier.position is not None and rule.position >= earlier.position


def _counts(culprit: Blocked) -> int:
    """How many packets the counter of the culprit shows for SAMPLES that it has stopped.

    Only iptables counts everywhere, and policies only where it is not nft underneath.
    """
    rule = culprit.rule
    uncounted = rule.position is None and rule.backend is Backend.IPTABLES_NFT
    return 0 if rule.backend is Backend.NFT or uncounted else SAMPLES


_COUNTED_RULE = re.compile(r"\[(\d+):\d+\] -A (\S+)")
_COUNTED_POLICY = re.compile(r":(\S+) \w+ \[(\d+):\d+\]")


def _counted(ref: RuleRef) -> int:
    """The packets that iptables has counted on the rule so far; 0 for rules of nft."""
    if ref.backend is Backend.NFT:
        return 0
    prefix = "ip6tables" if ref.family is Family.IPV6 else "iptables"
    kind = ref.backend.removeprefix("iptables-")
    text = must_run(f"{prefix}-{kind}-save", "-c", "-t", ref.table)
    if ref.position is None:
        return next(
            int(found[2]) for found in _COUNTED_POLICY.finditer(text) if found[1] == ref.chain
        )
    counts = [int(found[1]) for found in _COUNTED_RULE.finditer(text) if found[2] == ref.chain]
    return counts[ref.position - 1]
