"""Real rulesets that others wrote: the manifest's answer for port 25, and the kernel's for all."""

from __future__ import annotations

import random
import re

import pytest

from mailfix.firewall import Direction, Verdict, judge, read_ruleset
from mailfix.model import Family
from tests.kernel.compare import Tally, compare, dumps, question
from tests.kernel.conftest import FULL
from tests.kernel.rig import Kernel, must_run, namespace, run
from tests.kernel.shared import FOLDER, SharedRuleset, shared_rulesets

PORTS = (25, 587, 993) if FULL else (25, 587)

CASES = [
    (ruleset, backend)
    for ruleset in shared_rulesets()
    for backend in (("nft",) if ruleset.kind == "nft" else ("legacy", "nft"))
    if getattr(ruleset, backend)
]


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
        _load(kernel, ruleset, backend)
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
        _load(kernel, ruleset, backend)
        differences = compare(kernel, questions, random.Random(25), tally, with_answer=True)
    assert not differences, "\n".join(differences[:10])


def _load(kernel: Kernel, ruleset: SharedRuleset, backend: str) -> None:
    for name in sorted(set(re.findall(r"--match-set (\S+)", ruleset.text))):
        address, kind = ("198.51.100.7", "inet")
        if ruleset.family is Family.IPV6:
            address, kind = ("2001:db8::7", "inet6")
        must_run("ipset", "create", name, "hash:ip", "family", kind)
        must_run("ipset", "add", name, address)
    if ruleset.kind == "nft":
        done = run("nft", "-f", "-", text=ruleset.text)
    else:
        prefix = "ip6tables" if ruleset.family is Family.IPV6 else "iptables"
        done = run(f"{prefix}-{backend}-restore", text=ruleset.text)
    if done.returncode:
        pytest.skip(f"these versions do not load it: {done.stderr.strip()[:200]}")


def _in_words(verdict: Verdict) -> str:
    """The manifest asked 80 random sources: single banned addresses do not show."""
    return "open" if verdict.passed_share > verdict.blocked_share else "blocked"
