"""Programs are run to their end or ended with all their children, and never hold the audit up."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mailfix.host import Deadline, process
from mailfix.host.process import Output
from mailfix.model import Fact, Known, Unknown

AGENT = Path(__file__).resolve().parents[2] / "agent"


def run(
    *argv: str, timeout_s: float = 10.0, limit: int = 1 << 20, deadline_s: float = 30.0
) -> Fact[Output]:
    return asyncio.run(process.run(argv, Deadline.after(deadline_s), timeout_s, limit))


def output(*argv: str) -> Output:
    told = run(*argv)
    assert isinstance(told, Known), told
    return told.value


def test_what_a_program_prints_and_how_it_ends_is_told() -> None:
    told = output("sh", "-c", "echo one; echo two >&2; exit 3")
    assert (told.code, told.stdout, told.stderr) == (3, "one\n", "two\n")
    assert told.complaint == "two"


def test_arguments_never_meet_a_shell() -> None:
    assert output("echo", "$(id); `id` | cat", "*").stdout == "$(id); `id` | cat *\n"


def test_bytes_that_are_not_utf8_are_kept() -> None:
    assert output("printf", r"a\377b").stdout.encode("utf-8", "surrogateescape") == b"a\xffb"


def test_the_locale_is_c_and_the_path_is_pinned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setenv("LD_PRELOAD_OF_MINE", "x")
    told = output("env").stdout.splitlines()
    assert "LC_ALL=C" in told
    assert f"PATH={process.PATH}" in told
    assert not any(line.startswith("LD_PRELOAD") for line in told)


def test_input_is_empty() -> None:
    assert output("cat").stdout == ""


def test_a_missing_program_is_unknown_by_name() -> None:
    assert run("no-such-program") == Unknown("no-such-program is not installed")


def test_a_program_that_a_signal_ended_has_a_negative_code() -> None:
    assert output("sh", "-c", "kill -9 $$").code == -9


TOO_MUCH = """
import asyncio
from mailfix.host import Deadline, process
print(asyncio.run(process.run(("yes",), Deadline.after(30), 3.0, 100_000)))
"""


def test_too_much_output_is_unknown_and_ended_at_once() -> None:
    """In a process of its own: what is left of an event loop would complain in another test."""
    done = subprocess.run(
        [sys.executable, "-c", TOO_MUCH],
        env={"PYTHONPATH": str(AGENT), "PATH": process.PATH},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout == "Unknown(reason='yes printed more than 100000 bytes')\n"
    assert done.stderr == ""


def test_exactly_the_limit_is_still_told() -> None:
    told = run("head", "-c", "5000", "/dev/zero", limit=5000)
    assert isinstance(told, Known)
    assert len(told.value.stdout) == 5000


def test_a_hanging_program_is_ended_with_all_its_children(tmp_path: Path) -> None:
    file = tmp_path / "pids"
    script = f"sleep 300 & echo $! > {file}; echo $$ >> {file}; wait"
    started = time.monotonic()
    told = run("sh", "-c", script, timeout_s=0.5)
    assert isinstance(told, Unknown)
    assert "did not end within 0.5 s" in told.reason
    assert time.monotonic() - started < 5
    pids = [int(line) for line in file.read_text().split()]
    assert len(pids) == 2
    assert all(is_gone(pid) for pid in pids)


def test_a_program_that_ignores_the_polite_signal_is_ended_too() -> None:
    told = run("sh", "-c", "trap '' TERM INT HUP; while :; do sleep 1; done", timeout_s=0.3)
    assert isinstance(told, Unknown)


def test_the_audits_deadline_outdoes_the_programs_own_time() -> None:
    started = time.monotonic()
    told = run("sleep", "60", timeout_s=60, deadline_s=0.3)
    assert isinstance(told, Unknown)
    assert time.monotonic() - started < 5


def is_gone(pid: int) -> bool:
    """Give the kernel a moment: a killed process stays a zombie until its parent has taken it."""
    for _ in range(100):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state == "Z":
            return True
        time.sleep(0.05)
    return False


def test_nothing_that_was_started_is_left_behind() -> None:
    before = set(os.listdir("/proc/self/fd"))
    for _ in range(5):
        run("sleep", "60", timeout_s=0.05)
    assert set(os.listdir("/proc/self/fd")) == before
