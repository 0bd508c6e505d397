"""What was begun and not finished is taken back, by whoever comes next, as often as it takes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from mailfix.apply import recovery
from mailfix.apply.journal import Event, Journal, Plan, State
from mailfix.apply.store import Held, Store
from mailfix.apply.transaction import End, carry_out
from mailfix.changes.file import FileChange, read_state
from mailfix.host import boot
from mailfix.model import Refusal

AGENT = Path(__file__).resolve().parents[2] / "agent"
BEFORE, AFTER = b"as it was\n", b"as planned\n"
OTHER_BOOT = "another boot"
PATIENCE_S = 20.0


def quiet(line: str) -> None:
    return


@pytest.fixture(autouse=True)
def no_systemd(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The machine that runs the tests may have a guard of its own: it is none of ours."""
    monkeypatch.setattr(boot, "SYSTEMD_FOLDER", str(tmp_path / "no systemd"))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    found = Store(str(tmp_path / "state"))
    with found.locked():
        return found


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(BEFORE)
    return path


def begin(
    store: Store, *files: Path, guard_s: int = 0, boot_id: str = "", undoes: int | None = None
) -> Journal:
    changes = tuple(FileChange.of(str(each), read_state(str(each)), AFTER) for each in files)
    number = store.next_number()
    identity = boot_id or boot.identity()
    return store.begin(Plan(number, identity, "", ("a test",), changes, guard_s, undoes))


def made(store: Store, *files: Path, guard_s: int = 0, boot_id: str = "") -> Journal:
    journal = begin(store, *files, guard_s=guard_s, boot_id=boot_id)
    assert carry_out(journal, quiet).end is End.MADE
    return journal


def interrupted(store: Store, *files: Path) -> Journal:
    """Every file is changed, and of the last one that is not recorded."""
    journal = begin(store, *files)
    for step, change in enumerate(journal.plan.changes):
        journal.write(Event.INTENT, step)
        change.make()
        if step + 1 < len(files):
            journal.write(Event.DONE, step)
    return journal


def state(store: Store, number: int = 1) -> State:
    journal = store.read(number)
    assert journal is not None
    return journal.state


def test_an_interrupted_transaction_is_taken_back_once(store: Store, file: Path) -> None:
    interrupted(store, file)
    (outcome,) = recovery.recover(store, quiet)
    assert (outcome.transaction, outcome.end) == (1, End.TAKEN_BACK)
    assert file.read_bytes() == BEFORE
    assert state(store) is State.TAKEN_BACK
    assert recovery.recover(store, quiet) == ()


def test_a_transaction_of_which_nothing_was_begun_is_closed(store: Store, file: Path) -> None:
    begin(store, file)
    (outcome,) = recovery.recover(store, quiet)
    assert outcome.end is End.TAKEN_BACK
    assert state(store) is State.TAKEN_BACK


def test_what_is_applied_stays(store: Store, file: Path) -> None:
    made(store, file)
    assert recovery.recover(store, quiet, boot=True) == ()
    assert file.read_bytes() == AFTER


def test_what_waits_under_a_guard_that_is_no_more_is_taken_back(store: Store, file: Path) -> None:
    made(store, file, guard_s=60, boot_id=OTHER_BOOT)
    (outcome,) = recovery.recover(store, quiet, boot=True)
    assert outcome.reason == "the host was restarted before it was confirmed"
    assert file.read_bytes() == BEFORE


def test_the_guard_takes_back_what_was_not_confirmed(store: Store, file: Path) -> None:
    journal = made(store, file, guard_s=60)
    (outcome,) = recovery.recover(store, quiet, guard=journal.plan.number)
    assert outcome.reason == "it was not confirmed in time"
    assert file.read_bytes() == BEFORE


def test_the_guard_leaves_alone_what_was_confirmed(store: Store, file: Path) -> None:
    made(store, file, guard_s=60)
    with store.locked():
        assert recovery.confirm(store, None).plan.number == 1
    told: list[str] = []
    assert recovery.recover(store, told.append, guard=1) == ()
    assert told == ["transaction 1 is applied: there is nothing to take back"]
    assert file.read_bytes() == AFTER


def test_a_confirmation_after_the_guard_is_told_what_happened(store: Store, file: Path) -> None:
    made(store, file, guard_s=60)
    recovery.recover(store, quiet, guard=1)
    with pytest.raises(Refusal, match="transaction 1 is taken back: it was not confirmed in time"):
        recovery.confirm(store, None)


def test_nothing_waits_where_nothing_was_done(store: Store) -> None:
    with pytest.raises(Refusal, match=r"^nothing waits for confirmation$"):
        recovery.confirm(store, None)


def test_what_is_stuck_is_tried_again(store: Store, tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("one", "two")]
    for each in files:
        each.write_bytes(BEFORE)
    interrupted(store, *files)
    files[1].write_bytes(b"somebody else\n")
    (outcome,) = recovery.recover(store, quiet)
    assert outcome.end is End.STUCK
    assert "somebody else changed it meanwhile" in outcome.problems[0]
    assert [each.read_bytes() for each in files] == [BEFORE, b"somebody else\n"]
    (again,) = recovery.recover(store, quiet, force=frozenset({str(files[1])}))
    assert again.end is End.TAKEN_BACK
    assert [each.read_bytes() for each in files] == [BEFORE, BEFORE]


def test_a_damaged_journal_is_told_and_keeps_no_other_from_being_taken_back(
    store: Store, file: Path
) -> None:
    interrupted(store, file)
    damaged, other = begin(store), begin(store)
    Path(damaged.file).write_bytes(Path(other.file).read_bytes())
    outcomes = {each.transaction: each.end for each in recovery.recover(store, quiet)}
    assert outcomes[1] is End.TAKEN_BACK
    assert outcomes[2] is End.STUCK
    assert file.read_bytes() == BEFORE


def test_an_undo_that_is_confirmed_is_noted_where_it_belongs(store: Store, file: Path) -> None:
    journal = made(store, file)
    change = journal.plan.changes[0].inverse
    undo = store.begin(Plan(2, boot.identity(), "", (), (change,), 60, undoes=1))
    assert carry_out(undo, quiet).end is End.MADE
    assert state(store) is State.FINISHED
    with store.locked():
        recovery.confirm(store, 2)
    assert state(store) is State.UNDONE


HOLD = """
import subprocess, sys, time
from mailfix.apply.store import Store
store = Store(sys.argv[1])
with store.locked():
    child = subprocess.Popen(["sleep", "600"], start_new_session=True)
    print(child.pid, flush=True)
    time.sleep(600)
"""


@contextmanager
def hanging(store: Store) -> Iterator[tuple[int, int]]:
    """A mailfix that has the lock and ends never, and a program that it started: their pids."""
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, store.folder],
        env={**os.environ, "PYTHONPATH": str(AGENT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    child = 0
    try:
        child = int(holder.stdout.readline())
        yield holder.pid, child
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()
        if child and is_alive(child):
            os.kill(child, signal.SIGKILL)


def is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_the_guard_ends_who_keeps_the_lock_and_all_that_it_started(
    store: Store, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recovery, "GRACE_S", 0.2)
    made(store, file, guard_s=60)
    told: list[str] = []
    with hanging(store) as (holder, child):
        (outcome,) = recovery.recover(store, told.append, guard=1)
        assert not is_alive(holder)
        assert not is_alive(child)
    assert outcome.end is End.TAKEN_BACK
    assert file.read_bytes() == BEFORE
    assert any(f"(pid {holder})" in line and "killed" in line for line in told)


def test_others_than_the_guard_wait_for_who_has_the_lock(store: Store, file: Path) -> None:
    interrupted(store, file)
    with hanging(store) as (holder, _):
        with pytest.raises(Held, match=str(holder)):
            recovery.recover(store, quiet)
        assert recovery.recover(store, quiet, boot=True) == ()
        since = time.monotonic()
        with pytest.raises(Held), recovery.locked_within(store, 0.3):
            pytest.fail("two have the lock")
        assert time.monotonic() - since >= 0.3
        assert is_alive(holder)
    assert file.read_bytes() == AFTER


def test_a_process_that_only_has_the_number_in_the_lock_file_is_left_alone(store: Store) -> None:
    from mailfix.host import lock_holder

    bystander = subprocess.Popen(["sleep", "600"])
    try:
        lock = os.path.join(store.folder, "lock")
        Path(lock).write_text(f"{bystander.pid}\n", "ascii")
        assert not lock_holder.end(bystander.pid, lock)
        assert is_alive(bystander.pid)
    finally:
        bystander.kill()
        bystander.wait()


RACE = """
import sys, time
from mailfix.apply import recovery
from mailfix.apply.store import Store
from mailfix.host import boot
from mailfix.model import Refusal
boot.SYSTEMD_FOLDER = sys.argv[1] + "/no systemd"
store, role, start = Store(sys.argv[1]), sys.argv[2], float(sys.argv[3])
time.sleep(max(0, start - time.time()))
if role == "guard":
    print(len(recovery.recover(store, print, guard=1)))
else:
    try:
        with recovery.locked_within(store, 10):
            recovery.confirm(store, 1)
        print("kept")
    except Refusal as error:
        print(error)
"""


@pytest.mark.parametrize("head_start", [-0.002, 0.0, 0.002])
def test_of_a_confirmation_and_the_guard_at_the_same_moment_exactly_one_wins(
    store: Store, file: Path, head_start: float
) -> None:
    made(store, file, guard_s=60)
    start = time.time() + 1.5
    runs = {
        role: subprocess.Popen(
            [sys.executable, "-c", RACE, store.folder, role, str(at)],
            env={**os.environ, "PYTHONPATH": str(AGENT)},
            stdout=subprocess.PIPE,
            text=True,
        )
        for role, at in (("guard", start), ("confirm", start + head_start))
    }
    told = {role: run.communicate(timeout=PATIENCE_S)[0].strip() for role, run in runs.items()}
    if told["confirm"] == "kept":
        assert told["guard"].startswith("transaction 1 is applied")
        assert (file.read_bytes(), state(store)) == (AFTER, State.FINISHED)
    else:
        assert "transaction 1 is taken back: it was not confirmed in time" in told["confirm"]
        assert (file.read_bytes(), state(store)) == (BEFORE, State.TAKEN_BACK)
