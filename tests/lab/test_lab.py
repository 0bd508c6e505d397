"""The lab itself: that it is what it claims to be, and that nothing of it stays behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from .bad_dns import BadDns, Trouble
from .breakages import BREAKAGES
from .image import Layer, cache_directory, lower_directories
from .internet import Answer, State
from .lab import Lab, running_lab
from .leftovers import lab_cgroups, mount_point, reap
from .machine import CHECKOUT, LabError
from .mailhost import MailHost
from .names import HOST_IPV4, HOST_IPV6, HOST_NAME, SERVERS
from .variants import VARIANTS

NEW_CONFIGURATION = "update-exim4.conf -o /tmp/new; exim4 -bV -C /tmp/new 2>&1"
HOST_ADDRESSES = (HOST_IPV4, HOST_IPV6)
GMAIL = SERVERS["smtp.gmail.com"]
HELD_LAB = (sys.executable, "-m", "pytest", "-q", "-o", "addopts=", "tests/lab/held.py")
SAY_EHLO = """
import smtplib, sys
with smtplib.SMTP(sys.argv[1], 25, timeout=5) as server:
    print(server.ehlo("mail.example.com")[0])
"""
CONNECT = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=1).close()
    print("open")
except TimeoutError:
    print("silent")
"""
TIME_QUESTIONS = """
import time, dns.resolver
for number in range(20):
    before = time.monotonic()
    dns.resolver.resolve("mail.example.com", "A")
    print(time.monotonic() - before)
"""
RESOLVE = """
import dns.exception, dns.resolver, sys
try:
    print(dns.resolver.resolve(sys.argv[1], "A", lifetime=1.5)[0])
except dns.exception.DNSException as error:
    print(type(error).__name__, error)
"""


def on_host(lab: Lab, script: str, *arguments: str, user: str | None = None) -> str:
    """Run a Python script on the host and give what it printed."""
    done = lab.host.run(["python3", "-c", script, *arguments], user=user)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def traces(name: str) -> list[str]:
    """All that is left of a lab on this machine."""
    left = [str(path) for path in Path("/run/netns").glob(f"{name}*")]
    left += [str(path) for path in lab_cgroups(name)]
    left += [line for line in Path("/proc/mounts").read_text().splitlines() if name in line]
    for listing in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            left += [str(listing)] if name.encode() in listing.read_bytes() else []
        except OSError:
            continue
    return left + ([str(mount_point(name))] if mount_point(name).exists() else [])


@pytest.mark.parametrize("address", HOST_ADDRESSES)
@pytest.mark.parametrize("port", [25, 587])
def test_exim_greets_outsiders_with_the_hosts_name(
    healthy_lab: Lab, address: str, port: int
) -> None:
    outcome = healthy_lab.internet.connect(address, port)
    assert outcome.state is State.OPEN
    assert outcome.banner.startswith(f"220 {HOST_NAME} ESMTP Exim")


@pytest.mark.parametrize("address", HOST_ADDRESSES)
def test_the_other_mail_ports_are_open(healthy_lab: Lab, address: str) -> None:
    seen = {port: healthy_lab.internet.knock(address, port) for port in (465, 143, 993, 110)}
    assert seen == {465: State.OPEN, 143: State.OPEN, 993: State.OPEN, 110: State.REFUSED}


@pytest.mark.parametrize("port", [465, 993])
def test_tls_ports_show_the_certificate_of_the_host(healthy_lab: Lab, port: int) -> None:
    assert HOST_NAME.encode() in healthy_lab.internet.certificate(HOST_IPV4, port)


@pytest.mark.parametrize(
    ("name", "type_", "answer"),
    [
        (HOST_NAME, "A", Answer("NOERROR", (HOST_IPV4,))),
        (HOST_NAME, "AAAA", Answer("NOERROR", (HOST_IPV6,))),
        ("10.113.0.203.in-addr.arpa", "PTR", Answer("NOERROR", (f"{HOST_NAME}.",))),
        ("example.com", "MX", Answer("NOERROR", (f"10 {HOST_NAME}.",))),
        ("gmail.com", "MX", Answer("NOERROR", ("5 gmail-smtp-in.l.google.com.",))),
        ("no-such-name.example.com", "A", Answer("NXDOMAIN")),
        ("example.invalid", "A", Answer("NXDOMAIN")),
        ("outside.example.com", "TXT", Answer("NOERROR")),
    ],
)
def test_bind_answers_for_the_whole_world(
    healthy_lab: Lab, name: str, type_: str, answer: Answer
) -> None:
    assert healthy_lab.internet.dig(name, type_) == answer


@pytest.mark.parametrize("address", GMAIL)
def test_the_sink_talks_with_the_host_and_remembers(healthy_lab: Lab, address: str) -> None:
    own = HOST_IPV6 if ":" in address else HOST_IPV4
    assert on_host(healthy_lab, SAY_EHLO, address) == "250"
    visit = [each for each in healthy_lab.internet.sink.visits if each.peer == own][-1]
    assert (visit.server, visit.helo) == ("smtp.gmail.com", HOST_NAME)


def test_the_checkout_is_there_and_cannot_be_written(healthy_lab: Lab) -> None:
    assert healthy_lab.host.run(["test", "-d", "/opt/mailfix/agent/mailfix"]).returncode == 0
    assert healthy_lab.host.run(["touch", "/opt/mailfix/x"]).returncode != 0


def test_programs_run_as_another_user_and_are_killed_when_late(healthy_lab: Lab) -> None:
    assert healthy_lab.host.run(["id", "-un"], user="Debian-exim").stdout == "Debian-exim\n"
    with pytest.raises(subprocess.TimeoutExpired):
        healthy_lab.host.run(["sleep", "7531"], timeout=0.5)
    assert "sleep 7531" not in healthy_lab.host.sh("ps -eo args")


def test_the_machines_own_programs_look_from_outside(healthy_lab: Lab) -> None:
    script = "import socket; print(socket.getaddrinfo('mail.example.com', 25)[0][4][0])"
    done = healthy_lab.internet.run([sys.executable, "-c", script])
    assert done.stdout.strip() in HOST_ADDRESSES, done.stderr


def test_the_provider_blocks_one_port_of_one_family(lab: Lab) -> None:
    lab.internet.block_outgoing(25, family=4)
    ipv4, ipv6 = GMAIL
    seen = [
        on_host(lab, CONNECT, address, port)
        for address, port in ((ipv4, "25"), (ipv4, "443"), (ipv6, "25"), (ipv6, "443"))
    ]
    assert seen == ["silent", "open", "open", "open"]
    assert lab.internet.connect(HOST_IPV4, 25).state is State.OPEN


def test_names_change_while_the_lab_runs(lab: Lab) -> None:
    lab.internet.set_ptr(HOST_IPV6)
    lab.internet.set_records(HOST_NAME, "A", "203.0.113.11", "203.0.113.12")
    reverse = lab.internet.names.with_ptr(HOST_IPV6, "x").records[-1].name
    assert lab.internet.dig(reverse, "PTR").rcode == "NXDOMAIN"
    assert lab.internet.dig(HOST_NAME, "A").data == ("203.0.113.11", "203.0.113.12")


def test_dns_is_late_by_as_much_as_asked_for(lab: Lab) -> None:
    lab.internet.break_dns(BadDns(Trouble.SLOW, delay=0.020))
    taken = sorted(map(float, on_host(lab, TIME_QUESTIONS).split()))
    assert taken[0] >= 0.020
    assert taken[len(taken) // 2] < 0.060


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        (Trouble.SILENT, "LifetimeTimeout"),
        (Trouble.SERVFAIL, "SERVFAIL"),
        (Trouble.REFUSED, "REFUSED"),
        (Trouble.TRUNCATED, "refused"),
        (Trouble.GARBAGE, "LifetimeTimeout"),
        (Trouble.WRONG_ID, "does not"),
    ],
)
def test_dns_fails_for_the_chosen_names_and_mends(lab: Lab, trouble: Trouble, words: str) -> None:
    lab.internet.break_dns(BadDns(trouble, ("gmail.com",)))
    assert words in on_host(lab, RESOLVE, "smtp.gmail.com")
    assert on_host(lab, RESOLVE, HOST_NAME) == HOST_IPV4
    lab.internet.mend_dns()
    assert on_host(lab, RESOLVE, "smtp.gmail.com") == GMAIL[0]


@pytest.mark.parametrize("restart", [MailHost.reboot, MailHost.cut_power])
def test_the_host_comes_back_with_its_disk(lab: Lab, restart: Callable[[MailHost], None]) -> None:
    lab.host.write("/etc/motd", "still here\n")
    restart(lab.host)
    lab.host.wait_mail_ports()
    assert lab.host.read("/etc/motd") == "still here\n"


OPEN, REFUSED, SILENT = State.OPEN, State.REFUSED, State.SILENT


@pytest.mark.parametrize(
    ("name", "ipv4", "ipv6"),
    [
        ("blocked-25", SILENT, OPEN),
        ("blocked-25-legacy", SILENT, OPEN),
        ("blocked-25-v6", OPEN, SILENT),
        ("blocked-25-nft", SILENT, SILENT),
        ("policy-drop", SILENT, SILENT),
        ("user-chain-range", SILENT, OPEN),
        ("reject-25", REFUSED, OPEN),
        ("stopped-exim", REFUSED, REFUSED),
        ("killed-exim", REFUSED, REFUSED),
        ("masked-exim", REFUSED, REFUSED),
        ("broken-template", OPEN, OPEN),
        ("broken-template-restarted", REFUSED, REFUSED),
        ("loopback-only", REFUSED, REFUSED),
        ("unbindable-interface", REFUSED, REFUSED),
        ("nat", OPEN, OPEN),
    ],
)
def test_a_breakage_is_seen_from_outside(lab: Lab, name: str, ipv4: State, ipv6: State) -> None:
    BREAKAGES[name].apply(lab.host, lab.internet)
    assert lab.internet.knock(HOST_IPV4, 25, timeout=1.0) is ipv4
    assert lab.internet.knock(HOST_IPV6, 25, timeout=1.0) is ipv6


@pytest.mark.parametrize(
    ("name", "look", "seen"),
    [
        ("killed-exim", "systemctl is-active exim4", "active"),
        ("disabled-exim", "systemctl is-enabled exim4 2>/dev/null", "disabled"),
        ("masked-exim", "systemctl is-enabled exim4 2>/dev/null", "masked"),
        ("broken-template", NEW_CONFIGURATION, "no_such_option"),
        ("broken-own-conf", "exim4 -bV -C /etc/exim4/exim4.conf 2>&1", "no_such_option"),
        ("loopback-only", "ss -Hltn sport = 25", "127.0.0.1:25"),
        ("port-587-configured-not-listening", "exim4 -bP daemon_smtp_ports", "587"),
        ("short-hostname", "exim4 -bP primary_hostname", "= mail\n"),
        ("bare-domain-hostname", "exim4 -bP primary_hostname", "= example.com\n"),
        ("hostname-unresolvable", "hostname -f", "srv7.example.com"),
        ("ipv6-no-address", "ip -6 route; ip -6 address show dev eth0 scope global", "default"),
        ("nat", "ip -4 -brief address show dev eth0", "10.0.0.10/24"),
    ],
)
def test_a_breakage_is_seen_on_the_host(lab: Lab, name: str, look: str, seen: str) -> None:
    BREAKAGES[name].apply(lab.host, lab.internet)
    assert seen in lab.host.run(["sh", "-c", look]).stdout


@pytest.mark.parametrize(
    ("name", "helo"), [("nat", HOST_NAME), ("helo-mismatch", "somewhere.provider.example")]
)
def test_exims_own_helo_reaches_the_sink(lab: Lab, name: str, helo: str) -> None:
    BREAKAGES[name].apply(lab.host, lab.internet)
    lab.host.run(["exim4", "-odi", "someone@gmail.com"], text_in="Subject: lab\n\nlab\n")
    visits = [(each.server, each.helo) for each in lab.internet.sink.visits]
    assert ("gmail-smtp-in.l.google.com", helo) in visits


def test_only_exims_user_is_cut_off(lab: Lab) -> None:
    BREAKAGES["out-25-owner"].apply(lab.host, lab.internet)
    assert on_host(lab, CONNECT, GMAIL[0], "25") == "open"
    assert on_host(lab, CONNECT, GMAIL[0], "25", user="Debian-exim") == "silent"


@pytest.mark.parametrize("name", sorted(VARIANTS))
def test_every_variant_takes_mail(lab_machine: None, name: str) -> None:
    variant = VARIANTS[name]
    with running_lab(variant.layer) as lab:
        variant.apply(lab.host, lab.internet)
        assert lab.internet.connect(HOST_IPV4, 25).banner.startswith(f"220 {HOST_NAME} ESMTP")


def test_nothing_is_left_when_the_test_fails(lab_machine: None) -> None:
    seen: list[str] = []
    with pytest.raises(ZeroDivisionError):
        fail_in_a_lab(seen)
    assert traces(seen[0]) == []


def fail_in_a_lab(seen: list[str]) -> None:
    with running_lab() as lab:
        assert traces(lab.name)
        seen.append(lab.name)
        raise ZeroDivisionError


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_of_an_interrupted_run(
    lab_machine: None, tmp_path: Path, number: signal.Signals
) -> None:
    told = tmp_path / "name"
    child = subprocess.Popen(
        # A shell starts background jobs with SIGINT ignored, and children inherit that.
        [*("env", "--default-signal=INT"), *HELD_LAB],
        cwd=CHECKOUT,
        env={**outer_environment(), "MAILFIX_LAB_HELD": str(told)},
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        name = wait_for_text(told, child)
        child.send_signal(number)
        child.wait(20)
    finally:
        child.kill()
        child.wait()
    if number is signal.SIGKILL:
        reap()
    assert traces(name) == []


def outer_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}


def wait_for_text(path: Path, child: subprocess.Popen[bytes]) -> str:
    deadline = time.monotonic() + 30
    while not (path.exists() and path.read_text()):
        assert child.poll() is None, "the child pytest ended early"
        assert time.monotonic() < deadline, "the child pytest started no lab"
        time.sleep(0.05)
    return path.read_text()


def test_a_build_that_failed_is_never_used(lab_machine: None) -> None:
    broken = Layer((), setup=f"exit 3 # {os.getpid()}")
    before = set(cache_directory().iterdir())
    with pytest.raises(LabError, match="exit 3"):
        lower_directories(broken)
    new = {path for path in cache_directory().iterdir() if path not in before}
    assert not [path for path in new if not path.name.endswith(".building")]
