"""One cause, one finding: which rules fail for which zone, and none once the advice is followed."""

from __future__ import annotations

import pytest

from mailfix.audit import audit
from mailfix.facts import Facts, MailServer, MailUser, Mta, Role
from mailfix.mail_records.domain import DomainRecords
from mailfix.mail_records.spf import examine_policy, examine_verdicts
from mailfix.model import Finding, Known, Status
from tests.rules.cases import book
from tests.unit.records import Zone, at_once
from tests.unit.test_spf import DOMAIN, HELO, HOST, V4, V6, zone

MTA = Mta("exim", HELO, True, Known(HELO), Known(MailUser("Debian-exim", 101, 103)))
SERVERS = (MailServer("exim", Role.MTA, True, Known(True)),)
RULES = [rule for rule in book() if rule.id.startswith("spf-") and rule.each]


def findings(asked: Zone) -> tuple[Finding, ...]:
    domain = DomainRecords(
        DOMAIN,
        in_dns=Known(True),
        spf=at_once(examine_policy(asked, DOMAIN, HOST)),
        spf_verdict=at_once(examine_verdicts(asked, DOMAIN, HOST)),
    )
    facts = Facts(servers=Known(SERVERS), mta=Known(MTA), domain_records=Known((domain,)))
    return audit(facts, RULES)


def failing(*texts: str) -> dict[str, Finding]:
    found = [each for each in findings(zone(*texts)) if each.status is Status.FAIL]
    return {f"{each.rule} {each.subject.get('family', '')}".strip(): each for each in found}


@pytest.mark.parametrize(
    "text",
    [
        f"v=spf1 mx ip6:{V6} -all",
        f"v=spf1 ip4:{V4} ip6:{V6} include:spf.example.net ~all",
        f"v=spf1 ip4:{V4} ip6:{V6} redirect=spf.example.net",
        f"v=spf1 ip4:203.0.113.0/24 ip6:2001:db8::/32 ?all exp=why.{DOMAIN}",
        f"V=SPF1 +MX IP6:{V6} -ALL",
        f"v=spf1 exists:%{{i}}._spf.{DOMAIN} mx ip6:{V6} -all",
    ],
)
def test_healthy_records_are_clean(text: str) -> None:
    found = findings(zone(text))
    assert {each.status for each in found} == {Status.PASS}, found


@pytest.mark.parametrize(
    ("texts", "rules"),
    [
        ([], ["spf-missing"]),
        (["v=spf1 mx -all", "v=spf1 a ~all"], ["spf-multiple"]),
        (["v=spf1 mx -all"], ["spf-refuses-host ipv6"]),
        (["v=spf1 mx ~all"], ["spf-does-not-name-host ipv6"]),
        (["v=spf1 -all"], ["spf-refuses-host ipv4", "spf-refuses-host ipv6"]),
        (["v=spf1 +all"], ["spf-open"]),
        (["v=spf1 ip4:0.0.0.0/0 ip6:::/0 -all"], ["spf-open"]),
        (["v=spf1 exists:mail.example.com -all"], ["spf-open"]),
        ([f"v=spf1 mx/0 ip6:{V6} -all"], ["spf-open"]),
        ([f"v=spf1 ipv4:{V4} -all"], ["spf-invalid"]),
        ([f"v=spf1 ip4:{V4},198.51.100.7, ip6:{V6} -all"], ["spf-invalid"]),
        ([f"v=spf1 mx,ip6:{V6},-all"], ["spf-invalid"]),
        (["v=spf1 include:nowhere.example.net -all"], ["spf-invalid"]),
    ],
)
def test_a_fault_is_found_and_its_advice_cures_it(texts: list[str], rules: list[str]) -> None:
    found = failing(*texts)
    assert sorted(found) == rules
    for finding in found.values():
        assert finding.advice
        (line,) = [each for each in finding.advice.splitlines() if "zone file: " in each]
        pasted = line.partition(' TXT "')[2].removesuffix('"')
        assert {each.status for each in findings(zone(pasted))} == {Status.PASS}


@pytest.mark.parametrize(
    ("texts", "rules", "told"),
    [
        (["v=spf1 include:loop.example.net -all"], ["spf-invalid"], "by hand"),
        (["v=spf1 mx incldue:x.example.net -all"], ["spf-invalid"], "by hand"),
        (
            ["v=spf1 include:big.example.net include:big.example.net mx a -all"],
            ["spf-too-many-lookups"],
            "include:big.example.net costs 5",
        ),
        (
            [f"v=spf1 ip4:{V4} ip6:{V6} include:open.example.net -all"],
            ["spf-open"],
            "by hand",
        ),
        ([f"v=spf1 ptr ip4:{V4} ip6:{V6} -all"], ["spf-ptr"], "take ptr out"),
    ],
)
def test_what_only_a_human_can_cure(texts: list[str], rules: list[str], told: str) -> None:
    found = failing(*texts)
    assert sorted(found) == rules
    assert all(told in (each.advice or "") for each in found.values())


def test_silent_dns_fails_nothing() -> None:
    silent = Zone({}, {(DOMAIN, "TXT"): "SERVFAIL from 192.0.2.53"})
    assert {each.status for each in findings(silent)} == {Status.UNKNOWN}


def test_terminal_escapes_are_bounded() -> None:
    (finding,) = failing("v=spf1 \x1b[31m" + "x" * 60_000).values()
    assert len(finding.message) < 400
    assert all(len(each) < 400 for each in finding.evidence)
