"""Everything is made, or everything is taken back, or it is told what stands in the way."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import mkdtemp
from typing import ClassVar, Self

import pytest

from mailfix.apply import kinds
from mailfix.apply.journal import Event, Journal, Plan, State
from mailfix.apply.store import Store
from mailfix.apply.transaction import End, Outcome, carry_out, take_back
from mailfix.changes import Change, Failed, Place, Present, Seen
from mailfix.changes.draft import Draft

OLD, HALF, NEW = "old", "half", "new"
TROUBLE: dict[str, BaseException] = {}
"""What making a lamp of this state raises, half-way."""


@dataclass(frozen=True, slots=True)
class Lamp:
    """Something that is set in two steps and lives in the kernel alone."""

    file: str
    before: str = OLD
    after: str = NEW

    kind: ClassVar[str] = "lamp"
    survives_boot: ClassVar[bool] = False
    place: ClassVar[Place] = Place.UNIT
    cuts_off: ClassVar[bool] = False

    @property
    def slot(self) -> str:
        return self.file

    def followed_by(self, later: Self) -> Self:
        return later

    @property
    def inverse(self) -> Self:
        return replace(self, before=self.after, after=self.before)

    def describe(self) -> str:
        return f"lamp {self.after}"

    def preview(self) -> tuple[str, ...]:
        return (self.describe(),)

    def look(self, *, interrupted: bool = False) -> Seen:
        known = {self.before: Present.BEFORE, self.after: Present.AFTER}
        if interrupted:
            known[HALF] = Present.PARTLY
        return Seen(known.get(Path(self.file).read_text(), Present.OTHER))

    def make(self) -> None:
        Path(self.file).write_text(HALF)
        if self.after in TROUBLE:
            raise TROUBLE[self.after]
        Path(self.file).write_text(self.after)

    def verify(self) -> None:
        if Path(self.file).read_text() != self.after:
            raise Failed("it is dark")


@dataclass(frozen=True, slots=True)
class Server(Lamp):
    """Reads the file ``a.conf`` beside its own when it is restarted on the way back."""

    kind: ClassVar[str] = "server"
    place: ClassVar[Place] = Place.RESTART_ON_THE_WAY_BACK

    def look(self, *, interrupted: bool = False) -> Seen:
        return Seen(Present.AFTER if self.after == NEW else Present.BEFORE)

    def make(self) -> None:
        if self.after == OLD:
            shutil.copyfile(Path(self.file).with_name("a.conf"), self.file)

    def verify(self) -> None:
        return


@dataclass(frozen=True)
class Host:
    folder: Path

    @property
    def store(self) -> Store:
        return Store(str(self.folder / "state"))

    @property
    def conf(self) -> Path:
        return self.folder / "a.conf"

    @property
    def lamp(self) -> Path:
        return self.folder / "lamp"

    def begin(self, *first: Change) -> Journal:
        changes: tuple[Change, ...] = (
            *first,
            Draft().file(str(self.conf), b"new\n"),
            Lamp(str(self.lamp)),
        )
        with self.store.locked():
            return self.store.begin(Plan(1, "boot", "now", ("why",), changes))

    def now(self) -> tuple[str, str]:
        return self.conf.read_text(), self.lamp.read_text()

    def read(self) -> Journal:
        journal = self.store.read(1)
        assert journal is not None
        return journal


BEFORE = ("old\n", OLD)
PLANNED = ("new\n", NEW)


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    folder = Path(mkdtemp(prefix="mailfix-transaction-", dir="/dev/shm"))
    known = {each.kind: each for each in (Lamp, Server)}
    monkeypatch.setattr(kinds, "KINDS", {**kinds.KINDS, **known})
    (folder / "a.conf").write_text("old\n")
    (folder / "lamp").write_text(OLD)
    TROUBLE.clear()
    yield Host(folder)
    TROUBLE.clear()
    shutil.rmtree(folder)


def quiet(line: str) -> None:
    pass


def hung_up(line: str) -> None:
    raise OSError(5, "Input/output error")


def test_all_is_made_and_told(host: Host) -> None:
    told: list[str] = []
    assert carry_out(host.begin(), told.append) == Outcome(1, End.MADE)
    assert host.now() == PLANNED
    assert host.read().state is State.FINISHED
    assert told == [f"change {host.conf}", "lamp new"]


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [
        (Failed("no bulb"), "no bulb"),
        (OSError(28, "No space left on device", "/lamp"), "/lamp: No space left on device"),
        (RuntimeError("can't start new thread"), "mailfix itself .*can't start new thread"),
        (KeyboardInterrupt(), "interrupted"),
    ],
)
def test_whatever_goes_wrong_all_is_taken_back(
    host: Host, trouble: BaseException, reason: str
) -> None:
    TROUBLE[NEW] = trouble
    outcome = carry_out(host.begin(), quiet)
    assert outcome.end is End.TAKEN_BACK
    assert re.search(reason, outcome.reason)
    assert host.now() == BEFORE
    assert host.read().state is State.TAKEN_BACK


@pytest.mark.parametrize("trouble", [None, Failed("no bulb")])
def test_a_terminal_that_hung_up_stops_neither_way(host: Host, trouble: Failed | None) -> None:
    if trouble:
        TROUBLE[NEW] = trouble
    outcome = carry_out(host.begin(), hung_up)
    assert outcome.end is (End.TAKEN_BACK if trouble else End.MADE)
    assert host.now() == (BEFORE if trouble else PLANNED)


@pytest.mark.parametrize("trouble", [Failed("no bulb"), AssertionError("a mistake")])
def test_what_cannot_be_taken_back_holds_up_nothing_else_and_is_tried_again(
    host: Host, trouble: Exception
) -> None:
    TROUBLE[NEW] = TROUBLE[OLD] = trouble
    outcome = carry_out(host.begin(), quiet)
    assert outcome.end is End.STUCK
    assert str(trouble) in outcome.problems[0]
    assert host.now() == ("old\n", HALF)
    assert host.store.unfinished()[0].state is State.STUCK
    TROUBLE.clear()
    assert take_back(host.read(), quiet, "again").end is End.TAKEN_BACK
    assert host.now() == BEFORE
    assert host.store.unfinished() == []


def test_a_way_back_that_was_cut_short_half_way_through_a_step_goes_on(host: Host) -> None:
    assert carry_out(host.begin(), quiet).end is End.MADE
    TROUBLE[OLD] = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        take_back(host.read(), quiet, "it was not confirmed")
    assert host.now() == ("new\n", HALF)
    TROUBLE.clear()
    assert take_back(host.read(), quiet, "again").end is End.TAKEN_BACK
    assert host.now() == BEFORE


def test_what_somebody_else_changed_is_kept_unless_it_is_forced(host: Host) -> None:
    carry_out(host.begin(), quiet)
    host.conf.write_text("theirs\n")
    outcome = take_back(host.read(), quiet, "undo")
    assert outcome.end is End.STUCK
    assert "somebody else" in outcome.problems[0]
    assert host.now() == ("theirs\n", OLD)
    forced = take_back(host.read(), quiet, "undo", force=frozenset({str(host.conf)}))
    assert forced.end is End.TAKEN_BACK
    assert host.now() == BEFORE


def test_a_server_restarted_before_its_file_could_be_taken_back_is_restarted_again(
    host: Host,
) -> None:
    server = host.folder / "server"
    carry_out(host.begin(Server(str(server))), quiet)
    host.conf.write_text("theirs\n")
    assert take_back(host.read(), quiet, "undo").end is End.STUCK
    assert server.read_text() == "theirs\n"
    host.conf.write_text("new\n")
    assert take_back(host.read(), quiet, "again").end is End.TAKEN_BACK
    assert server.read_text() == "old\n"


def test_a_file_changed_between_preview_and_fix_is_kept_and_the_rest_taken_back(
    host: Host,
) -> None:
    journal = host.begin()
    host.conf.write_text("theirs\n")
    outcome = carry_out(journal, quiet)
    assert "somebody else" in outcome.reason
    assert host.now() == ("theirs\n", OLD)


def test_after_a_restart_what_lived_in_the_kernel_is_left_alone(host: Host) -> None:
    carry_out(host.begin(), quiet)
    host.lamp.write_text("as the boot left it")
    assert take_back(host.read(), quiet, "boot", at_boot=True).end is End.TAKEN_BACK
    assert host.now() == ("old\n", "as the boot left it")


def test_a_journal_that_takes_no_more_does_not_stop_the_way_back(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = host.begin()
    TROUBLE[NEW] = Failed("no bulb")
    write = Journal.write

    def full(self: Journal, event: Event, step: int | None = None, text: str = "") -> None:
        if event in (Event.REVERSING, Event.REVERSED, Event.TAKEN_BACK):
            raise OSError(28, "No space left on device")
        write(self, event, step, text)

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "write", full)
        assert carry_out(journal, quiet).end is End.TAKEN_BACK
    assert host.now() == BEFORE
    assert host.read().state is State.OPEN
    assert take_back(host.read(), quiet, "again").end is End.TAKEN_BACK


def test_changes_are_made_in_the_order_of_their_places(host: Host) -> None:
    lamp = Lamp(str(host.lamp))
    conf = Draft().file(str(host.conf), b"new\n")
    assert Draft().with_changes([lamp, conf]).changes == (conf, lamp)
    assert Draft().with_changes([conf]).with_changes([replace(lamp, after="x")]).changes[0] == conf
