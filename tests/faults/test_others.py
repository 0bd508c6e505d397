"""Programs that lie, hang or die, other people at work, and disks that are full."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mailfix.apply.transaction import carry_out
from tests.faults import subject, worker
from tests.faults.subject import GOOD_SWITCH, HALF, OLD, PATIENCE_S, Snapshot
from tests.faults.sweep import differences, fixing
from tests.faults.tally import Tally, Verdict
from tests.faults.world import World

ALL_FILES_ARE_MADE = "inject=vfork,clone,clone3:signal=KILL:when=1"
GOOD = GOOD_SWITCH.removeprefix("#!/bin/sh\n")
GOOD_ON_THE_WAY_BACK = f'[ "$1" = {OLD} ] && {{ echo "$1" >"$2"; exit 0; }}\n'
BAD_PROGRAMS = {
    "lies that it is done": "exit 0",
    "lies that it failed": 'echo "$1" >"$2"; echo no >&2; exit 1',
    "stops half-way": f'echo {HALF} >"$2"; exit 1',
    "is killed half-way": f'echo {HALF} >"$2"; kill -9 $$',
    "hangs half-way": f'echo {HALF} >"$2"; sleep 60',
    "leaves a child that hangs": f'echo {HALF} >"$2"; sleep 60 & exit 1',
    "leaves a daemon that keeps its output open": f'echo {HALF} >"$2"; setsid sleep 3 & exit 1',
    "prints without end": f'echo {HALF} >"$2"; exec yes',
}


@pytest.fixture(params=BAD_PROGRAMS, ids=lambda name: name.replace(" ", "-"))
def bad_program(request: pytest.FixtureRequest) -> str:
    return BAD_PROGRAMS[str(request.param)]


def replace_switch(world: World, script: str) -> None:
    """Another program in its place, which keeps its times."""
    switch = world.host / "switch"
    status = switch.stat()
    switch.write_text(f"#!/bin/sh\n{script}")
    os.utime(switch, ns=(status.st_atime_ns, status.st_mtime_ns))


def only_files(seen: Snapshot) -> Snapshot:
    return {path: entry for path, entry in seen.items() if path.endswith(".conf")}


def test_a_bad_program_has_everything_taken_back(
    world: World, bad_program: str, counted: Tally
) -> None:
    way = fixing(world)
    world.back_to("original")
    replace_switch(world, GOOD_ON_THE_WAY_BACK + bad_program)
    since = time.monotonic()
    assert world.do("fix") == "taken back"
    assert time.monotonic() - since < 3 * PATIENCE_S
    replace_switch(world, GOOD)
    assert differences(world.snapshot(), way.left) == []
    counted[Verdict.AS_BEFORE] += 1


def test_a_program_that_is_bad_on_the_way_back_too_leaves_nothing_else_undone(
    world: World, bad_program: str, counted: Tally
) -> None:
    way = fixing(world)
    world.back_to("original")
    replace_switch(world, bad_program)
    told = world.do("fix")
    assert differences(only_files(world.snapshot()), only_files(way.left)) == []
    if told == "stuck":
        assert world.do("fix") == worker.REFUSED
    else:
        assert (world.host / "state").read_text() == f"{OLD}\n"
    replace_switch(world, GOOD)
    assert world.do("recover") != "stuck"
    assert differences(world.snapshot(), way.left) == []
    counted[Verdict.STUCK if told == "stuck" else Verdict.AS_BEFORE] += 1


@pytest.mark.parametrize("name", ["edited.conf", "removed.conf", "created.conf"])
@pytest.mark.parametrize("theirs", [b"theirs\n", None])
def test_what_somebody_else_did_after_a_crash_is_kept_and_all_the_rest_taken_back(
    world: World, name: str, theirs: bytes | None
) -> None:
    way = fixing(world)
    world.back_to("original")
    world.run("fix", ALL_FILES_ARE_MADE, everywhere=True)
    put(world.host / name, theirs)
    is_as_it_was = theirs is None and name == "created.conf"
    told = world.do("recover")
    everything_is_gone = theirs is None and name == "removed.conf"
    assert told == ("taken back" if is_as_it_was or everything_is_gone else "stuck")
    if told == "stuck":
        assert content(world.host / name) == theirs
        assert world.saved()[name] == (way.left[name].content if name in way.left else b"")
        assert world.do("fix") == worker.REFUSED
    assert without(world.snapshot(), name) == without(way.left, name)


def put(path: Path, data: bytes | None) -> None:
    if data is None:
        path.unlink(missing_ok=True)
    else:
        path.write_bytes(data)


def content(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None


def without(seen: Snapshot, name: str) -> Snapshot:
    return {path: entry for path, entry in seen.items() if path != name}


@pytest.mark.parametrize("name", ["edited.conf", "listed.conf", "created.conf"])
def test_a_file_changed_between_the_plan_and_its_turn_is_kept(world: World, name: str) -> None:
    way = fixing(world)
    world.back_to("original")
    with world.store.locked():
        plan = worker.plan(world.store, subject.changes(world.host))
        (world.host / name).write_bytes(b"theirs\n")
        outcome = carry_out(world.store.begin(plan), worker.tell)
    assert "somebody else" in outcome.reason
    assert (world.host / name).read_bytes() == b"theirs\n"
    assert without(world.snapshot(), name) == without(way.left, name)


@pytest.mark.parametrize("name", ["edited.conf", "created.conf", "removed.conf"])
def test_an_undo_never_overwrites_what_was_changed_since(world: World, name: str) -> None:
    way = fixing(world)
    world.back_to("changed")
    put(world.host / name, b"theirs\n")
    assert world.do("undo") in ("stuck", "taken back")
    assert (world.host / name).read_bytes() == b"theirs\n"
    now = subject.without_times(world.snapshot())
    assert without(now, name) == without(way.reached, name)


@contextmanager
def small_disk(folder: Path, kibibytes: int) -> Iterator[None]:
    """A file system of its own for the folder."""
    folder.mkdir(exist_ok=True)
    size = f"size={kibibytes}k,mode=755"
    subprocess.run(["mount", "-t", "tmpfs", "-o", size, "mailfix-faults", folder], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


def fill(folder: Path, leave: int) -> Path:
    """Take all but ``leave`` KiB of the room that there is."""
    ballast = folder / "ballast"
    room = os.statvfs(folder)
    ballast.write_bytes(b"x" * (room.f_bavail * room.f_frsize - leave * 1024))
    return ballast


@pytest.mark.parametrize("leave", [0, 4, 12, 28, 32, 36, 40, 64])
def test_a_disk_that_has_no_room_for_the_journal(world: World, leave: int, counted: Tally) -> None:
    way = fixing(world)
    world.back_to("original")
    with small_disk(world.state, 256):
        ballast = fill(world.state, leave)
        told = fix_or_refuse(world)
        wanted = way.reached if told == "made" else way.left
        assert differences(world.snapshot(), wanted) == []
        ballast.unlink()
        assert world.do("recover") != "stuck"
        assert not world.store.unfinished()
        assert differences(world.snapshot(), wanted) == []
    counted[Verdict.AS_PLANNED if told == "made" else Verdict.AS_BEFORE] += 1


def fix_or_refuse(world: World) -> str:
    try:
        return world.do("fix")
    except OSError:
        return worker.REFUSED


@pytest.mark.parametrize("leave", [0, 4, 8, 12, 16, 24, 32, 64])
def test_a_disk_that_has_no_room_for_the_files(world: World, leave: int, counted: Tally) -> None:
    world.build()
    with small_disk(world.host, 256):
        subject.build(world.host)
        original = world.snapshot()
        ballast = fill(world.host, leave)
        told = world.do("fix")
        ballast.unlink()
        if told != "made":
            assert told in ("taken back", "stuck")
            assert world.do("recover") != "stuck"
            assert differences(world.snapshot(), original) == []
        else:
            assert world.do("undo") == "made"
            assert differences(world.snapshot(), original) == []
    counted[Verdict.AS_PLANNED if told == "made" else Verdict.AS_BEFORE] += 1
