"""The power fails at any moment, and with it goes what was not flushed to the disk."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from mailfix.apply.journal import State
from mailfix.host import boot
from tests.faults.power import CALLS, Disk, calls
from tests.faults.subject import OLD, Snapshot, without_times
from tests.faults.sweep import Way, differences, fixing, undoing
from tests.faults.tally import Tally, Verdict
from tests.faults.world import World
from tests.full import FULL

KEPT = (0.0, 0.5, 1.0) if not FULL else (0.0, 0.2, *([0.5] * 6), 0.8, 1.0)
"""How likely it is that what was not flushed is there all the same, for each cut."""


@pytest.fixture
def _another_boot(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "boot_id").write_text("after the power cut")
    monkeypatch.setattr(boot, "BOOT_ID_FILE", str(tmp_path / "boot_id"))


def of_files(seen: Snapshot) -> Snapshot:
    """Without what the kernel alone would know."""
    return {path: entry for path, entry in seen.items() if path != "state"}


def is_settled(way: Way) -> Verdict:
    journal = way.world.store.read(way.transaction)
    finished = journal is not None and journal.state is State.FINISHED
    wanted = of_files(way.reached if finished else way.left)
    assert differences(of_files(way.world.snapshot()), wanted) == []
    return Verdict.AS_PLANNED if finished else Verdict.AS_BEFORE


def cut_everywhere(way: Way, counted: Tally) -> None:
    """Cut after each call, several times; what is there then is recovered at boot."""
    way.world.back_to(way.start)
    log = way.world.record(way.command, CALLS)
    disk = Disk(way.world.folder / "now", way.world.folder / way.start)
    chance = random.Random(25)
    for call in calls(log):
        disk.take(call)
        for kept in KEPT:
            disk.after_a_cut(chance, kept).write()
            (way.world.host / "state").write_text(f"{OLD}\n")
            assert way.world.do("recover") != "stuck"
            assert not way.world.store.unfinished()
            counted[is_settled(way)] += 1


@pytest.mark.usefixtures("_another_boot")
@pytest.mark.parametrize("begin", [fixing, undoing])
def test_a_power_cut_leaves_all_of_it_or_nothing(
    world: World, begin: object, counted_cuts: Tally
) -> None:
    way: Way = begin(world)  # type: ignore[operator]
    cut_everywhere(way, counted_cuts)
    assert counted_cuts[Verdict.AS_BEFORE]
    assert counted_cuts[Verdict.AS_PLANNED]


@pytest.mark.usefixtures("_another_boot")
def test_what_two_crashes_left_unflushed_is_flushed_before_the_journal_says_so(
    world: World, counted_cuts: Tally
) -> None:
    way = fixing(world)
    world.back_to("original")
    first = world.record("fix", CALLS, "inject=fsync:signal=KILL:when=26")
    world.keep("crashed")
    chance = random.Random(25)
    for number in range(1, 20, 1 if FULL else 3):
        world.back_to("crashed")
        second = world.record("recover", CALLS, f"inject=fsync:signal=KILL:when={number}")
        third = world.record("recover", CALLS)
        disk = Disk(world.folder / "now", world.folder / "original")
        for call in (each for log in (first, second, third) for each in calls(log)):
            disk.take(call)
        for kept in KEPT:
            disk.after_a_cut(chance, kept).write()
            (world.host / "state").write_text(f"{OLD}\n")
            assert world.do("recover") != "stuck"
            counted_cuts[is_settled(way)] += 1


def test_the_model_is_like_the_disk_when_nothing_is_lost(world: World) -> None:
    way = fixing(world)
    world.back_to("original")
    log = world.record("fix", CALLS)
    reached = world.snapshot()
    world.keep("reached")
    disk = Disk(world.folder / "now", world.folder / "original")
    for call in calls(log):
        disk.take(call)
    disk.after_a_cut(random.Random(1), kept=1.0).write()
    now = without_times(of_files(world.snapshot()))
    assert now == without_times(of_files(reached))
    journal = world.store.read(way.transaction)
    assert journal is not None
    assert journal.state is State.FINISHED


def test_a_program_that_flushed_nothing_would_be_caught(world: World, counted_cuts: Tally) -> None:
    way = fixing(world)
    world.back_to("original")
    log = world.record("fix", CALLS)
    careless = "\n".join(line for line in log.splitlines() if " fsync(" not in line)
    disk = Disk(world.folder / "now", world.folder / "original")
    chance = random.Random(1)
    broken = 0
    for call in calls(careless):
        disk.take(call)
        disk.after_a_cut(chance, 0.5).write()
        try:
            world.do("recover")
            is_settled(way)
        except (AssertionError, ValueError):
            broken += 1
    assert broken > 0
