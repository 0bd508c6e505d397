"""From facts and rules to findings: worst first, unknown stays unknown, choices are kept."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from mailfix import rulebook
from mailfix.audit import audit
from mailfix.facts import Facts, MailServer, ReverseDns, Role
from mailfix.grounds import doubted
from mailfix.mail_records.domain import DomainRecords
from mailfix.mail_records.zone import Disagreement, NameServer, Zone
from mailfix.model import Fact, Finding, Known, PerFamily, Refusal, Status, Unknown
from mailfix.rulebook import Rule

EXIM = MailServer("exim", Role.MTA, running=False, enabled=Known(True), unit="exim4.service")
DOVECOT = MailServer("dovecot", Role.MAILBOX, running=True, enabled=Known(False))
CURED = {"action": "start-server", "automatic": True, "preview": "start {unit}"}


def rule(name: str, severity: str = "critical", **more: Any) -> Rule:
    content = {
        "id": name,
        "title": "A server is stopped",
        "severity": severity,
        "part": "server",
        "why": "No mail comes in.",
        "needs": ["servers"],
        "check": "running",
        "messages": {"fail": "{server} does not run", "pass": "{server} runs"},
    }
    return rulebook.parse({**content, **more}, "rule.yml")


def told(findings: tuple[Finding, ...]) -> list[tuple[str, str]]:
    return [(finding.rule, finding.status.value) for finding in findings]


BOTH = Facts(servers=Known((EXIM, DOVECOT)))


def test_failures_come_first_and_the_worst_before_all() -> None:
    rules = [
        rule("d-notice", "notice"),
        rule("c-warning", "warning"),
        rule("b-critical", "critical"),
        rule("a-error", "error"),
        rule("unknown", "critical", check="installed", needs=["servers"]),
    ]
    findings = audit(BOTH, rules[:4])
    failed = [finding.rule for finding in findings if finding.status is Status.FAIL]
    assert failed == ["b-critical", "a-error", "c-warning", "d-notice"]
    assert [finding.status for finding in findings] == [Status.FAIL] * 4 + [Status.PASS] * 4


def test_the_order_does_not_hang_on_the_order_of_the_rules() -> None:
    rules = [rule("a"), rule("b", "error"), rule("c", "error")]
    assert audit(BOTH, rules) == audit(BOTH, reversed(rules))


def test_unknown_stands_between_failures_and_ignored_and_passes() -> None:
    facts = Facts(servers=BOTH.servers, listeners=Unknown("refused"))
    port = rule(
        "no-listener", "notice", check="smtp_port", needs=["servers", "listeners"],
        params={"port": 25}, messages={"fail": "{port}", "pass": "{port}"},
    )  # fmt: skip
    findings = audit(facts, [rule("stopped"), port], [{"rule": "absent"}])
    assert told(findings) == [("stopped", "fail"), ("no-listener", "unknown"), ("stopped", "pass")]


def test_a_need_that_is_unknown_makes_the_answer_unknown_with_its_reason() -> None:
    (finding,) = audit(Facts(servers=Unknown("ps is not there")), [rule("stopped")])
    assert finding.status is Status.UNKNOWN
    assert finding.message == "cannot tell: ps is not there"
    assert finding.fix is None
    assert finding.advice is None


def test_each_family_is_asked_for_itself() -> None:
    reverse: PerFamily[ReverseDns | None] = PerFamily(
        Unknown("silent"), Known(ReverseDns("2001:db8::10", ()))
    )
    book = rulebook.load(rulebook.shipped_folder(), Path("/nonexistent"))
    (ptr,) = (each for each in book if each.id == "ptr-missing")
    (finding,) = audit(Facts(mta=Known(None), reverse_dns=reverse), [ptr])
    assert (finding.status, finding.subject) == (Status.UNKNOWN, {"family": "ipv4"})


def test_words_are_filled_in_and_the_fix_is_offered_for_failures_alone() -> None:
    findings = audit(BOTH, [rule("stopped", fix=CURED, advice="See {unit}.")])
    failed, passed = findings
    assert failed.message == "exim does not run"
    assert failed.advice == "See exim4.service."
    assert failed.fix is not None
    assert failed.fix.preview == "start exim4.service"
    assert (passed.message, passed.fix, passed.advice) == ("dovecot runs", None, None)


@pytest.mark.parametrize(
    ("ignore", "statuses"),
    [
        ([{"rule": "stopped"}], ["ignored", "pass"]),
        ([{"rule": "stopped", "server": "exim"}], ["ignored", "pass"]),
        ([{"rule": "stopped", "server": "dovecot"}], ["fail", "pass"]),
        ([{"rule": "stopped", "port": 25}], ["fail", "pass"]),
        ([{"rule": "other"}], ["fail", "pass"]),
        ([], ["fail", "pass"]),
    ],
)
def test_only_what_matches_in_every_part_is_ignored(
    ignore: list[dict[str, str | int]], statuses: list[str]
) -> None:
    findings = audit(BOTH, [rule("stopped")], ignore)
    assert [finding.status.value for finding in findings] == statuses


def test_an_ignored_failure_keeps_what_was_found() -> None:
    ignored, _ = audit(BOTH, [rule("stopped", fix=CURED)], [{"rule": "stopped"}])
    assert ignored.message == "exim does not run"
    assert ignored.fix is not None


def test_a_pass_is_never_ignored_away() -> None:
    facts = Facts(servers=Known((DOVECOT, dataclasses.replace(EXIM, running=True))))
    findings = audit(facts, [rule("stopped")], [{"rule": "stopped"}])
    assert [finding.status for finding in findings] == [Status.PASS, Status.PASS]


def test_a_rule_for_mail_hosts_is_silent_on_a_machine_without_an_mta() -> None:
    facts = Facts(servers=Known((DOVECOT,)))
    assert audit(facts, [rule("stopped")]) == ()
    assert told(audit(facts, [rule("stopped", scope="any")])) == [("stopped", "pass")]


def test_a_rule_for_mail_hosts_is_asked_where_the_servers_are_not_known() -> None:
    assert told(audit(Facts(), [rule("stopped")])) == [("stopped", "unknown")]


SEES_BOTH_FAMILIES = {"host-offline"}  # its case routes-not-told says what it must answer


def test_every_shipped_rule_answers_facts_of_which_nothing_is_known() -> None:
    book = rulebook.load(rulebook.shipped_folder(), Path("/nonexistent"))
    asked = [each for each in book if each.id not in SEES_BOTH_FAMILIES]
    findings = audit(Facts(), asked)
    assert {finding.rule for finding in findings} == {each.id for each in asked}
    assert {finding.status for finding in findings} == {Status.UNKNOWN}


def test_words_that_the_check_does_not_tell_are_refused_in_one_line() -> None:
    asks = rule("asks", messages={"fail": "{prot} is closed", "pass": "fine"})
    with pytest.raises(Refusal, match="rule asks: its check fills in no 'prot'"):
        audit(BOTH, [asks])


AGREE = rule(
    "dns-servers-disagree",
    needs=["zone"],
    check="servers_agree",
    each="domain",
    messages={"fail": "{zone} differs on {sets}", "pass": "{zone} agrees"},
)
GONE = rule(
    "domain-not-in-dns",
    needs=["in_dns"],
    check="domain_exists",
    each="domain",
    messages={"fail": "{domain} is not in DNS", "pass": "{domain} is in DNS"},
)
NS1 = NameServer("ns1.example.com", "192.0.2.1", serial=2)
NS2 = NameServer("ns2.example.com", "192.0.2.2", serial=1)
DIFFER = Zone("b.example", (NS1, NS2), (Disagreement("b.example", "MX", ("ns1: a", "ns2: b")),))


def of_domains(*records: DomainRecords) -> Facts:
    return Facts(servers=Known((EXIM,)), domain_records=Known(records))


def test_a_rule_is_put_to_every_mail_domain() -> None:
    facts = of_domains(
        DomainRecords("a.example", zone=Known(Zone("a.example", (NS1,)))),
        DomainRecords("b.example", zone=Known(DIFFER)),
        DomainRecords("c.example", zone=Unknown("ns1 kept silent")),
    )
    findings = audit(facts, [AGREE])
    assert [(each.status.value, each.subject) for each in findings] == [
        ("fail", {"domain": "b.example"}),
        ("unknown", {"domain": "c.example"}),
        ("pass", {"domain": "a.example"}),
    ]
    assert findings[0].message == "b.example differs on MX b.example"
    assert findings[1].message == "cannot tell: ns1 kept silent"


def test_where_the_domains_are_not_known_neither_are_their_records() -> None:
    facts = Facts(servers=Known((EXIM,)), domain_records=Unknown("exim says nothing"))
    (finding,) = audit(facts, [AGREE])
    assert (finding.status, finding.subject) == (Status.UNKNOWN, {})


@pytest.mark.parametrize(
    ("confirmed", "line"),
    [
        (Known(("ns1.example.com (192.0.2.1)",)), "own name servers say: ns1.example.com (192"),
        (Unknown("ns1.example.com REFUSED"), "cannot be asked: ns1.example.com REFUSED"),
    ],
    ids=["by the zone's servers", "by the resolver alone"],
)
def test_a_failure_says_who_confirms_it(confirmed: Fact[tuple[str, ...]], line: str) -> None:
    records = DomainRecords("b.example", in_dns=Known(False), confirmed=confirmed)
    (finding,) = audit(of_domains(records), [GONE])
    assert line in finding.evidence[-1]


def test_the_facts_on_which_a_failure_stands_are_doubted_and_no_others() -> None:
    facts = of_domains(
        DomainRecords("a.example", in_dns=Known(False), zone=Known(DIFFER)),
        DomainRecords("b.example", in_dns=Known(True), zone=Known(DIFFER)),
        DomainRecords("c.example", in_dns=Unknown("kept silent"), zone=Unknown("kept silent")),
    )
    rules = [GONE, AGREE]
    assert doubted(audit(facts, rules), rules, {}) == {"a.example": {"in_dns"}}
    assert doubted(audit(facts, rules), rules, {"a.example": frozenset({"in_dns"})}) == {}


def test_a_failure_tells_how_long_caches_keep_what_is_wrong() -> None:
    known: Fact[tuple[str, ...]] = Known(("ns1.example.com (192.0.2.1)",))
    gone = Known(False)
    slow = DomainRecords("b.example", in_dns=gone, confirmed=known, longest_ttl=86400)
    (finding,) = audit(of_domains(slow), [GONE])
    assert "stay in caches for up to 24 hours (TTL 86400)" in finding.evidence[-1]
    (finding,) = audit(of_domains(dataclasses.replace(slow, longest_ttl=3600)), [GONE])
    assert "caches" not in finding.evidence[-1]


def test_an_internationalised_domain_is_told_as_people_read_it() -> None:
    gone = DomainRecords("xn--mller-kva.example", in_dns=Known(False))
    (finding,) = audit(of_domains(gone), [GONE])
    assert finding.subject == {"domain": "xn--mller-kva.example"}
    assert finding.message == "müller.example (xn--mller-kva.example) is not in DNS"
