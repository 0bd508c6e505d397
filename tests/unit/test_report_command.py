"""``mailfix report`` and ``mailfix ignore`` as a user meets them, on a machine that is offline."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass, replace
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


SETTINGS = "/etc/mailfix/mailfix.yml"
IN_PLACE = f"""
mount -t tmpfs none /run
mount -t tmpfs none /var/lib
mkdir /var/lib/upper /var/lib/work {STATE}
mount -t overlay -o lowerdir=/etc,upperdir=/var/lib/upper,workdir=/var/lib/work overlay /etc
mkdir -p {SETTINGS.rpartition("/")[0]}
mount --bind "$1" {STATE}
cat >{SETTINGS}
shift
exec "$@"
"""


@dataclass(frozen=True)
class Machine:
    """A machine that is offline, whose state folder outlives each command."""

    state: Path
    settings: str = ""

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run mailfix with this machine's folder and settings in place of the real ones."""
        assert UNSHARE is not None
        mailfix = [sys.executable, "-m", "mailfix", *arguments]
        return subprocess.run(
            [UNSHARE, "--net", "--mount", "sh", "-ec", IN_PLACE, "sh", str(self.state), *mailfix],
            input=self.settings,
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


def test_a_door_that_failed_is_told_and_kept_and_changes_no_exit_code(machine: Machine) -> None:
    hook = "report: {webhook: {url: 'http://127.0.0.1:9/', tries: 1}}\n"
    done = replace(machine, settings=hook).run("report")
    assert done.returncode == 1
    assert done.stderr.startswith("mailfix: the report did not go out by webhook: 127.0.0.1")
    (report,) = machine.stored()
    outcomes = {each["door"]: each["outcome"] for each in report["deliveries"]}
    assert (outcomes["webhook"], outcomes["page"]) == ("failed", "delivered")


def test_as_many_are_kept_as_the_settings_say(machine: Machine) -> None:
    few = replace(machine, settings="report: {keep: 1}\n")
    for _ in range(2):
        few.run("report")
    (report,) = machine.stored()
    assert report["changed"] is False
