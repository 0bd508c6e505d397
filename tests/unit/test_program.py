"""What a fix starts ends with it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from mailfix.host import program
from mailfix.model import Known, Unknown

AGENT = Path(__file__).resolve().parents[2] / "agent"


def test_a_program_reads_its_input_and_its_exit_status_is_told() -> None:
    told = program.run(("sh", "-c", "cat; exit 3"), text_in="rule\n")
    assert isinstance(told, Known)
    assert (told.value.stdout, told.value.code) == ("rule\n", 3)


def test_a_program_that_is_not_installed_is_named() -> None:
    assert program.run(("no-such-program",)) == Unknown("no-such-program is not installed")


def test_a_program_does_not_act_after_its_fix_was_killed(tmp_path: Path) -> None:
    begun, acted = tmp_path / "begun", tmp_path / "acted"
    shell = f"echo >{begun}; sleep 1; echo >{acted}"
    script = f"from mailfix.host import program; program.run(('sh', '-c', {shell!r}))"
    child = subprocess.Popen(
        [sys.executable, "-c", script], env={**os.environ, "PYTHONPATH": str(AGENT)}
    )
    while not begun.exists():
        time.sleep(0.01)
    child.send_signal(signal.SIGKILL)
    child.wait()
    time.sleep(1.5)
    assert not acted.exists()
