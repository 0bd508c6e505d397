"""However a journal ends or is damaged, no step that may have begun is forgotten."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import mkdtemp

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mailfix.apply.journal import Damaged, Event, Journal, Plan, Record, State
from mailfix.changes.file import FileChange, FileState
from mailfix.host.durable import Attributes

WITH_A_FOLDER = settings(suppress_health_check=list(HealthCheck), deadline=None, max_examples=150)
texts = st.text(max_size=8) | st.binary(max_size=8).map(
    lambda data: data.decode("utf-8", "surrogateescape")
)
attributes = st.builds(
    Attributes,
    mode=st.integers(0, 0o7777),
    accessed_ns=st.none() | st.integers(),
    modified_ns=st.none() | st.integers(),
    extended=st.lists(st.tuples(texts, st.binary(max_size=4)), max_size=2).map(tuple),
)
states = st.none() | st.builds(FileState, data=st.binary(max_size=40), attributes=attributes)
plans = st.builds(
    Plan,
    number=st.just(1),
    boot=texts,
    started=texts,
    titles=st.lists(texts, max_size=2).map(tuple),
    changes=st.lists(
        st.builds(FileChange, path=texts, before=states, after=states), min_size=1, max_size=4
    ).map(tuple),
    guard_s=st.sampled_from([0, 120]),
    undoes=st.none() | st.integers(1, 9),
)


@pytest.fixture(scope="module")
def file() -> Iterator[str]:
    folder = Path(mkdtemp(prefix="mailfix-journal-", dir="/dev/shm"))
    yield str(folder / "journal")
    shutil.rmtree(folder)


def whole_way(plan: Plan, reached: int, *, back: bool) -> list[Record]:
    """What is written until ``reached`` steps are made, the last one perhaps not to its end."""
    steps = range(min(reached, len(plan.changes)))
    found = [Record(event, step) for step in steps for event in (Event.INTENT, Event.DONE)]
    if reached > len(plan.changes):
        found.append(Record(Event.MADE))
    if back:
        found.append(Record(Event.REVERSING, text="why"))
        found += [Record(Event.REVERSED, step) for step in reversed(steps)]
        found.append(Record(Event.TAKEN_BACK, text="why"))
    return found


def written(file: str, plan: Plan, records: list[Record]) -> bytes:
    Path(file).unlink(missing_ok=True)
    journal = Journal.begin(file, plan)
    for record in records:
        journal.write(record.event, record.step, record.text)
    return Path(file).read_bytes()


ways = st.builds(
    lambda plan, reached, back: (plan, whole_way(plan, reached, back=back)),
    plans,
    st.integers(0, 5),
    st.booleans(),
)


@given(way=ways)
@WITH_A_FOLDER
def test_what_was_written_is_read(file: str, way: tuple[Plan, list[Record]]) -> None:
    plan, records = way
    written(file, plan, records)
    assert Journal.read(file, 1) == Journal(file, plan, records)


@given(way=ways, data=st.data())
@WITH_A_FOLDER
def test_a_journal_that_was_cut_off_anywhere_is_one_that_ended_there(
    file: str, way: tuple[Plan, list[Record]], data: st.DataObject
) -> None:
    plan, records = way
    content = written(file, plan, records)
    Path(file).write_bytes(content[: data.draw(st.integers(0, len(content)))])
    journal = Journal.read(file, 1)
    if journal is not None:
        assert journal.plan == plan
        assert journal.records == records[: len(journal.records)]


@given(way=ways, data=st.data())
@WITH_A_FOLDER
def test_what_is_written_behind_a_torn_line_is_read(
    file: str, way: tuple[Plan, list[Record]], data: st.DataObject
) -> None:
    plan, records = way
    start = len(written(file, plan, []))
    content = written(file, plan, records)
    Path(file).write_bytes(content[: data.draw(st.integers(start, len(content)))])
    journal = Journal.read(file, 1)
    assert journal is not None
    journal.write(Event.REVERSING, text="it was interrupted")
    again = Journal.read(file, 1)
    assert again == journal
    assert again is not None
    assert again.state is State.OPEN


@given(way=ways, data=st.data())
@WITH_A_FOLDER
def test_a_damaged_journal_is_told_or_lacks_a_record_that_nobody_needs(
    file: str, way: tuple[Plan, list[Record]], data: st.DataObject
) -> None:
    plan, records = way
    content = bytearray(written(file, plan, records))
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    Path(file).write_bytes(content)
    try:
        journal = Journal.read(file, 1)
    except Damaged:
        return
    if journal is None:
        assert records == []
        return
    begun = Journal(file, plan, records).steps(Event.INTENT)
    lost = begun - journal.steps(Event.INTENT)
    assert lost <= {max(begun, default=0)}
    assert not lost & journal.steps(Event.DONE)
    assert not (lost and journal.has(Event.MADE))


@given(content=st.binary(max_size=300))
@WITH_A_FOLDER
def test_anything_else_is_damaged_or_says_nothing(file: str, content: bytes) -> None:
    Path(file).write_bytes(content)
    with contextlib.suppress(Damaged):
        assert Journal.read(file, 1) is None


@given(plan=plans)
@WITH_A_FOLDER
def test_a_journal_of_another_transaction_is_damaged(file: str, plan: Plan) -> None:
    written(file, replace(plan, number=2), [])
    with pytest.raises(Damaged, match="transaction 2"):
        Journal.read(file, 1)
