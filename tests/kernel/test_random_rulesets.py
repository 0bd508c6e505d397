"""Rulesets made at random: where the engine says passed or blocked, the kernel says the same."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from mailfix.firewall import Direction
from mailfix.model import Family
from tests.full import FULL
from tests.kernel.compare import Tally, compare, load, question
from tests.kernel.conftest import drawing
from tests.kernel.grammar import Ruleset, iptables_rulesets
from tests.kernel.nft_grammar import nft_rulesets
from tests.kernel.rig import namespace

EXAMPLES = 1500 if FULL else 60


@st.composite
def mixed_rulesets(draw: st.DrawFn) -> tuple[Family, Ruleset]:
    """iptables of both backends and native tables side by side."""
    family, one = draw(iptables_rulesets())
    _, other = draw(nft_rulesets())
    return family, Ruleset(one.loads + other.loads, one.decidable and other.decidable)


def _check(made: tuple[Family, Ruleset], tally: Tally) -> None:
    family, ruleset = made
    questions = [question(direction, family, port) for direction in Direction for port in (25, 587)]
    with namespace() as kernel:
        if not all([load(command, text) for command, text in ruleset.loads]):
            return
        chance = random.Random(25)
        differences = compare(kernel, questions, chance, tally, decidable=ruleset.decidable)
    assert not differences, "\n".join(differences[:5] + differences[-1:])


_settings = drawing(EXAMPLES)


@_settings
@given(made=iptables_rulesets())
def test_iptables(made: tuple[Family, Ruleset], tally: Tally) -> None:
    _check(made, tally)


@_settings
@given(made=nft_rulesets())
def test_native_nft(made: tuple[Family, Ruleset], tally: Tally) -> None:
    _check(made, tally)


@_settings
@given(made=mixed_rulesets())
def test_everything_at_once(made: tuple[Family, Ruleset], tally: Tally) -> None:
    _check(made, tally)
