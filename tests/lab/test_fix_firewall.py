"""A blocked port is opened on a booted host, stays open after a reboot, and is closed by undo.

All else must be as it was: every other rule with its comment, every file with owner, mode and time.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from tests.full import FULL

from .breakages import BREAKAGES, NFT_FILE, POLICY_DROP, open_in_firewalld
from .image import BASE, CSF, FIREWALLD, SAVED_IPTABLES, UFW, Layer
from .internet import State
from .lab import Lab, running_lab
from .mailhost import MailHost
from .names import HOST_IPV4
from .terminal import answered
from .variants import VARIANTS

pytestmark = pytest.mark.usefixtures("lab_machine")

RULES = (
    "firewall-inbound-blocked",
    "firewall-client-port-blocked",
    "firewall-outbound-blocked",
)
ONLY = [word for rule in RULES for word in ("--only", rule)]
SNAPSHOT = """
for tool in iptables-nft ip6tables-nft; do $tool-save -c; done
if [ -s /proc/net/ip_tables_names ]; then iptables-legacy-save -c; fi
nft list ruleset
for place in /etc/iptables /etc/nftables.conf /etc/nftables.d /etc/ufw /etc/firewalld /etc/csf; do
    if [ -e $place ]; then
        find $place -type f -printf '%p %m %u %g %T@\\n' -exec md5sum {} + | sort
    fi
done
"""
COUNTERS = re.compile(r"\[\d+:\d+\]|packets \d+ bytes \d+")


@dataclass(frozen=True, slots=True)
class Blockage:
    """How the port is closed, and what the cure says of itself.

    ``rare`` ones are left out in CI, which has not got the time for all of them.
    """

    close: Callable[[Lab], None]
    summary: str
    layer: Layer = BASE
    reboots: bool = False
    manual: str = ""
    rare: bool = False


def broken(name: str) -> Callable[[Lab], None]:
    return lambda lab: BREAKAGES[name].apply(lab.host, lab.internet)


def beside_fail2ban(lab: Lab) -> None:
    VARIANTS["fail2ban"].apply(lab.host, lab.internet)
    lab.host.sh("iptables -A INPUT -p tcp --dport 25 -m comment --comment 'no \"mail\"' -j DROP")


def saved(lab: Lab) -> None:
    """The running rules are the saved ones and a ban of fail2ban's."""
    lines = [
        *("# by hand", "*filter", ":INPUT ACCEPT [0:0]", ":FORWARD ACCEPT [0:0]"),
        *(":OUTPUT ACCEPT [0:0]", "[3:180] -A INPUT -p tcp -m tcp --dport 22 -j ACCEPT"),
        *("[5:300] -A INPUT -p tcp -m tcp --dport 25 -j DROP", "COMMIT", ""),
    ]
    lab.host.write("/etc/iptables/rules.v4", "\n".join(lines))
    lab.host.sh(
        "iptables-restore -c </etc/iptables/rules.v4\n"
        "iptables -N f2b-exim\n"
        "iptables -A f2b-exim -s 198.51.100.7 -j REJECT\n"
        "iptables -I INPUT -p tcp -m multiport --dports 25 -j f2b-exim"
    )


def saved_policy(lab: Lab) -> None:
    others = "-A INPUT -p tcp -m multiport --dports 465,587,143,993 -j ACCEPT\nCOMMIT"
    for family, icmp, tool in ((4, "icmp", "iptables"), (6, "ipv6-icmp", "ip6tables")):
        text = POLICY_DROP.format(icmp=icmp).replace("COMMIT", others)
        lab.host.write(f"/etc/iptables/rules.v{family}", text)
        lab.host.sh(f"{tool}-restore </etc/iptables/rules.v{family}")


def nftables_conf(lab: Lab) -> None:
    """A policy in the file itself, a set in one that it includes."""
    include = 'include "/etc/nftables.d/*.nft"\n'
    lab.host.write("/etc/nftables.conf", NFT_FILE.replace("25, ", "") + include)
    own = (
        "table inet own {\n    set closed { type inet_service; elements = { 25, 26 }; }\n"
        "    chain input { type filter hook input priority 10; tcp dport @closed drop; }\n}\n"
    )
    lab.host.write("/etc/nftables.d/own.nft", own)
    lab.host.sh("nft -f /etc/nftables.conf && systemctl enable nftables.service")


def ufw_denies(lab: Lab) -> None:
    lab.host.sh("ufw allow 22,143,465,587,993/tcp && ufw deny 25/tcp && ufw --force enable")


def ufw_forgot(lab: Lab) -> None:
    lab.host.sh("ufw allow 22,143,465,587,993/tcp && ufw --force enable")


def firewalld_forgot(lab: Lab) -> None:
    open_in_firewalld(lab.host, "smtps", "smtp-submission", "imap", "imaps")


def csf_forgot(lab: Lab) -> None:
    lab.host.sh(
        "systemctl enable --now csf.service\nsed -i 's/22,25,465/22,465/' /etc/csf/csf.conf\ncsf -r"
    )


DELETES = "delete rule 1 of INPUT (iptables-"
BLOCKAGES = {
    "iptables-nft": Blockage(broken("blocked-25"), f"{DELETES}nft", rare=True),
    "iptables-legacy": Blockage(broken("blocked-25-legacy"), f"{DELETES}legacy"),
    "ipv6": Blockage(broken("blocked-25-v6"), f"{DELETES}nft", rare=True),
    "native nft": Blockage(broken("blocked-25-nft"), "delete rule"),
    "policy": Blockage(broken("policy-drop"), "append to INPUT"),
    "range in a chain": Blockage(broken("user-chain-range"), "narrow rule 1 of services"),
    "reject": Blockage(broken("reject-25"), "delete rule", rare=True),
    "mail user": Blockage(broken("out-25-owner"), "delete rule 1 of OUTPUT"),
    "beside fail2ban": Blockage(beside_fail2ban, "delete rule", rare=True),
    "saved rule": Blockage(saved, "delete rule 3 of INPUT", SAVED_IPTABLES, reboots=True),
    "saved policy": Blockage(
        saved_policy, "append to INPUT", SAVED_IPTABLES, reboots=True, rare=True
    ),
    "nftables.conf": Blockage(nftables_conf, "append to input", reboots=True),
    "ufw denies": Blockage(ufw_denies, "run ufw allow 25/tcp", UFW),
    "ufw forgot": Blockage(ufw_forgot, "run ufw allow 25/tcp", UFW, reboots=True, rare=True),
    "firewalld": Blockage(firewalld_forgot, "run firewall-cmd", FIREWALLD, reboots=True),
    "CSF": Blockage(csf_forgot, "add 25 to TCP_IN", CSF, manual="csf -r", rare=True),
}
CHOSEN = {name: each for name, each in BLOCKAGES.items() if FULL or not each.rare}


@pytest.mark.parametrize("blockage", CHOSEN.values(), ids=CHOSEN.keys())
def test_a_closed_port_opens_and_closes_again(blockage: Blockage) -> None:
    with running_lab(blockage.layer) as lab:
        blockage.close(lab)
        assert failing(lab.host)
        before = snapshot(lab.host)
        told = proposed(lab.host)
        first = told[0]
        assert first["summary"].startswith(blockage.summary), first
        assert bool(first["asked_because"]) is bool(blockage.manual)
        assert blockage.manual in first["asked_because"]
        assert "changes nothing else" in first["proof"]
        fix(lab.host, asked=bool(blockage.manual))
        is_healthy(lab)
        no_more_than_told(before, snapshot(lab.host), told)
        if blockage.reboots:
            lab.host.reboot()
            lab.host.wait_mail_ports()
            is_healthy(lab)
        undo(lab.host)
        after = snapshot(lab.host)
        if blockage.reboots:
            before, after = files_of(before), files_of(after)
        assert list(difflib.unified_diff(before, after, lineterm="", n=0)) == []
        assert failing(lab.host)


def test_what_a_script_makes_at_boot_is_not_cured_without_asking(lab: Lab) -> None:
    script = "#!/bin/sh\niptables -A INPUT -p tcp --dport 25 -j DROP\n"
    lab.host.write("/etc/network/if-pre-up.d/firewall", script)
    lab.host.sh("chmod 755 /etc/network/if-pre-up.d/firewall && /etc/network/if-pre-up.d/firewall")
    (told,) = proposed(lab.host)
    assert "/etc/network/if-pre-up.d/firewall makes the rule again" in told["asked_because"]


@pytest.mark.skipif(not FULL, reason="CI has not got the time for all of them")
def test_what_others_told_ufw_since_stays() -> None:
    with running_lab(UFW) as lab:
        ufw_denies(lab)
        before = snapshot(lab.host)
        fix(lab.host)
        lab.host.sh("ufw allow 80/tcp")
        undo(lab.host)
        lab.host.wait_port(25, State.SILENT)
        lab.host.sh("ufw delete allow 80/tcp")
        stayed = [line for line in snapshot(lab.host) if "/etc/" not in line]
        assert stayed == [line for line in before if "/etc/" not in line]


def proposed(host: MailHost) -> list[dict[str, Any]]:
    done = host.run(["mailfix", "fix", "--dry-run", "--format", "json", *ONLY], timeout=120)
    applied: list[dict[str, Any]] = json.loads(done.stdout)["applied"]
    return applied


def fix(host: MailHost, *, asked: bool = False) -> None:
    """Without a question, or with yes to each."""
    if asked:
        session = answered(host, ["mailfix", "fix", "--no-guard", *ONLY], "y" * 20)
        assert "applied and verified" in session.screen, session.screen
        return
    done = host.run(["mailfix", "fix", "--yes", "--no-guard", *ONLY], timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def undo(host: MailHost) -> None:
    done = host.run(["mailfix", "undo", "--yes", "--no-guard"], timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def failing(host: MailHost) -> list[str]:
    findings = host.audit().report["findings"]
    return [each["message"] for each in findings if each["status"] == "fail"]


def is_healthy(lab: Lab) -> None:
    """The outside can connect and the host can send: as the audit and a stranger see it."""
    assert failing(lab.host) == []
    lab.host.wait_mail_ports()
    assert lab.internet.knock(HOST_IPV4, 993) is State.OPEN


def snapshot(host: MailHost) -> list[str]:
    lines = host.sh(SNAPSHOT).splitlines()
    return [COUNTERS.sub("", line) for line in lines if not line.startswith("#")]


def files_of(lines: list[str]) -> list[str]:
    return [line for line in lines if "/etc/" in line]


def no_more_than_told(before: list[str], after: list[str], proposals: list[dict[str, Any]]) -> None:
    """Every rule of iptables that came or went was in a preview."""
    previews = [line for each in proposals for line in each.get("preview", ())]
    told = {line[1:] for line in previews if line[:1] in ("-", "+")}
    changed = [
        line[1:].strip()
        for line in difflib.unified_diff(before, after, lineterm="", n=0)
        if " -A " in line[:6] and not line.startswith(("---", "+++"))
    ]
    assert [line for line in changed if line not in told] == []
