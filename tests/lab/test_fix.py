"""Broken as administrators do, cured by ``mailfix fix``, well after a reboot, undone."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

import jsonschema
import pytest

from mailfix.report.document import SCHEMA_FILE
from tests.full import FULL

from .breakages import BREAKAGES
from .image import BASE, TRIXIE, Layer
from .internet import Internet, State
from .lab import Lab, running_lab
from .mailhost import MailHost
from .names import HOST_IPV4, HOST_IPV6, HOST_NAME
from .present import Present
from .test_audit import rules_that

pytestmark = pytest.mark.usefixtures("lab_machine")

FIX_SCHEMA = json.loads(SCHEMA_FILE.with_name("fix.schema.json").read_text("utf-8"))
SUITES = {"bookworm": BASE.suite, "trixie": TRIXIE.suite}
BOTH = (HOST_IPV4, HOST_IPV6)


@dataclass(frozen=True, slots=True)
class Case:
    """``cures`` are the rules that fail before and pass after; ``opens`` is what others reach.

    ``gone_with_the_boot``: the break itself does not survive a reboot, and so has no undo then.
    ``leaves`` are rules that fail afterwards until the administrator has done his part elsewhere.
    """

    cures: frozenset[str]
    opens: tuple[tuple[str, int], ...] = ((HOST_IPV4, 25),)
    gone_with_the_boot: bool = False
    leaves: frozenset[str] = frozenset()
    in_ci: bool = False


def cures(*rules: str, **more: Any) -> Case:
    return Case(frozenset(rules), **more)


INBOUND = "firewall-inbound-blocked"
CLIENTS = "firewall-client-port-blocked"
OUTBOUND = "firewall-outbound-blocked"
PUBLISHED = frozenset({"ipv6-published-not-served"})
"""The AAAA record of a host whose exim no longer speaks IPv6 is for the administrator to remove."""
MAIL = (25, 465, 587, 143, 993)
CASES = {
    "blocked-25": cures(INBOUND, gone_with_the_boot=True, in_ci=True),
    "blocked-25-legacy": cures(INBOUND, gone_with_the_boot=True),
    "blocked-25-v6": cures(INBOUND, opens=((HOST_IPV6, 25),), gone_with_the_boot=True),
    "blocked-25-nft": cures(
        INBOUND, opens=tuple((each, 25) for each in BOTH), gone_with_the_boot=True
    ),
    "policy-drop": cures(
        INBOUND,
        CLIENTS,
        opens=tuple((each, port) for each in BOTH for port in MAIL),
        gone_with_the_boot=True,
    ),
    "user-chain-range": cures(INBOUND, gone_with_the_boot=True),
    "reject-25": cures(INBOUND, gone_with_the_boot=True),
    "out-25-owner": cures(OUTBOUND, gone_with_the_boot=True),
    "out-25-drop": cures(OUTBOUND, gone_with_the_boot=True),
    "stopped-exim": cures("server-stopped", gone_with_the_boot=True),
    "killed-exim": cures("server-stopped", gone_with_the_boot=True),
    "disabled-exim": cures("server-disabled"),
    "loopback-only": cures("smtp-loopback-only"),
    "short-hostname": cures("hostname-not-qualified", in_ci=True),
    "ipv6-no-ptr": cures("ipv6-ptr-missing", leaves=PUBLISHED),
    "ipv6-ptr-unconfirmed": cures("ipv6-ptr-unconfirmed"),
}
IN_CI = [(name, "bookworm") for name, case in CASES.items() if case.in_ci]
IN_CI += [("ipv6-no-ptr", "trixie")]
ALL = [(name, suite) for name in CASES for suite in SUITES]


@dataclass(frozen=True, slots=True)
class Fixed:
    """One run of ``mailfix fix --yes --format json`` on the host."""

    exit_code: int
    result: dict[str, Any]
    stderr: str

    @property
    def cured(self) -> frozenset[str]:
        return frozenset(each["rule"] for each in self.result["applied"])


def layer_of(name: str, suite: str) -> Layer:
    layer = BREAKAGES[name].layer
    return TRIXIE if layer == BASE and suite == "trixie" else replace(layer, suite=SUITES[suite])


def fix(host: MailHost, *arguments: str) -> Fixed:
    done = host.run(["mailfix", "fix", "--yes", "--format", "json", *arguments], timeout=120)
    assert done.stdout.startswith("{"), f"exit {done.returncode}: {done.stderr}"
    result = json.loads(done.stdout)
    jsonschema.validate(result, FIX_SCHEMA)
    return Fixed(done.returncode, result, done.stderr)


def confirmed(host: MailHost, fixed: Fixed) -> None:
    """With --yes whatever can cut somebody off stays under guard until it is confirmed."""
    if fixed.result["guard_s"]:
        done = host.run(["mailfix", "confirm"])
        assert done.returncode == 0, done.stderr


def undo(host: MailHost) -> None:
    done = host.run(["mailfix", "undo", "--yes", "--no-guard"], timeout=120)
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"


def see_cured(lab: Lab, case: Case) -> None:
    for address, port in case.opens:
        lab.host.wait_port(port, State.OPEN, address)
    audit = lab.host.audit()
    assert not rules_that("fail", audit) & case.cures, audit.report["findings"]


def fixed_and_kept(lab: Lab, case: Case) -> None:
    rules = [word for rule in sorted(case.cures) for word in ("--only", rule)]
    fixed = fix(lab.host, *rules)
    assert fixed.result["end"] == "made", fixed.result
    assert fixed.cured == case.cures, fixed.result
    assert {each["rule"] for each in fixed.result["worse"]} == case.leaves
    assert fixed.exit_code == (1 if case.leaves else 0)
    confirmed(lab.host, fixed)


@pytest.mark.parametrize(("name", "suite"), ALL if FULL else IN_CI)
def test_fixed_still_well_after_a_reboot_and_undone_to_the_byte(name: str, suite: str) -> None:
    case = CASES[name]
    with running_lab(layer_of(name, suite)) as lab:
        BREAKAGES[name].apply(lab.host, lab.internet)
        before = Present.of(lab.host)
        assert rules_that("fail", lab.host.audit()) >= case.cures
        fixed_and_kept(lab, case)
        see_cured(lab, case)
        undo(lab.host)
        assert before.difference(Present.of(lab.host)) == []
        assert rules_that("fail", lab.host.audit()) >= case.cures
        fixed_and_kept(lab, case)
        after = Present.of(lab.host)
        lab.host.reboot()
        see_cured(lab, case)
        assert not [line for line in after.difference(Present.of(lab.host)) if "/etc/" in line]
        if not case.gone_with_the_boot:
            undo(lab.host)
            assert before.difference(Present.of(lab.host)) == []


def several_faults(host: MailHost, internet: Internet) -> None:
    for name in ("short-hostname", "ipv6-no-ptr", "stopped-exim", "blocked-25"):
        BREAKAGES[name].apply(host, internet)


def test_several_faults_at_once_are_cured_in_one_transaction(lab: Lab) -> None:
    several_faults(lab.host, lab.internet)
    before = Present.of(lab.host)
    fixed = fix(lab.host)
    assert fixed.cured >= {
        "firewall-inbound-blocked",
        "ipv6-ptr-missing",
        "hostname-not-qualified",
        "server-stopped",
    }, fixed.result
    assert {each["rule"] for each in fixed.result["worse"]} <= PUBLISHED
    confirmed(lab.host, fixed)
    outcome = lab.internet.connect(HOST_IPV4, 25)
    assert outcome.banner.startswith(f"220 {HOST_NAME}")
    assert lab.host.sh("hostname").strip() == HOST_NAME
    lab.host.reboot()
    lab.host.wait_port(25)
    assert not rules_that("fail", lab.host.audit()) & fixed.cured
    undo(lab.host)
    assert before.difference(Present.of(lab.host)) in ([], before.rules_difference(before))


def test_what_is_asked_for_nothing_is_changed(lab: Lab) -> None:
    BREAKAGES["blocked-25"].apply(lab.host, lab.internet)
    before = Present.of(lab.host)
    shown = lab.host.run(["mailfix", "fix", "--dry-run"])
    assert "-A INPUT -p tcp -m tcp --dport 25 -j DROP" in shown.stdout
    assert "changes nothing else" in shown.stdout
    refused = lab.host.run(["mailfix", "fix"])
    assert refused.returncode == 64
    assert "there is no terminal to ask at" in refused.stderr
    stranger = lab.host.run(["mailfix", "fix", "--yes"], user="anna")
    assert stranger.returncode == 64
    assert "only root can change this host" in stranger.stderr
    assert before.difference(Present.of(lab.host)) == []
