"""Every action on a booted host: a fix, its undo and its recovery are hit at each flush, rename and
process start.

``MAILFIX_FULL=1`` hits every fix at every point, on both releases of Debian, and undo and recovery
on the first of them, for one case of each kind of change; that takes more than an hour. Otherwise a
few are hit in the middle.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import pytest

from tests.faults.patient import FIX, RECOVER, UNDO, Patient, Way
from tests.faults.sweep import fail, kill
from tests.faults.tally import Tally
from tests.full import FULL
from tests.lab.breakages import BREAKAGES
from tests.lab.conftest import lab_machine
from tests.lab.image import SAVED_IPTABLES, SUITE, TRIXIE, Layer
from tests.lab.lab import running_lab

__all__ = ["lab_machine"]
pytestmark = pytest.mark.usefixtures("lab_machine")


@dataclass(frozen=True, slots=True)
class Case:
    """``rule`` is the one whose action cures the breakage; ``also`` is done to the host besides.

    ``is_first``: none before it makes changes of the same kinds.
    """

    breakage: str
    rule: str
    also: str = ""
    layer: Layer | None = None
    is_first: bool = True

    def __str__(self) -> str:
        return f"{self.breakage}{'-saved' if self.also else ''}"


INBOUND = "firewall-inbound-blocked"
CASES = (
    Case("blocked-25", INBOUND),
    Case("blocked-25-legacy", INBOUND),
    Case("blocked-25-nft", INBOUND),
    Case("blocked-25", INBOUND, "iptables-save >/etc/iptables/rules.v4", SAVED_IPTABLES),
    Case("policy-drop", INBOUND, is_first=False),
    Case("out-25-drop", "firewall-outbound-blocked", is_first=False),
    Case("stopped-exim", "server-stopped"),
    Case("disabled-exim", "server-disabled"),
    Case("loopback-only", "smtp-loopback-only"),
    Case("short-hostname", "hostname-not-qualified"),
    Case("ipv6-no-ptr", "ipv6-ptr-missing", is_first=False),
)
IN_CI = (
    ("blocked-25", FIX),
    ("blocked-25", UNDO),
    ("disabled-exim", RECOVER),
)
FAULTS = (
    kill("fsync"),
    fail("fsync", "EIO"),
    kill("rename"),
    fail("rename", "EIO"),
    kill("vfork"),
    fail("pipe2", "EMFILE"),
)
PIPES_OF_A_START = 3
"""For output, complaints and the failure of execve(2); a fourth where there is input."""


def wanted() -> Iterator[object]:
    """Cases, releases and commands."""
    for suite in (SUITE, TRIXIE.suite):
        for case in CASES:
            for way in (FIX, UNDO, RECOVER):
                in_ci = suite == SUITE and (str(case), way) in IN_CI
                if in_ci or (FULL and (way is FIX or (case.is_first and suite == SUITE))):
                    yield pytest.param(case, suite, way, id=f"{way}-{case}-{suite}")


def layer_of(case: Case, suite: str) -> Layer:
    """With strace, and what that release needs."""
    layer = case.layer or BREAKAGES[case.breakage].layer
    layer = replace(layer, packages=(*layer.packages, "strace"))
    return (
        layer if suite == SUITE else replace(layer, setup=TRIXIE.setup + layer.setup, suite=suite)
    )


@contextmanager
def broken(case: Case, suite: str) -> Iterator[Patient]:
    """A host of its own."""
    with running_lab(layer_of(case, suite)) as lab:
        BREAKAGES[case.breakage].apply(lab.host, lab.internet)
        lab.host.sh(case.also)
        yield Patient.examined(lab.host, case.rule)


def some(call: str, numbers: range) -> range:
    """One in the middle; in full all of them, but of the pipes of a process start one."""
    middle = len(numbers) // 2
    if not FULL:
        return numbers[middle : middle + 1]
    return numbers[:: PIPES_OF_A_START if call == "pipe2" else 1]


@pytest.mark.parametrize(("case", "suite", "way"), list(wanted()))
def test_a_command_that_is_hit_leaves_the_host_as_before_or_as_planned(
    case: Case, suite: str, way: Way, counted: Tally
) -> None:
    with broken(case, suite) as patient:
        for fault in FAULTS:
            for number in some(fault.calls, patient.points(way).numbers[fault.calls]):
                counted[patient.hit(way, fault, number)] += 1
