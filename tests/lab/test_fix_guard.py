"""The guard on a booted host: whatever becomes of the one who fixes, the way in opens again."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from . import lock_out
from .internet import State
from .lab import Lab, running_lab
from .names import HOST_IPV4

pytestmark = pytest.mark.usefixtures("lab_machine")

LIBRARY = "/usr/lib/python3/dist-packages"
LOADER = 'import importlib.util as u; u.find_spec("mailfix") and __import__("mailfix_lock_out")\n'
LOGIN_PORT = 2222
# What comes over the connection is run as its own session, as sshd does.
LOGIN = f"""
import socket, subprocess, threading
server = socket.create_server(("0.0.0.0", {LOGIN_PORT}))
while True:
    line, _ = server.accept()
    command = line.recv(500).decode()
    session = subprocess.Popen(["sh", "-c", command], stdin=line, stdout=line, stderr=line,
                               start_new_session=True)
    threading.Thread(target=session.wait).start()
    line.close()
"""
GUARD_S = 3
RESCUE_S = 15.0


@pytest.fixture(scope="module")
def guarded(lab_machine: None) -> Iterator[Lab]:
    """A host that knows the harmful changes, and on which one can log in from outside."""
    with running_lab() as lab:
        source = Path(lock_out.__file__).read_text(encoding="utf-8")
        lab.host.write(f"{LIBRARY}/mailfix_lock_out.py", source)
        lab.host.write(f"{LIBRARY}/mailfix_lock_out.pth", LOADER)
        lab.host.write("/root/login.py", LOGIN)
        start_login(lab)
        yield lab


def start_login(lab: Lab) -> None:
    lab.host.sh(
        "systemd-run --quiet --unit=login --setenv=PYTHONPATH=/opt/mailfix/agent "
        "python3 /root/login.py"
    )
    lab.host.wait_port(LOGIN_PORT)


@pytest.fixture
def host_before(guarded: Lab) -> Iterator[Lab]:
    """The file that is changed as it was; afterwards nothing may be left of a guard."""
    guarded.host.write(lock_out.KEPT_FILE, "as it was\n")
    before = traces(guarded)
    yield guarded
    assert traces(guarded) == before
    assert units(guarded) == ""


def traces(lab: Lab) -> str:
    """Where units of ours would lie, and the file, with modes and owners."""
    return lab.host.sh(
        "find /etc/systemd/system -printf '%p %m %u %l\\n' | sort; nft list tables;"
        f"stat -c '%a %U' {lock_out.KEPT_FILE}"
    )


def units(lab: Lab) -> str:
    return lab.host.sh("systemctl list-units --all --plain --no-legend 'mailfix-guard*'").strip()


def fix(scenario: str, seconds: int = GUARD_S) -> str:
    return f"""python3 -c 'import mailfix_lock_out as it; it.run("{scenario}", {seconds})'"""


def made(lab: Lab, scenario: str, seconds: int = GUARD_S) -> str:
    """Make the changes; give the transaction's number."""
    told = lab.host.sh(f"export PYTHONPATH=/opt/mailfix/agent; {fix(scenario, seconds)}")
    number, _, end = told.splitlines()[-1].partition(" ")
    assert end == "made"
    return number


def content(lab: Lab) -> str:
    return lab.host.read(lock_out.KEPT_FILE)


@contextmanager
def logged_in(lab: Lab, command: str) -> Iterator[None]:
    """Run a command from the Internet, over a connection that stays open."""
    with lab.internet.socket(HOST_IPV4, LOGIN_PORT) as line:
        line.sendall(command.encode())
        yield


def wait_until_settled(lab: Lab) -> None:
    deadline = time.monotonic() + RESCUE_S
    while units(lab):
        assert time.monotonic() < deadline, lab.host.sh("journalctl -u 'mailfix*' | tail -n 50")
        time.sleep(0.1)


def test_a_lock_out_is_taken_back_when_who_made_it_and_his_session_are_dead(
    host_before: Lab,
) -> None:
    lab = host_before
    with logged_in(lab, f"echo $$ >/root/session; {fix('lock-out')}"):
        lab.host.wait_port(25, State.SILENT)
        assert content(lab) == "changed\n"
        lab.host.sh("env kill -KILL -- -$(cat /root/session)")
        assert lab.host.run(["pgrep", "-s", lab.host.read("/root/session").strip()]).stdout == ""
    lab.host.wait_port(25)
    lab.host.wait_port(LOGIN_PORT)
    wait_until_settled(lab)
    assert content(lab) == "as it was\n"


def test_a_fix_that_hangs_and_keeps_the_lock_is_ended_with_all_that_it_started(
    host_before: Lab,
) -> None:
    lab = host_before
    with logged_in(lab, f"echo $$ >/root/session; exec {fix('hanging')}"):
        lab.host.wait_port(25, State.SILENT)
        assert lab.host.run(["pgrep", "-x", "sleep"]).stdout != ""
        lab.host.wait_port(25)
    wait_until_settled(lab)
    assert lab.host.run(["pgrep", "-x", "sleep"]).stdout == ""
    assert content(lab) == "as it was\n"


def test_what_is_confirmed_in_time_stays(host_before: Lab) -> None:
    lab, seconds = host_before, 8
    number = made(lab, "file", seconds)
    assert units(lab) != ""
    lab.host.sh("systemctl daemon-reload; systemctl start sysinit.target")
    lab.host.sh("systemctl start mailfix-recover-pending.service")
    assert content(lab) == "changed\n", "the unit for the next boot, started in this one"
    assert f"transaction {number} is kept" in lab.host.sh("mailfix confirm")
    assert units(lab) == ""
    time.sleep(seconds + 1)
    assert content(lab) == "changed\n"
    late = lab.host.run(["mailfix", "confirm"])
    assert late.returncode == 64
    assert f"nothing waits for confirmation: transaction {number} is applied" in late.stderr


def test_a_confirmation_that_comes_too_late_says_what_happened(host_before: Lab) -> None:
    lab = host_before
    made(lab, "file", 1)
    wait_until_settled(lab)
    assert content(lab) == "as it was\n"
    late = lab.host.run(["mailfix", "confirm"])
    assert late.returncode == 64
    assert "is taken back: it was not confirmed in time" in late.stderr


def test_a_guard_that_dies_half_way_is_started_again(host_before: Lab) -> None:
    lab = host_before
    made(lab, "bomb")
    lab.host.wait_port(25, State.SILENT)
    lab.host.wait_port(25)
    wait_until_settled(lab)
    assert "status=9/KILL" in lab.host.sh("journalctl -u 'mailfix-guard-*'")
    assert content(lab) == "as it was\n"


@pytest.mark.parametrize("restart", ["reboot", "cut_power"])
def test_a_restart_before_the_confirmation_takes_back_before_the_network_is_up(
    host_before: Lab, restart: str
) -> None:
    lab = host_before
    made(lab, "file", 600)
    getattr(lab.host, restart)()
    assert content(lab) == "as it was\n"
    assert ended(lab, "mailfix-recover-pending.service") < begun(lab, "network-pre.target")
    assert ended(lab, "mailfix-recover-pending.service") < begun(lab, "exim4.service")
    assert "ordering cycle" not in lab.host.sh("journalctl -b")
    start_login(lab)


@pytest.mark.parametrize("guard_s", [600, 0])
def test_a_power_cut_in_the_middle_is_taken_back_at_boot(host_before: Lab, guard_s: int) -> None:
    lab = host_before
    with logged_in(lab, fix("hanging", guard_s)):
        lab.host.wait_port(25, State.SILENT)
    lab.host.cut_power()
    assert content(lab) == "as it was\n"
    start_login(lab)


def test_without_systemd_nothing_is_changed(host_before: Lab) -> None:
    lab = host_before
    lab.host.sh("mount -t tmpfs none /run/systemd")
    try:
        done = lab.host.run(["sh", "-c", f"PYTHONPATH=/opt/mailfix/agent {fix('file')}"])
    finally:
        lab.host.sh("umount /run/systemd")
    assert "use --no-guard" in done.stderr
    assert content(lab) == "as it was\n"
    lab.host.sh("mailfix recover")


def test_a_guard_that_could_not_take_back_is_not_relied_upon(host_before: Lab) -> None:
    """The program cannot be started by systemd: that is found out before anything is changed."""
    lab = host_before
    lab.host.sh(f"mv {LIBRARY}/typer {LIBRARY}/typer-away")
    try:
        done = lab.host.run(["sh", "-c", f"PYTHONPATH=/opt/mailfix/agent {fix('file')}"])
    finally:
        lab.host.sh(f"mv {LIBRARY}/typer-away {LIBRARY}/typer")
    assert "the guard cannot be armed, nothing was changed" in done.stderr
    assert content(lab) == "as it was\n"
    lab.host.sh("mailfix recover")


def ended(lab: Lab, unit: str) -> int:
    return moment(lab, unit, "ExecMainExitTimestampMonotonic")


def begun(lab: Lab, unit: str) -> int:
    return moment(lab, unit, "ActiveEnterTimestampMonotonic")


def moment(lab: Lab, unit: str, which: str) -> int:
    """In microseconds on the kernel's clock; 0 stands for never."""
    found = int(lab.host.sh(f"systemctl show --value -p {which} {unit}"))
    assert found
    return found
