"""``mailfix report`` and ``mailfix ignore`` as a user meets them, on a machine that is offline."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from mailfix.report.document import SCHEMA_FILE
from tests.unit.test_cli import ENVIRONMENT, UNSHARE, needs_namespace

pytestmark = needs_namespace

SCHEMA = Draft202012Validator(
    json.loads(SCHEMA_FILE.with_name("news.schema.json").read_text("utf-8"))
)
OFFLINE = "host-offline"
STATE = "/var/lib/mailfix"


@dataclass(frozen=True)
class Machine:
    """A machine that is offline, whose state folder outlives each command."""

    state: Path

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run mailfix with this machine's folder in place of the real one."""
        assert UNSHARE is not None
        command = shlex.join([sys.executable, "-m", "mailfix", *arguments])
        script = (
            f"mount -t tmpfs none /run && mount -t tmpfs none /var/lib && mkdir {STATE} && "
            f"mount --bind {self.state} {STATE} && exec {command}"
        )
        return subprocess.run(
            [UNSHARE, "--net", "--mount", "sh", "-c", script],
            env=ENVIRONMENT,
            cwd="/",
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def document(self, *arguments: str) -> dict[str, Any]:
        """What a report says, held against its schema."""
        content: dict[str, Any] = json.loads(
            self.run("report", "--format", "json", *arguments).stdout
        )
        SCHEMA.validate(content)
        return content

    def stored(self) -> list[dict[str, Any]]:
        files = sorted(self.state.glob("reports/*.json"))
        return [json.loads(file.read_text("utf-8")) for file in files]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    if shutil.which("mount") is None:
        pytest.skip("needs mount")
    folder = tmp_path / "mailfix"
    folder.mkdir(mode=0o700)
    return Machine(folder)


def rules_of(standings: list[dict[str, Any]]) -> set[str]:
    return {each["rule"] for each in standings}


def test_the_second_report_tells_as_still_there_what_the_first_told_as_new(
    machine: Machine,
) -> None:
    first = machine.run("report")
    assert first.returncode == 1
    assert ": 2 new" in first.stdout.splitlines()[0]
    second = machine.document()
    assert second["changed"] is False
    assert OFFLINE in rules_of(second["still"])
    assert not second["new"]
    reports = machine.stored()
    for each in reports:
        SCHEMA.validate(each)
    assert OFFLINE in rules_of(reports[0]["new"])
    assert {each["door"] for each in reports[0]["deliveries"]} >= {"journal", "prometheus"}


def test_a_dry_look_keeps_nothing(machine: Machine) -> None:
    for _ in range(2):
        assert OFFLINE in rules_of(machine.document("--no-delivery")["new"])
    assert list(machine.state.iterdir()) == []


def test_what_is_ignored_is_wrong_no_more_until_it_is_taken_back(machine: Machine) -> None:
    for rule in (OFFLINE, "mail-server-missing"):
        done = machine.run("ignore", rule, "--until", "30d", "--why", "a laptop")
        assert "(whatever its subject): a laptop" in done.stdout
    audit = machine.run("audit")
    assert audit.returncode == 0
    assert "Ignored by choice" in audit.stdout
    report = machine.run("report")
    assert report.returncode == 0
    assert ": nothing new" in report.stdout
    assert "Ignored through" in report.stdout
    listed = machine.run("ignore").stdout.splitlines()
    assert len(listed) == 2
    machine.run("ignore", OFFLINE, "--end")
    assert rules_of(machine.document()["new"]) == {OFFLINE}


def test_damaged_state_is_told_in_one_line_each_and_moved_aside(machine: Machine) -> None:
    (machine.state / "standings.json").write_text('{"schema": "mailfix.standings/99"}')
    (machine.state / "acknowledged.json").write_text("\x1b{")
    done = machine.run("report")
    assert done.returncode == 1
    acknowledged, standings = done.stderr.splitlines()
    assert "everything counts as new" in standings
    assert "what is ignored for a while is not known" in acknowledged
    assert (machine.state / "standings.json.unreadable").exists()
    assert "everything counts as new" not in machine.run("report").stderr
