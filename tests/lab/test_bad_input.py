"""What an audit says on a host where its own sources lie, hang or are missing."""

from __future__ import annotations

import pytest

from .lab import Lab
from .mailhost import Audit
from .names import HOST_IPV4

pytestmark = pytest.mark.usefixtures("lab_machine")

MAILFIX_HERE = ("/usr/bin/env", "PYTHONPATH=agent", "/usr/bin/python3", "-m", "mailfix")
HANGING = "#!/bin/sh\nexec sleep 3600\n"
GARBAGE = "\x00\x1b[31mred\x07\u202e\n= = =\n\xff\xfe%n%s${run{/bin/true}}\n"
HOLD_XTABLES_LOCK = "flock /run/xtables.lock sleep 30 & sleep 0.2; exit 0"
MANY_LISTENERS = """
import itertools, os, resource, socket, time
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
each = hard - 100
ports = iter(range(1024, 51024))
ready, told = os.pipe()
children = 0
while batch := list(itertools.islice(ports, each)):
    children += 1
    if os.fork() == 0:
        held = []
        for port in batch:
            listener = socket.socket()
            listener.bind(("127.0.0.3", port))
            listener.listen(1)
            held.append(listener)
        os.write(told, b"x")
        time.sleep(90)
        os._exit(0)
for _ in range(children):
    os.read(ready, 1)
"""


def replace_program(lab: Lab, path: str, text: str) -> None:
    lab.host.sh(f"mv {path} {path}.real")
    lab.host.write(path, text)
    lab.host.sh(f"chmod 755 {path}")


def statuses(audit: Audit) -> dict[str, set[str]]:
    told: dict[str, set[str]] = {}
    for finding in audit.report["findings"]:
        told.setdefault(finding["rule"], set()).add(finding["status"])
    return told


def messages(audit: Audit, status: str) -> str:
    return "\n".join(
        each["message"] for each in audit.report["findings"] if each["status"] == status
    )


def in_time(audit: Audit) -> bool:
    return bool(audit.report["duration_s"] < 10) and "Traceback" not in audit.stderr


def test_without_root_what_needs_root_is_unknown_and_says_so(lab: Lab) -> None:
    done = lab.host.run(["mailfix", "audit"], user="www-data")
    assert done.returncode == 2
    assert "reading the firewall needs root" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_without_nft_the_rules_in_the_kernel_are_unknown(lab: Lab) -> None:
    lab.host.sh("nft add table inet t; rm /usr/sbin/nft")
    audit = lab.host.audit()
    assert statuses(audit)["firewall-inbound-blocked"] == {"unknown"}
    assert "apt install nftables" in messages(audit, "unknown")


def test_without_any_firewall_tool_an_empty_kernel_is_open(lab: Lab) -> None:
    lab.host.sh("rm /usr/sbin/nft /usr/sbin/xtables-*-multi /usr/sbin/ipset")
    assert lab.host.audit().exit_code == 0


def test_without_ss_the_listeners_are_told_all_the_same(lab: Lab) -> None:
    lab.host.sh("rm $(readlink -f $(command -v ss))")
    assert lab.host.audit().exit_code == 0


def test_a_hanging_exim_is_unknown_within_the_time(lab: Lab) -> None:
    replace_program(lab, "/usr/sbin/exim4", HANGING)
    audit = lab.host.audit()
    assert in_time(audit)
    assert statuses(audit)["exim-config-invalid"] == {"unknown"}
    assert "did not end within" in messages(audit, "unknown")
    assert audit.exit_code == 2


def test_a_hanging_nft_is_unknown_within_the_time(lab: Lab) -> None:
    replace_program(lab, "/usr/sbin/nft", HANGING)
    audit = lab.host.audit()
    assert in_time(audit)
    assert statuses(audit)["firewall-inbound-blocked"] == {"unknown"}


@pytest.mark.parametrize("program", ["exim4", "nft", "ss", "systemctl", "hostname", "ipset"])
def test_a_program_that_prints_garbage_does_no_harm(lab: Lab, program: str) -> None:
    path = lab.host.sh(f"readlink -f $(command -v {program})").strip()
    replace_program(lab, path, "#!/bin/sh\nhead -c 100000 /dev/urandom\n")
    audit = lab.host.audit()
    assert in_time(audit)
    assert audit.exit_code in (0, 1, 2)


@pytest.mark.parametrize(
    "file",
    ["/etc/hosts", "/etc/mailname", "/etc/hostname", "/etc/resolv.conf"],
)
def test_garbage_in_a_file_is_escaped_and_survived(lab: Lab, file: str) -> None:
    lab.host.write(file, GARBAGE)
    audit = lab.host.audit()
    assert in_time(audit)
    assert "\x1b" not in str(audit.report) + audit.stderr
    shown = lab.host.run(["mailfix", "audit", "--all"]).stdout
    assert not {"\x1b", "\x07", "\u202e", "\x00"} & set(shown)


def test_a_fifo_in_place_of_a_file_does_not_block(lab: Lab) -> None:
    lab.host.sh("rm /etc/hostname; mkfifo /etc/hostname")
    audit = lab.host.audit()
    assert in_time(audit)
    assert "not a regular file" in messages(audit, "unknown")


def test_a_lock_held_by_another_iptables_does_not_matter(lab: Lab) -> None:
    lab.host.sh("iptables-legacy -A INPUT -p tcp --dport 25 -j DROP")
    lab.host.sh(HOLD_XTABLES_LOCK)
    audit = lab.host.audit()
    assert in_time(audit)
    assert "iptables-legacy" in messages(audit, "fail")


def test_fifty_thousand_listeners_are_survived_in_time(lab: Lab) -> None:
    lab.host.sh(f"ulimit -n $(ulimit -Hn); python3 -c '{MANY_LISTENERS}' >/dev/null 2>&1")
    audit = lab.host.audit()
    assert in_time(audit)
    assert statuses(audit)["mail-port-taken"] <= {"pass", "unknown"}


def test_a_hostile_banner_is_printed_without_its_control_characters(lab: Lab) -> None:
    lab.host.append(
        "/etc/exim4/exim4.conf.localmacros",
        'smtp_banner = "evil\\x1b[2Jname ESMTP \\x9b31m"\n',
    )
    lab.host.restart_exim()
    lab.host.wait_mail_ports()
    shown = lab.host.run(["mailfix", "audit"])
    assert shown.returncode == 1
    assert "begins with" in shown.stdout
    assert "\x1b" not in shown.stdout
    assert "\x9b" not in shown.stdout


def test_probe_from_outside_sees_what_the_internet_sees(lab: Lab) -> None:
    lab.host.sh("iptables -A INPUT -p tcp --dport 587 -j DROP")
    seen = lab.internet.run((*MAILFIX_HERE, "probe", HOST_IPV4, "--timeout", "1"))
    rows = {row.split()[1]: row for row in seen.stdout.splitlines() if HOST_IPV4 in row[:40]}
    assert "open" in rows["25"]
    assert "filtered" in rows["587"]
    assert seen.returncode == 0
