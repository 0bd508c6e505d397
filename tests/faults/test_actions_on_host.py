"""Every action on a booted host: the command is hit at each flush, rename and process start."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import pytest

from tests.faults.sweep import FULL, Fault, fail, kill
from tests.faults.tally import Tally, Verdict
from tests.lab.breakages import BREAKAGES
from tests.lab.conftest import lab_machine
from tests.lab.image import SAVED_IPTABLES, Layer
from tests.lab.lab import running_lab
from tests.lab.mailhost import MailHost
from tests.lab.present import Present

__all__ = ["lab_machine"]
pytestmark = pytest.mark.usefixtures("lab_machine")


@dataclass(frozen=True, slots=True)
class Case:
    """``rule`` is the one whose action cures the breakage; ``also`` is done to the host besides."""

    breakage: str
    rule: str
    also: str = ""
    layer: Layer | None = None
    in_ci: bool = False


INBOUND = "firewall-inbound-blocked"
CASES = (
    Case("blocked-25", INBOUND, in_ci=True),
    Case("blocked-25-legacy", INBOUND),
    Case("blocked-25-nft", INBOUND),
    Case("blocked-25", INBOUND, "iptables-save >/etc/iptables/rules.v4", SAVED_IPTABLES),
    Case("policy-drop", INBOUND),
    Case("out-25-drop", "firewall-outbound-blocked"),
    Case("stopped-exim", "server-stopped"),
    Case("disabled-exim", "server-disabled", in_ci=True),
    Case("loopback-only", "smtp-loopback-only"),
    Case("short-hostname", "hostname-not-qualified"),
    Case("ipv6-no-ptr", "ipv6-ptr-missing"),
)
COUNTED = ("fsync", "rename", "vfork", "pipe2")
FAULTS = (
    kill("fsync"),
    fail("fsync", "EIO"),
    kill("rename"),
    fail("rename", "EIO"),
    kill("vfork"),
    fail("pipe2", "EMFILE"),
)
KILLED = (-signal.SIGKILL, 128 + signal.SIGKILL)
LOG = "/run/strace.log"
FIX = ("mailfix", "fix", "--yes", "--no-guard", "--format", "json", "--only")
LIVE = """
systemctl is-active exim4 dovecot || true
systemctl is-enabled exim4 || true
hostname
ss -Hltn | awk '{print $4}' | sort
"""


@dataclass(frozen=True, slots=True)
class Look:
    """Files, rules, and what runs."""

    present: Present
    live: str

    @classmethod
    def at(cls, host: MailHost) -> Look:
        return cls(Present.of(host), host.sh(LIVE))

    def difference(self, other: Look) -> list[str]:
        found = self.present.difference(other.present)
        return found if self.live == other.live else [*found, f"{self.live} became {other.live}"]


@dataclass(frozen=True, slots=True)
class Patient:
    """A broken host and the rule that fails there."""

    host: MailHost
    rule: str
    before: Look

    def fix(self, options: list[str]) -> subprocess.CompletedProcess[str]:
        """The command under strace, which keeps in the log what it saw and ends likewise."""
        strace = ["strace", "-f", "-q", "-o", LOG, *options]
        return self.host.run([*strace, *FIX, self.rule], timeout=240)

    def numbers(self) -> dict[str, range]:
        """Which calls of each kind, counted in their thread, lie between begin and end."""
        # The first run keeps its bytecode, with renames of its own.
        self.host.run([*FIX, self.rule, "--dry-run"], timeout=120)
        done = self.fix(["-y", f"--trace=write,{','.join(COUNTED)}"])
        assert json.loads(done.stdout)["end"] == "made", done
        lines = self.host.read(LOG).splitlines()
        own = [line for line in lines if line.split()[0] == lines[0].split()[0]]
        own = [line for line in own if "pycache" not in line]
        journal = [number for number, line in enumerate(own) if "/journal>" in line]
        before, until = own[: journal[0]], own[: journal[-1] + 2]
        return {call: range(1 + _count(call, before), 1 + _count(call, until)) for call in COUNTED}

    def hit(self, fault: Fault, number: int) -> Verdict:
        """Hit the command there, recover, and find the host as before, or as planned."""
        fast = ["--seccomp-bpf"] if fault.deed.startswith("error") else []
        done = self.fix([*fast, f"--trace={fault.calls}", "-e", fault.at(number)])
        assert re.search(r"\(INJECTED\)|killed by SIGKILL", self.host.read(LOG)), (fault, number)
        self.host.run(["mailfix", "recover"], timeout=120)
        difference = self.before.difference(Look.at(self.host))
        if difference:
            self.undo(difference)
            return Verdict.AS_PLANNED
        return Verdict.INTERRUPTED if done.returncode in KILLED else Verdict.AS_BEFORE

    def undo(self, difference: list[str]) -> None:
        """What is not as before must be an applied fix, which can be undone."""
        done = self.host.run(["mailfix", "undo", "--yes", "--no-guard"], timeout=120)
        assert done.returncode == 0, "\n".join([*difference, done.stderr])
        assert self.before.difference(Look.at(self.host)) == []


def _count(call: str, lines: list[str]) -> int:
    """Calls of several threads overlap in the log: each begins in one line of its own."""
    return sum(bool(re.match(rf"[0-9]+ +{call}\(", line)) for line in lines)


def _some(numbers: range) -> range:
    """All of them, or the one in the middle."""
    middle = len(numbers) // 2
    return numbers if FULL else numbers[middle : middle + 1]


@contextmanager
def broken(case: Case) -> Iterator[Patient]:
    """A host of its own, where strace is installed."""
    scenario = BREAKAGES[case.breakage]
    layer = case.layer or scenario.layer
    with running_lab(replace(layer, packages=(*layer.packages, "strace"))) as lab:
        scenario.apply(lab.host, lab.internet)
        lab.host.sh(case.also)
        yield Patient(lab.host, case.rule, Look.at(lab.host))


def hit_everywhere(patient: Patient, counted: Tally) -> None:
    numbers = patient.numbers()
    patient.undo([])
    for fault in FAULTS:
        for number in _some(numbers[fault.calls]):
            counted[patient.hit(fault, number)] += 1


@pytest.mark.parametrize(
    "case",
    [case for case in CASES if FULL or case.in_ci],
    ids=lambda case: f"{case.breakage}{'-saved' if case.also else ''}",
)
def test_a_fix_that_is_hit_leaves_the_host_as_before_or_as_planned(
    case: Case, counted: Tally
) -> None:
    with broken(case) as patient:
        hit_everywhere(patient, counted)
