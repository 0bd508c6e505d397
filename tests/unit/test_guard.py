"""The units that systemd starts when nobody else can: what they say and to which program."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailfix.apply import boot_unit, guard
from mailfix.apply.store import STATE_FOLDER, Store
from mailfix.host import boot, itself
from mailfix.model import Refusal

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ROOT / "systemd" / "mailfix-recover.service"
TRADITIONAL = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1)


def test_the_shipped_unit_is_the_one_that_is_made_where_no_package_is_installed() -> None:
    made = boot_unit.text(("/usr/bin/mailfix", "recover", "--boot"), (STATE_FOLDER,))
    assert SHIPPED.read_text("utf-8") == made


def test_the_unit_runs_before_the_network_the_firewall_and_the_mail_server() -> None:
    lines = SHIPPED.read_text("utf-8").splitlines()
    before = {unit for line in lines if line.startswith("Before=") for unit in line[7:].split()}
    assert {"network-pre.target", "nftables.service", "ufw.service", "exim4.service"} <= before
    assert "DefaultDependencies=no" in lines
    assert "WantedBy=sysinit.target" in lines


def test_the_program_is_found_from_anywhere_with_nothing_but_its_own_environment() -> None:
    done = subprocess.run(
        itself.command("--version"),
        env=dict([itself.environment().split("=", 1)]),
        cwd="/",
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.startswith("mailfix ")


def test_the_running_interpreter_is_started() -> None:
    unit = boot_unit.text(itself.command("recover", "--boot"), itself.folders(), "PYTHONPATH=/a b")
    assert f"ExecStart={sys.executable} -P -m mailfix recover --boot" in unit
    assert 'Environment="PYTHONPATH=/a b"' in unit


@given(TRADITIONAL)
def test_no_sign_in_a_path_means_anything_to_systemd(word: str) -> None:
    """Quotes and backslashes as a shell reads them, ``%`` and ``$`` doubled (systemd.syntax(7))."""
    unit = boot_unit.text((word,), ("/var",))
    line = next(each for each in unit.splitlines() if each.startswith("ExecStart="))
    (read,) = shlex.split(line.removeprefix("ExecStart="))
    assert read.replace("%%", "%").replace("$$", "$") == word
    assert read.replace("%%", "").count("%") == 0
    assert read.replace("$$", "").count("$") == 0


def test_without_systemd_the_guard_is_refused_with_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(boot, "SYSTEMD_FOLDER", str(tmp_path / "missing"))
    store = Store(str(tmp_path))
    with pytest.raises(Refusal, match="use --no-guard"):
        guard.arm(store, 1, 60)
    guard.disarm(store, 1)
    assert not guard.watches(1)


def test_the_identity_of_a_boot_stays_and_names_its_init() -> None:
    assert boot.identity() == boot.identity()
    boot_id, started = boot.identity().split(" ")
    assert boot_id == Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    assert started.isdigit()


def test_an_init_of_any_name_has_its_start_time_read() -> None:
    stat = f"1 (a) b (c) S {' '.join(str(number) for number in range(4, 53))}"
    assert boot.start_time(stat) == "22"
