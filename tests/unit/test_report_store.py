"""What report runs keep: all of it or nothing, no more than was asked for, by one at a time."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mailfix.comparison.codec import Unreadable
from mailfix.comparison.compare import compare
from mailfix.comparison.records import Standings
from mailfix.comparison.sighting import Today
from mailfix.model import Refusal
from mailfix.reporter import store as stores
from mailfix.reporter.store import Store
from tests.unit.test_report import BLOCKED, PTR

MORNING = datetime(2026, 11, 23, 6, 0, 0, tzinfo=UTC)
KEPT, _ = compare(Standings(), Today(MORNING, (BLOCKED, PTR), lambda rules: ()), 2)


def store_at(folder: Path) -> Store:
    return Store(str(folder / "mailfix"))


def test_what_one_run_keeps_the_next_one_finds(tmp_path: Path) -> None:
    store = store_at(tmp_path)
    with store.locked():
        assert store.standings() == Standings()
        store.keep(KEPT, "{}\n", MORNING, 60)
    assert store.standings() == KEPT
    assert store.names() == ["20261123T060000000000Z.json"]


def test_it_is_ours_alone(tmp_path: Path) -> None:
    store = store_at(tmp_path)
    with store.locked():
        store.keep(KEPT, "{}\n", MORNING, 60)
    files = [each for each in (tmp_path / "mailfix").rglob("*") if each.is_file()]
    assert {each.stat().st_mode & 0o777 for each in files} == {0o600}
    folders = [tmp_path / "mailfix", tmp_path / "mailfix" / "reports"]
    assert {each.stat().st_mode & 0o777 for each in folders} == {0o700}


def test_no_more_reports_are_kept_than_asked_for_and_nothing_else_goes(tmp_path: Path) -> None:
    store = store_at(tmp_path)
    with store.locked():
        (tmp_path / "mailfix" / "reports" / "latest.html").write_text("a page")
        for day in range(5):
            store.keep(KEPT, "{}\n", MORNING + timedelta(days=day), 3)
    assert store.names() == [f"202611{day}T060000000000Z.json" for day in (25, 26, 27)]
    assert (tmp_path / "mailfix" / "reports" / "latest.html").exists()


def test_the_report_of_now_stays_although_the_clock_was_put_back(tmp_path: Path) -> None:
    store = store_at(tmp_path)
    with store.locked():
        for days in (300, 0, 1):
            store.keep(KEPT, "{}\n", MORNING + timedelta(days=days), 1)
            assert store.last(MORNING + timedelta(days=days)) is not None
    assert store.names() == ["20261124T060000000000Z.json"]


def test_reports_are_kept_within_so_many_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stores, "MAX_KEPT", 2500)
    store = store_at(tmp_path)
    with store.locked():
        for day in range(4):
            store.keep(KEPT, "x" * 1000, MORNING + timedelta(days=day), 60)
        assert len(store.names()) == 2
        store.keep(KEPT, "x" * 9000, MORNING + timedelta(days=9), 60)
    assert store.names() == ["20261202T060000000000Z.json"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema": "mailfix.standings/2"}', "[" * 99_999])
def test_standings_that_cannot_be_read_are_moved_aside(tmp_path: Path, text: str) -> None:
    store = store_at(tmp_path)
    with store.locked():
        (tmp_path / "mailfix" / "standings.json").write_text(text)
        with pytest.raises(Unreadable, match=r"standings\.json: it is no"):
            store.standings()
        aside = store.set_aside()
        assert Path(aside).read_text() == text
        assert store.standings() == Standings()


def test_two_reports_are_made_one_after_the_other(tmp_path: Path) -> None:
    store, order = store_at(tmp_path), []
    begun = threading.Event()

    def second() -> None:
        begun.set()
        with store.locked():
            order.append("second")

    with store.locked():
        other = threading.Thread(target=second)
        other.start()
        begun.wait(10)
        other.join(0.2)
        order.append("first")
    other.join(10)
    assert order == ["first", "second"]


def test_without_a_folder_to_write_to_it_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "mailfix").write_text("no folder")
    with (
        pytest.raises(Refusal, match=r"nothing can be kept in .*/mailfix: "),
        store_at(tmp_path).locked(),
    ):
        pass
