"""`mailfix check`, as a monitoring plugin's runner starts it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

import mailfix
from mailfix.model import Refusal
from mailfix.report.news import document
from mailfix.report.news.reading import NotAReport, read_report
from mailfix.reporter import checking
from mailfix.reporter.store import Store
from tests.property.hostile import text_of
from tests.unit.bulletins import BLOCKED, GENERIC, UNTOLD, bulletin

AGENT = str(Path(mailfix.__file__).resolve().parents[1])
RUNNER = "/usr/lib/nagios/plugins/negate"
"""Swaps a plugin's states, and reads them as every runner does (monitoring-plugins-common)."""
DAY = timedelta(hours=26)


def started(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mailfix", "check", *arguments],
        env={"PYTHONPATH": AGENT, "PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    "wrong", ["--lst", "--max-age=never", "--max-age=nan", "--timeout=nan", "--timeout=0", "now"]
)
def test_a_wrong_call_is_unknown_in_one_line(wrong: str) -> None:
    done = started(wrong)
    assert (done.returncode, done.stderr) == (3, "")
    assert re.fullmatch(r"MAILFIX UNKNOWN - [^\n]*\(mailfix --help\)\n", done.stdout)


@pytest.mark.skipif(not os.path.exists(RUNNER), reason="monitoring-plugins-common is not installed")
def test_a_plugin_runner_takes_it_for_a_plugin() -> None:
    done = subprocess.run(
        [RUNNER, "-s", "-u", "WARNING", sys.executable, "-m", "mailfix", "check", "--nonsense"],
        env={"PYTHONPATH": AGENT, "PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (1, "")
    assert re.fullmatch(r"MAILFIX WARNING - .*--nonsense.*\n", done.stdout)


def kept(tmp_path: Path, text: str) -> Store:
    store = Store(str(tmp_path))
    Path(store.reports).mkdir()
    (Path(store.reports) / "20211122T100000000000Z.json").write_text(text, "utf-8")
    return store


def written(age: timedelta = timedelta()) -> str:
    told = bulletin(BLOCKED, GENERIC, UNTOLD)
    told = replace(told, report=replace(told.report, started=datetime.now(UTC) - age))
    return document.write(document.document(told))


def test_the_last_report_is_as_good_as_an_audit(tmp_path: Path) -> None:
    store = kept(tmp_path, written())
    verdict = checking.last(DAY, store)
    assert verdict.exit_code == 2
    assert verdict == checking.verdict(bulletin(BLOCKED, GENERIC, UNTOLD).report)


def test_a_report_that_is_too_old_says_nothing_of_today(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="is 30 hours old"):
        checking.last(DAY, kept(tmp_path, written(timedelta(hours=30))))


def test_without_a_report_nothing_is_known(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="no report is kept: run 'mailfix report'"):
        checking.last(DAY, Store(str(tmp_path)))
    (tmp_path / "reports").mkdir()
    with pytest.raises(Refusal, match="no report is kept: run 'mailfix report'"):
        checking.last(DAY, Store(str(tmp_path)))


def test_a_report_of_a_clock_that_was_wrong_does_not_stand_for_today(tmp_path: Path) -> None:
    store = kept(tmp_path, written(timedelta(hours=30)))
    ahead = Path(store.reports) / "29991122T100000000000Z.json"
    ahead.write_text(written(timedelta(days=-300_000)), "utf-8")
    with pytest.raises(Refusal, match="is 30 hours old"):
        checking.last(DAY, store)


@pytest.mark.parametrize(
    "text",
    ["", "{", '{"schema": "mailfix.news/2"}', written()[:-9]],
    ids=["empty", "a bracket", "another schema", "broken off"],
)
def test_a_damaged_report_is_refused_with_its_path(tmp_path: Path, text: str) -> None:
    with pytest.raises(Refusal, match=r"/reports/20211122T100000000000Z\.json: it is "):
        checking.last(DAY, kept(tmp_path, text))


@given(
    st.one_of(
        text_of('{"schema": "mailfix.news/1"', ', "findings": [', "]", "}", "1e999", "null"),
        st.fixed_dictionaries(
            {"schema": st.just("mailfix.news/1")},
            optional={
                name: st.one_of(st.none(), st.integers(), st.text(max_size=5), st.just([{}]))
                for name in json.loads(written())
                if name != "schema"
            },
        ).map(json.dumps),
    )
)
def test_any_text_is_a_report_or_refused(text: str) -> None:
    with contextlib.suppress(NotAReport):
        assert read_report(text).findings == ()


def test_what_hangs_is_ended_with_all_that_it_started() -> None:
    script = (
        "import subprocess, sys\n"
        "from mailfix.reporter import checking\n"
        "with checking.bounded(0.5):\n"
        "    child = subprocess.Popen(['sleep', '600'], start_new_session=True)\n"
        "    print(child.pid, flush=True)\n"
        "    child.wait()\n"
    )
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={"PYTHONPATH": AGENT, "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    pid, line = done.stdout.splitlines()
    assert (done.returncode, line) == (
        3,
        "MAILFIX UNKNOWN - the audit did not end within 0.5 s",
    )
    assert time.monotonic() - began < 10
    assert not psutil.pid_exists(int(pid)) or psutil.Process(int(pid)).status() == "zombie"
