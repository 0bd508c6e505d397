"""What the audit finds out as root it also finds out within the report unit's sandbox."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from typing import Any

import pytest

from tests.full import FULL

from .breakages import BREAKAGES
from .image import SAVED_IPTABLES, TRIXIE, Layer
from .internet import Internet
from .lab import running_lab
from .machine import CHECKOUT
from .mailhost import MailHost
from .scenario import Scenario
from .variants import VARIANTS

pytestmark = pytest.mark.usefixtures("lab_machine")

MOST_EXPOSED = 3.5
REPORT = "mailfix-report.service"
UNITS = (REPORT, "mailfix-mail.service", "mailfix-report-failed.service")
ANSWER = "/run/in-the-sandbox.json"
AUDIT_INSTEAD = f"""[Unit]
OnSuccess=
OnFailure=
[Service]
ExecStart=
ExecStart=/usr/local/bin/mailfix audit --format json
StandardOutput=truncate:{ANSWER}
"""


def busy(host: MailHost, internet: Internet) -> None:
    """Both backends, sets, and saved rules that are tried."""
    for each in (VARIANTS["strict-firewall"], VARIANTS["fail2ban-nft"]):
        each.apply(host, internet)
    for each in (BREAKAGES["saved-without-mail"], BREAKAGES["blocked-25-legacy"]):
        each.apply(host, internet)


BUSY = Scenario("busy", "what needs each right", busy, SAVED_IPTABLES)
BUSY_ON_TRIXIE = Layer(
    SAVED_IPTABLES.packages, f"{SAVED_IPTABLES.setup}{TRIXIE.setup}", TRIXIE.suite
)
SCENARIOS = {"busy": BUSY}
if FULL:
    SCENARIOS |= {**VARIANTS, "busy-on-trixie": replace(BUSY, layer=BUSY_ON_TRIXIE)}


@dataclass(frozen=True, slots=True)
class Result:
    """A finding without what changes from one audit to the next."""

    rule: str
    subject: str
    status: str
    message: str


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_sandbox_hides_nothing_and_is_tight(name: str) -> None:
    scenario = SCENARIOS[name]
    with running_lab(scenario.layer) as lab:
        scenario.apply(lab.host, lab.internet)
        by_hand = results(lab.host.audit().report)
        put_unit(lab.host)

        lab.host.sh(f"systemctl start {REPORT}")

        inside = results(json.loads(lab.host.read(ANSWER)))
        assert inside == by_hand
        assert "pass" in {each.status for each in inside}
        for unit in UNITS:
            assert exposure(lab.host, unit) <= MOST_EXPOSED, unit


def put_unit(host: MailHost) -> None:
    host.write(f"/etc/systemd/system/{REPORT}", (CHECKOUT / "systemd" / REPORT).read_text("utf-8"))
    host.write(f"/etc/systemd/system/{REPORT}.d/audit.conf", AUDIT_INSTEAD)
    host.sh("systemctl daemon-reload")


def exposure(host: MailHost, unit: str) -> float:
    """What systemd-analyze(1) makes of the unit: 0 is safe, 10 is not."""
    told = host.sh(f"systemd-analyze security --offline=yes /opt/mailfix/systemd/{unit}")
    level = re.search(r"exposure level for \S+: ([0-9.]+)", told)
    assert level is not None, told
    return float(level[1])


def results(report: dict[str, Any]) -> set[Result]:
    return {
        Result(
            each["rule"],
            json.dumps(each["subject"], sort_keys=True),
            each["status"],
            re.sub(r"[0-9.]+ s\b", "", each["message"]),
        )
        for each in report["findings"]
    }
