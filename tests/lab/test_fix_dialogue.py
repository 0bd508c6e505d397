"""What an administrator at the terminal is shown and asked, and when a fix refuses."""

from __future__ import annotations

import pytest

from .breakages import BREAKAGES, TEMPLATE
from .internet import State
from .lab import Lab
from .mailhost import MailHost
from .names import HOST_IPV4, HOST_NAME
from .present import Present
from .terminal import answered
from .test_audit import rules_that
from .test_fix import fix

pytestmark = pytest.mark.usefixtures("lab_machine")

JOURNAL = "/var/lib/mailfix/transactions/000001/journal"
LOCKS_DPKG = """
import fcntl, time
with open("/var/lib/dpkg/lock-frontend", "w") as file:
    fcntl.lockf(file, fcntl.LOCK_EX)
    print("locked", flush=True)
    time.sleep(600)
"""


def refused(host: MailHost, *arguments: str) -> str:
    """The one line of complaint of a command that changes nothing."""
    done = host.run(["mailfix", *arguments])
    assert done.returncode == 64, done.stdout + done.stderr
    return done.stderr.strip().splitlines()[-1]


def test_each_finding_is_asked_about_and_only_what_was_chosen_is_done(lab: Lab) -> None:
    for name in ("short-hostname", "blocked-25", "ipv6-no-ptr"):
        BREAKAGES[name].apply(lab.host, lab.internet)
    session = answered(lab.host, ["mailfix", "fix"], ["y", "n", "y", "y", "k"])
    for words in (
        "--A INPUT -p tcp -m tcp --dport 25 -j DROP",
        "changes nothing else",
        "+disable_ipv6 = true",
        "+mail.example.com",
        "To be done, all of it or nothing:",
        "mailfix confirm 1",
        "applied and verified",
        "To take it back later: mailfix undo 1",
    ):
        assert words in session.screen
    assert session.exit_code == 1
    assert lab.internet.knock(HOST_IPV4, 25) is State.OPEN
    assert lab.host.sh("hostname").strip() == HOST_NAME
    assert "disable_ipv6" not in lab.host.read(TEMPLATE)
    assert rules_that("fail", lab.host.audit()) == {"ipv6-ptr-missing"}
    assert "mailfix" not in lab.host.sh("systemctl list-timers --all")


def test_what_is_not_kept_at_the_terminal_is_taken_back(lab: Lab) -> None:
    BREAKAGES["loopback-only"].apply(lab.host, lab.internet)
    before = Present.of(lab.host)
    session = answered(lab.host, ["mailfix", "fix", "--only", "smtp-loopback-only"], "yy")
    assert "taken back, all is as before" in session.screen
    assert session.exit_code == 1
    assert before.difference(Present.of(lab.host)) == []
    assert lab.internet.knock(HOST_IPV4, 25) is State.REFUSED


def test_saying_no_to_everything_changes_nothing(lab: Lab) -> None:
    BREAKAGES["blocked-25"].apply(lab.host, lab.internet)
    before = Present.of(lab.host)
    assert "nothing was changed" in answered(lab.host, ["mailfix", "fix"], "n").screen
    assert "nothing was changed" in answered(lab.host, ["mailfix", "fix"], "yn").screen
    assert before.difference(Present.of(lab.host)) == []
    assert lab.host.sh("mailfix history").strip() == "nothing was changed on this host yet"


def test_one_fix_at_a_time_and_none_while_something_waits(lab: Lab) -> None:
    BREAKAGES["blocked-25"].apply(lab.host, lab.internet)
    lab.host.write("/root/locks_dpkg.py", LOCKS_DPKG)
    lab.host.sh(
        "systemd-run --quiet --unit=dpkg-at-work python3 /root/locks_dpkg.py\n"
        "while ! journalctl --unit dpkg-at-work | grep -q locked; do sleep 0.1; done"
    )
    assert "dpkg is at work (pid " in refused(lab.host, "fix", "--yes")
    lab.host.sh("systemctl stop dpkg-at-work")
    made = fix(lab.host)
    assert made.result["guard_s"] == 120
    assert "transaction 1 waits for confirmation" in refused(lab.host, "fix", "--yes")
    lab.host.sh("mailfix confirm")
    assert "nothing waits for confirmation" in refused(lab.host, "confirm")
    assert "there is no rule 'nonsense'" in refused(lab.host, "fix", "--yes", "--only", "nonsense")


def test_what_was_changed_since_is_shown_and_not_overwritten(lab: Lab) -> None:
    BREAKAGES["loopback-only"].apply(lab.host, lab.internet)
    file = "/etc/exim4/update-exim4.conf.conf"
    before = lab.host.read(file)
    made = fix(lab.host, "--only", "smtp-loopback-only")
    assert made.result["end"] == "made"
    lab.host.sh("mailfix confirm")
    lab.host.append(file, "# a note of the administrator's\n")
    done = lab.host.run(["mailfix", "undo", "--yes"])
    assert done.returncode == 64
    assert "+# a note of the administrator's" in done.stderr
    assert f"--force {file}" in done.stderr
    assert lab.host.read(file).endswith("# a note of the administrator's\n")
    forced = lab.host.run(["mailfix", "undo", "--yes", "--no-guard", "--force", file])
    assert forced.returncode == 0, forced.stdout + forced.stderr
    assert lab.host.read(file) == before


@pytest.mark.parametrize("ending", ["TERM", "HUP", "INT"])
def test_a_fix_that_is_told_to_end_takes_everything_back_at_once(lab: Lab, ending: str) -> None:
    BREAKAGES["loopback-only"].apply(lab.host, lab.internet)
    before = Present.of(lab.host)
    lab.host.sh(
        "mailfix fix --yes --only smtp-loopback-only >/root/told 2>&1 &\n"
        "fix=$!\n"
        f"while ! grep -qs intent {JOURNAL}; do sleep 0.01; done\n"
        f"kill -{ending} $fix; wait $fix || true"
    )
    assert "taken back, all is as before" in lab.host.read("/root/told")
    assert "it was interrupted" in lab.host.read("/root/told")
    assert before.difference(Present.of(lab.host)) == []
    assert "mailfix" not in lab.host.sh("systemctl list-timers --all")
