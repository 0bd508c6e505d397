"""Real rulesets that others wrote: the manifest's answer for port 25, and the kernel's for all."""

from __future__ import annotations

import random

import pytest

from mailfix.firewall import Direction, Verdict, judge, read_ruleset
from mailfix.model import Family
from tests.full import FULL
from tests.kernel.compare import Tally, compare, dumps, question
from tests.kernel.rig import namespace
from tests.kernel.shared import FOLDER, SharedRuleset, load_shared, shared_cases

PORTS = (25, 587, 993) if FULL else (25, 587)

CASES = shared_cases()


def test_the_shared_rulesets_are_there() -> None:
    if not FOLDER.exists():
        pytest.skip(f"no folder {FOLDER} (MAILFIX_RULESETS names another)")
    assert len(CASES) > 100


@pytest.mark.parametrize(
    ("ruleset", "backend"), CASES, ids=[f"{backend}:{case.name}" for case, backend in CASES]
)
def test_engine_and_kernel_agree(ruleset: SharedRuleset, backend: str, tally: Tally) -> None:
    families = list(Family) if ruleset.kind == "nft" else [ruleset.family]
    questions = [
        question(direction, family, port)
        for family in families
        for direction in Direction
        for port in PORTS
    ]
    with namespace() as kernel:
        load_shared(ruleset, backend)
        verdict = judge(read_ruleset(dumps()), questions[0], with_answer=False)
        differences = compare(kernel, questions, random.Random(25), tally)
    assert not differences, "\n".join(differences[:10])
    if ruleset.port25 and verdict.undecided_share == 0:
        assert _in_words(verdict) == ruleset.port25.partition(":")[0]


@pytest.mark.parametrize(
    ("ruleset", "backend"), CASES, ids=[f"{backend}:{case.name}" for case, backend in CASES]
)
def test_engine_and_kernel_agree_on_the_answers(
    ruleset: SharedRuleset, backend: str, tally: Tally
) -> None:
    families = list(Family) if ruleset.kind == "nft" else [ruleset.family]
    questions = [question(direction, family, 25) for family in families for direction in Direction]
    with namespace() as kernel:
        load_shared(ruleset, backend)
        differences = compare(kernel, questions, random.Random(25), tally, with_answer=True)
    assert not differences, "\n".join(differences[:10])


def _in_words(verdict: Verdict) -> str:
    """The manifest asked 80 random sources: single banned addresses do not show."""
    return "open" if verdict.passed_share > verdict.blocked_share else "blocked"
