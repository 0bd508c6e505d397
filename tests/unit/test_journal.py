"""The journal says before each act what is about to happen, and afterwards where a fix stands."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import mkdtemp

import pytest

from mailfix.apply import journal as journals
from mailfix.apply.journal import Damaged, Event, Journal, Plan, State
from mailfix.apply.store import Held, Store
from mailfix.changes.file import FileChange, FileState
from mailfix.host.durable import Attributes
from mailfix.model import Refusal

CHANGE = FileChange("/etc/a.conf", FileState(b"\xff\n", Attributes(0o600, 0, 0, 1, 2)), None)
PLAN = Plan(1, "boot", "2026-11-22T10:00:00Z", ("why",), (CHANGE, CHANGE))


@pytest.fixture
def store() -> Iterator[Store]:
    folder = Path(mkdtemp(prefix="mailfix-journal-", dir="/dev/shm"))
    yield Store(str(folder / "state"))
    shutil.rmtree(folder)


def begun(store: Store, plan: Plan = PLAN) -> Journal:
    with store.locked():
        return store.begin(plan)


def file(store: Store, number: int = 1) -> Path:
    return Path(store.folder, "transactions", f"{number:06d}", "journal")


@pytest.mark.parametrize(
    ("events", "guard_s", "state"),
    [
        ([], 0, State.OPEN),
        (["MADE"], 0, State.FINISHED),
        (["MADE"], 120, State.UNCONFIRMED),
        (["MADE", "CONFIRMED"], 120, State.FINISHED),
        (["MADE", "REVERSING"], 120, State.OPEN),
        (["MADE", "REVERSING", "TAKEN_BACK"], 120, State.TAKEN_BACK),
        (["REVERSING", "STUCK"], 0, State.STUCK),
        (["REVERSING", "STUCK", "REVERSING"], 0, State.OPEN),
        (["MADE", "UNDONE"], 0, State.UNDONE),
    ],
)
def test_its_last_word_says_where_a_transaction_stands(
    store: Store, events: list[str], guard_s: int, state: State
) -> None:
    journal = begun(store, replace(PLAN, guard_s=guard_s))
    if "MADE" in events:
        for step in (0, 1):
            journal.write(Event.INTENT, step)
            journal.write(Event.DONE, step)
    for event in events:
        journal.write(Event[event])
    read = store.read(1)
    assert read == journal
    assert read is not None
    assert read.state is state
    unfinished = state in (State.OPEN, State.UNCONFIRMED, State.STUCK)
    assert store.unfinished() == ([journal] if unfinished else [])


def test_nobody_but_root_reads_what_is_kept(store: Store) -> None:
    begun(store)
    assert stat.S_IMODE(os.stat(store.folder).st_mode) == 0o700
    assert stat.S_IMODE(file(store).parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(file(store).stat().st_mode) == 0o600


@pytest.mark.parametrize("missing", [0, 1, 2, 3])
def test_a_record_lost_before_the_end_is_noticed(store: Store, missing: int) -> None:
    journal = begun(store)
    for step in (0, 1):
        journal.write(Event.INTENT, step)
        journal.write(Event.DONE, step)
    journal.write(Event.MADE)
    lines = [line for line in file(store).read_text().split("\n") if line]
    del lines[1 + missing]
    file(store).write_text("\n".join(lines))
    with pytest.raises(Damaged, match="missing"):
        store.read(1)


def test_what_never_got_to_the_disk_was_never_done(store: Store) -> None:
    begun(store)
    content = file(store).read_bytes()
    for length in (0, 1, len(content) // 2, len(content) - 3):
        file(store).write_bytes(content[:length])
        assert store.read(1) is None
    file(store).unlink()
    assert store.read(1) is None
    assert store.next_number() == 2


def test_a_plan_too_large_to_be_read_again_is_not_begun(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journals, "PLAN_LIMIT", 1000)
    large = replace(PLAN, changes=(FileChange.of("/etc/a.conf", None, b"\xff" * 500),))
    with pytest.raises(OSError, match="too large"):
        begun(store, large)
    assert store.read(1) is None


def test_a_plan_that_would_be_read_as_another_is_not_begun(store: Store) -> None:
    attributes = Attributes(0o600, 0, 0, extended=[])  # type: ignore[arg-type]
    careless = replace(CHANGE, after=FileState(b"", attributes))
    with pytest.raises(OSError, match="Invalid"):
        begun(store, replace(PLAN, changes=(careless,)))
    assert store.read(1) is None


def test_a_journal_behind_a_link_is_not_followed(store: Store) -> None:
    begun(store)
    file(store).rename(file(store).with_name("elsewhere"))
    file(store).symlink_to("elsewhere")
    with pytest.raises(Damaged, match="cannot be read"):
        store.read(1)


def test_one_at_a_time_and_who_it_is(store: Store) -> None:
    with store.locked(), pytest.raises(Held, match=str(os.getpid())) as held, store.locked():
        pass
    assert held.value.pid == os.getpid()


def test_a_killed_holder_holds_nothing(store: Store) -> None:
    script = (
        "import sys, time\n"
        "from mailfix.apply.store import Store\n"
        "with Store(sys.argv[1]).locked():\n"
        "    print('held', flush=True)\n"
        "    time.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, store.folder],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    ) as other:
        try:
            assert other.stdout is not None
            assert other.stdout.readline() == b"held\n"
            with pytest.raises(Held, match=str(other.pid)), store.locked():
                pass
        finally:
            other.kill()
    with store.locked():
        pass


def test_a_state_folder_that_cannot_be_had_is_a_refusal(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(Refusal, match="nothing can be kept"),
        Store(str(tmp_path / "file")).locked(),
    ):
        pass


def test_old_transactions_are_forgotten_but_neither_the_newest_nor_an_unfinished_one(
    store: Store,
) -> None:
    for number in range(1, 7):
        journal = begun(store, replace(PLAN, number=number))
        if number != 2:
            journal.write(Event.REVERSING)
            journal.write(Event.TAKEN_BACK)
    store.forget_old(0)
    assert store.numbers() == [2, 6]
    assert store.next_number() == 7
