"""A fix, its recovery and its undo, hit by one fault at every point of their way."""

from __future__ import annotations

import pytest

from tests.faults.sweep import (
    ERRORS,
    KILLS,
    LASTING,
    STARTS,
    Fault,
    fail,
    fixing,
    kill,
    recovering,
    undoing,
)
from tests.faults.tally import Tally
from tests.faults.world import World
from tests.full import FULL

EVERY = (*KILLS, *ERRORS, *LASTING, *STARTS)
STRIDE = 1 if FULL else 7
INTERRUPTIONS = (
    (kill("fsync"), 16),
    (kill("rename"), 4),
    (kill("write"), 12),
    (kill("execve"), 1),
    (fail("rename", "EIO", lasting=True), 3),
)
OF_AN_UNDO = EVERY if FULL else (*KILLS[:4], *LASTING, *STARTS[:1])
OF_A_RECOVERY = (*KILLS, *ERRORS, *LASTING) if FULL else (*KILLS[:2], *LASTING[:2])


@pytest.mark.parametrize("fault", EVERY, ids=str)
def test_a_fix_that_is_hit_leaves_the_host_as_before_or_as_planned_or_stuck(
    world: World, fault: Fault, counted: Tally
) -> None:
    fixing(world).sweep(fault, counted, stride=STRIDE)


@pytest.mark.parametrize("fault", OF_AN_UNDO, ids=str)
def test_an_undo_that_is_hit_does_too(world: World, fault: Fault, counted: Tally) -> None:
    undoing(world).sweep(fault, counted, stride=STRIDE)


@pytest.mark.parametrize("interruption", INTERRUPTIONS, ids=lambda each: f"{each[0]}-{each[1]}")
@pytest.mark.parametrize("fault", OF_A_RECOVERY, ids=str)
def test_a_recovery_that_is_hit_goes_on_where_it_stopped(
    world: World, interruption: tuple[Fault, int], fault: Fault, counted: Tally
) -> None:
    recovering(world, *interruption).sweep(fault, counted, stride=STRIDE)
