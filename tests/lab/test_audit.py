"""`mailfix audit` on booted hosts: healthy ones are clean, each break is found and named."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from mailfix import rulebook
from mailfix.report.document import SCHEMA_FILE
from tests.full import FULL

from .breakages import BREAKAGES
from .internet import State
from .lab import Lab, running_lab
from .mailhost import Audit
from .names import HOST_IPV4, HOST_IPV6
from .scenario import Scenario
from .variants import VARIANTS

pytestmark = pytest.mark.usefixtures("lab_machine")

ALL_INBOUND = frozenset({25, 465, 587, 143, 993})


@dataclass(frozen=True, slots=True)
class Expected:
    """Which rules must fail and which must be unknown, and no others.

    ``closed`` are the ports that the Internet must find closed, ``silent`` those that greet nobody,
    to show that the break is real; ``says`` are words that the administrator must read.
    """

    fail: frozenset[str]
    unknown: frozenset[str] = frozenset()
    closed: frozenset[tuple[str, int]] = frozenset()
    silent: frozenset[tuple[str, int]] = frozenset()
    says: tuple[str, ...] = ()


def fails(*rules: str, **more: Any) -> Expected:
    return Expected(frozenset(rules), **more)


def closed(*ports: int, addresses: tuple[str, ...] = (HOST_IPV4,)) -> frozenset[tuple[str, int]]:
    return frozenset((address, port) for address in addresses for port in ports)


BOTH = (HOST_IPV4, HOST_IPV6)
HOSTS = {"ipv4": HOST_IPV4, "ipv6": HOST_IPV6}
UNGREETED = frozenset({"banner-mismatch"})
SHIPPED = rulebook.load(rulebook.shipped_folder(), Path("/nonexistent"))
OF_DOMAINS = frozenset(rule.id for rule in SHIPPED if rule.each)
NO_MTA_SETTINGS = OF_DOMAINS | frozenset(
    {
        "banner-mismatch",
        "dnsbl-listed",
        "mail-domains",
        "exim-endpoint-missing",
        "firewall-outbound-blocked",
        "helo-mismatch",
        "ipv6-address-missing",
        "ipv6-ptr-missing",
        "ipv6-ptr-unconfirmed",
        "ipv6-published-not-served",
        "ipv6-route-missing",
        "provider-blocks-25",
        "ptr-generic",
        "ptr-mismatch",
        "ptr-missing",
        "ptr-unconfirmed",
        "spf-helo-fails",
        "way-out-closed",
    }
)
UNREAD = {
    "postfix": frozenset(rule.id for rule in SHIPPED if {"signing", "dkim_key"} & set(rule.needs))
}
"""How postfix signs is told by its milters, which are not asked."""
INBOUND = "firewall-inbound-blocked"
OUTBOUND = "firewall-outbound-blocked"
NOT_PERSISTENT = "firewall-not-persistent"
DNS_BLOCKED = "firewall-dns-blocked"
EXPECTED: dict[str, Expected] = {
    "blocked-25": fails(
        INBOUND,
        closed=closed(25),
        says=("rule 1 of INPUT (iptables-nft, filter): -A INPUT -p tcp", "the whole Internet"),
    ),
    "blocked-25-legacy": fails(INBOUND, closed=closed(25), says=("(iptables-legacy, filter)",)),
    "blocked-25-v6": fails(INBOUND, closed=closed(25, addresses=(HOST_IPV6,)), says=("IPv6",)),
    "blocked-25-nft": fails(
        INBOUND, unknown=UNGREETED, closed=closed(25, addresses=BOTH), says=("nft",)
    ),
    "policy-drop": fails(
        INBOUND,
        "firewall-client-port-blocked",
        closed=closed(*ALL_INBOUND, addresses=BOTH),
        says=("the policy of INPUT",),
    ),
    "user-chain-range": fails(INBOUND, closed=closed(25), says=("rule 1 of services",)),
    "reject-25": fails(INBOUND, closed=closed(25), says=("REJECT",)),
    "out-25-owner": fails(OUTBOUND, says=("--uid-owner",)),
    "out-25-drop": fails(OUTBOUND, unknown=UNGREETED),
    "answers-dropped-out": fails(
        INBOUND,
        DNS_BLOCKED,
        "firewall-client-port-blocked",
        closed=closed(*ALL_INBOUND),
        says=("because the answers are stopped by the policy of OUTPUT",),
    ),
    "answers-dropped-in": fails(
        OUTBOUND,
        DNS_BLOCKED,
        says=("because the answers are stopped by the policy of INPUT",),
    ),
    "established-forgotten": fails(
        INBOUND,
        silent=closed(25),
        says=("because all but the first packets are stopped by rule 2 of INPUT",),
    ),
    "tcp-53-blocked": fails(
        DNS_BLOCKED,
        says=("tcp/53 out over IPv4 to the resolver", "rule 1 of OUTPUT"),
    ),
    "redirect-to-nowhere": fails(
        "firewall-redirect-dead-end",
        closed=closed(25, addresses=BOTH),
        says=("sent on to tcp/2525, where nothing listens", "rule 1 of PREROUTING"),
    ),
    "opened-until-the-reboot": fails(
        NOT_PERSISTENT,
        says=(
            "tcp/25 over IPv4 is open now, but closed after the next boot",
            "of /etc/iptables/rules.v4: -A INPUT -p tcp -m tcp --dport 25 -j DROP",
            "saved nowhere: rule 1 of INPUT (iptables-nft, filter): -A INPUT -p tcp -m tcp --dport",
        ),
    ),
    "saved-without-mail": fails(
        NOT_PERSISTENT,
        says=("tcp/25 over IPv4 is open now", "line 2 of /etc/iptables/rules.v4: :INPUT DROP"),
    ),
    "beside-ufw": fails(
        NOT_PERSISTENT,
        says=(
            "tcp/25 over IPv6 is open now",
            "of /etc/default/ufw: DEFAULT_INPUT_POLICY",
            "saved nowhere: rule 1 of INPUT",
            "ufw allow 25/tcp",
        ),
    ),
    "firewalld-for-now": fails(
        NOT_PERSISTENT,
        says=("tcp/25 over IPv4 is open now", "firewalld: ", "tcp dport 25", "--permanent"),
    ),
    "nft-file-without-mail": fails(
        NOT_PERSISTENT,
        says=("over IPv6 is open now", "line 5 of /etc/nftables.conf: policy drop"),
    ),
    "nft-file-refused": fails(
        "firewall-boot-file-refused", says=("/etc/nftables.conf will not be loaded", "syntax error")
    ),
    "stopped-exim": fails("server-stopped", closed=closed(25), says=("start exim4",)),
    "killed-exim": fails("server-stopped", closed=closed(25)),
    "disabled-exim": fails("server-disabled"),
    "masked-exim": fails("server-stopped", "server-disabled", closed=closed(25)),
    "broken-template": fails("exim-config-invalid", says=("at next restart", "line ")),
    "broken-template-restarted": fails("exim-config-invalid", "server-stopped", closed=closed(25)),
    "broken-own-conf": fails(
        "exim-config-invalid", unknown=NO_MTA_SETTINGS, says=("in use", "no_such_option")
    ),
    "loopback-only": fails(
        "smtp-loopback-only", "ipv6-published-not-served", closed=closed(25), says=("127.0.0.1",)
    ),
    "port-taken": fails(
        "mail-port-taken", "server-stopped", unknown=UNGREETED, says=("held by python3",)
    ),
    "unbindable-interface": fails(
        "smtp-not-listening", "exim-endpoint-missing", closed=closed(25), says=("203.0.113.77",)
    ),
    "port-587-configured-not-listening": fails("exim-endpoint-missing", closed=closed(587)),
    "short-hostname": fails("hostname-not-qualified", "helo-mismatch"),
    "bare-domain-hostname": fails("hostname-bare-domain"),
    "hostname-unresolvable": fails("hostname-unresolvable", "helo-mismatch", "ptr-mismatch"),
    "hostname-banner-mismatch": fails("banner-mismatch", says=("old.example.com",)),
    "helo-mismatch": fails("helo-mismatch", "ptr-mismatch"),
    "ptr-missing-v4": fails("ptr-missing", says=("203.0.113.10", "provider")),
    "ptr-mismatch": fails("ptr-mismatch"),
    "ptr-unconfirmed": fails("ptr-unconfirmed"),
    "ptr-generic": fails("ptr-generic"),
    "ipv6-no-ptr": fails("ipv6-ptr-missing", says=("disable_ipv6 = true",)),
    "ipv6-ptr-unconfirmed": fails(
        "ipv6-ptr-unconfirmed", "helo-mismatch", "spf-helo-fails", "spf-refuses-host"
    ),
    "ipv6-no-address": fails("ipv6-address-missing"),
    "ipv6-no-route": fails("ipv6-route-missing"),
    "provider-block-25": fails("provider-blocks-25", says=("please open outgoing TCP port 25",)),
}
BAD_DNS = frozenset(name for name in BREAKAGES if name.startswith("dns-"))
WITHOUT_FAULT = frozenset({"nat"})


def audited(scenario: Scenario, lab: Lab) -> Audit:
    scenario.apply(lab.host, lab.internet)
    audit = lab.host.audit()
    jsonschema.validate(audit.report, json.loads(SCHEMA_FILE.read_text("utf-8")))
    return audit


def rules_that(status: str, audit: Audit) -> frozenset[str]:
    return frozenset(each["rule"] for each in audit.report["findings"] if each["status"] == status)


def words_of(audit: Audit) -> str:
    told = [each for each in audit.report["findings"] if each["status"] != "pass"]
    return "\n".join(f"{each['message']} {each['advice']} {each['fix']}" for each in told)


@pytest.mark.parametrize("name", VARIANTS)
def test_healthy_hosts_are_clean(name: str) -> None:
    with running_lab(VARIANTS[name].layer) as lab:
        audit = audited(VARIANTS[name], lab)
        assert not rules_that("fail", audit)
        assert rules_that("unknown", audit) == UNREAD.get(name, frozenset())
        assert audit.exit_code == (2 if name in UNREAD else 0)
        assert "Traceback" not in audit.stderr
        assert lab.internet.connect(HOST_IPV4, 25).banner.startswith("220 mail.example.com")


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_each_break_is_found_and_nothing_else(name: str) -> None:
    expected = EXPECTED[name]
    with running_lab(BREAKAGES[name].layer) as lab:
        audit = audited(BREAKAGES[name], lab)
        assert rules_that("fail", audit) == expected.fail
        assert rules_that("unknown", audit) == expected.unknown
        assert audit.exit_code == 1
        for words in expected.says:
            assert words in words_of(audit)
        for address, port in expected.closed:
            assert lab.internet.knock(address, port, timeout=0.7) is not State.OPEN
        for address, port in expected.silent:
            assert not lab.internet.connect(address, port, timeout=2.0).banner


@pytest.mark.parametrize("name", sorted(BAD_DNS)[:: 1 if FULL else 2])
def test_bad_dns_is_unknown_and_never_missing(name: str) -> None:
    with running_lab(BREAKAGES[name].layer) as lab:
        audit = audited(BREAKAGES[name], lab)
        assert not rules_that("fail", audit)
        assert rules_that("unknown", audit) >= {"ptr-missing", "helo-mismatch", *OF_DOMAINS}
        assert audit.exit_code == 2
        assert audit.report["duration_s"] < 10
        assert "DNS" in words_of(audit)


def test_behind_nat_the_outside_address_is_unknown_until_it_is_configured(lab: Lab) -> None:
    BREAKAGES["nat"].apply(lab.host, lab.internet)
    before = lab.host.audit()
    assert not rules_that("fail", before)
    assert rules_that("unknown", before) >= {"ptr-missing"}
    assert "set public_ipv4 in /etc/mailfix/mailfix.yml" in words_of(before)
    lab.host.write("/etc/mailfix/mailfix.yml", f"public_ipv4: {HOST_IPV4}\n")
    after = lab.host.audit()
    assert after.exit_code == 0
    assert not rules_that("unknown", after)


def wait_until_closed(lab: Lab, address: str, port: int) -> None:
    """Firewalld loads its rules some moments after systemd calls the host booted."""
    deadline = time.monotonic() + 15
    while lab.internet.knock(address, port, timeout=0.7) is State.OPEN:
        assert time.monotonic() < deadline, f"port {port} stays open"
        time.sleep(0.1)


AT_THE_NEXT_BOOT = (
    "opened-until-the-reboot",
    "beside-ufw",
    "firewalld-for-now",
    "saved-without-mail",
    "nft-file-without-mail",
)


@pytest.mark.parametrize("name", AT_THE_NEXT_BOOT[: None if FULL else 3])
def test_what_is_said_of_the_next_boot_comes_true(name: str) -> None:
    with running_lab(BREAKAGES[name].layer) as lab:
        audit = audited(BREAKAGES[name], lab)
        failed = [each["subject"] for each in audit.report["findings"] if each["status"] == "fail"]
        closing = {(HOSTS[each["family"]], each["port"]) for each in failed}
        served = {(host, port) for host in HOSTS.values() for port in ALL_INBOUND}
        assert all(lab.internet.knock(*each) is State.OPEN for each in served)
        lab.host.reboot()
        for host, port in served - closing:
            lab.host.wait_port(port, address=host)
        for host, port in closing:
            wait_until_closed(lab, host, port)
        assert NOT_PERSISTENT not in rules_that("fail", lab.host.audit())


def test_every_breakage_has_its_expectation() -> None:
    assert set(BREAKAGES) == set(EXPECTED) | BAD_DNS | WITHOUT_FAULT


def test_each_family_and_port_is_told_apart(lab: Lab) -> None:
    lab.host.sh("ip6tables-nft -A INPUT -p tcp --dport 587 -j DROP")
    audit = lab.host.audit()
    failed = [each["subject"] for each in audit.report["findings"] if each["status"] == "fail"]
    assert failed == [{"port": 587, "family": "ipv6"}]
    assert lab.internet.knock(HOST_IPV6, 587, timeout=0.7) is State.SILENT
    assert lab.internet.knock(HOST_IPV4, 587) is State.OPEN


def test_an_accepted_finding_is_ignored(lab: Lab) -> None:
    BREAKAGES["ptr-generic"].apply(lab.host, lab.internet)
    lab.host.write("/etc/mailfix/mailfix.yml", "ignore:\n  - rule: ptr-generic\n    family: ipv4\n")
    audit = lab.host.audit()
    assert rules_that("ignored", audit) == {"ptr-generic"}
    assert audit.exit_code == 0
