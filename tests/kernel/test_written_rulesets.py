"""Rulesets in the manner of real hosts: the kernel's answer, and nothing undecided without need."""

from __future__ import annotations

import random

import pytest

from mailfix.firewall import Direction, judge, read_ruleset
from mailfix.model import Family
from tests.kernel.compare import MOST_UNDECIDED, Tally, compare, dumps, question
from tests.kernel.rig import namespace
from tests.kernel.written import WrittenRuleset, written_rulesets

MAIL = [(direction, port, "tcp") for direction in Direction for port in (25, 587)]
DNS = [(Direction.OUT, 53, protocol) for protocol in ("udp", "tcp")]
ASKED_WITH_ANSWERS = MAIL + DNS
ASKED = [
    *ASKED_WITH_ANSWERS,
    *((direction, port, "tcp") for direction in Direction for port in (993, 143, 9)),
    (Direction.OUT, 465, "tcp"),
]
CASES = [(ruleset, backend) for ruleset in written_rulesets() for backend in ruleset.backends]


@pytest.mark.parametrize("with_answer", [False, True], ids=["first", "answers"])
@pytest.mark.parametrize(
    ("ruleset", "backend"), CASES, ids=[f"{backend}:{case.name}" for case, backend in CASES]
)
def test_engine_and_kernel_agree(
    ruleset: WrittenRuleset, backend: str, with_answer: bool, tally: Tally
) -> None:
    questions = [
        question(direction, family, port, protocol)
        for family in Family
        for direction, port, protocol in (ASKED_WITH_ANSWERS if with_answer else ASKED)
    ]
    with namespace() as kernel:
        ruleset.load(backend)
        known = read_ruleset(dumps())
        verdicts = [judge(known, each, with_answer=with_answer) for each in questions]
        chance = random.Random(25)
        differences = compare(
            kernel,
            questions,
            chance,
            tally,
            with_answer=with_answer,
            decidable=ruleset.undecided == frozenset(),
        )
    assert not differences, "\n".join(differences[:10])
    for verdict in verdicts:
        if not ruleset.may_be_undecided(verdict.question.port):
            assert verdict.undecided_share < MOST_UNDECIDED, verdict.undecided[0]
