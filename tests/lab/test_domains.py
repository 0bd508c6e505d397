"""`mailfix audit` on mail domains: each fault of the records is found and named, no other is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from .bad_dns import BadDns, Trouble
from .breakages import BREAKAGES
from .crowd import Crowd, crowd
from .dns_faults import DMARC, FAULTS, HEALTHY, KEY
from .image import POSTFIX
from .lab import Lab, running_lab
from .mailhost import Audit
from .names import DOMAIN, HOST_IPV4, HOST_NAME, SECOND_DNS, SECOND_DNS_IPV4, Names, text

pytestmark = pytest.mark.usefixtures("lab_machine")


@dataclass(frozen=True, slots=True)
class Expected:
    """Which rules must fail and which must be unknown, and no others; what must be read."""

    fail: frozenset[str]
    unknown: frozenset[str] = frozenset()
    says: tuple[str, ...] = ()


def fails(*rules: str, **more: Any) -> Expected:
    return Expected(frozenset(rules), **more)


EXPECTED: dict[str, Expected] = {
    "spf-missing": fails("spf-missing", says=("v=spf1",)),
    "spf-two-records": fails("spf-multiple", says=("include:_spf.example.net",)),
    "spf-typo": fails("spf-invalid", says=("ipv4:",)),
    "spf-eleven-lookups": fails("spf-too-many-lookups", says=("12 DNS lookups",)),
    "spf-commas": fails("spf-invalid", says=("ip4:203.0.113.10 ip6:2001:db8:113::10 -all",)),
    "spf-every-address": fails("spf-open", says=("ip4:0.0.0.0/0",)),
    "spf-redirect-nowhere": fails("spf-invalid", says=("gone.example.net",)),
    "spf-three-voids": fails("spf-refuses-host", says=("without an answer",)),
    "spf-eleventh-lookup-in-mx": fails("spf-refuses-host", says=("11 MX records",)),
    "spf-include-loop": fails("spf-invalid"),
    "spf-include-nowhere": fails("spf-invalid", says=("gone.example.net",)),
    "spf-without-ipv6": fails("spf-refuses-host", says=("ip6:2001:db8:113::10",)),
    "spf-other-host": fails("spf-refuses-host", says=("ip4:203.0.113.10",)),
    "spf-open": fails("spf-open"),
    "dkim-missing": fails("dkim-key-missing", says=("mail._domainkey.example.com.",)),
    "dkim-other-key": fails("dkim-key-differs"),
    "dkim-revoked": fails("dkim-key-unusable", says=("revoked",)),
    "dkim-testing": fails("dkim-testing"),
    "dkim-only-sha1": fails("dkim-key-unusable", says=("sha1",)),
    "dmarc-missing": fails("dmarc-missing", says=("v=DMARC1; p=none",)),
    "dmarc-two-records": fails("dmarc-multiple"),
    "dmarc-typo": fails("dmarc-invalid", says=("discard",)),
    "dmarc-alias-to-nowhere": fails("dmarc-missing", says=("CNAME example.com.dmarc.",)),
    "mx-alias": fails("mx-alias"),
    "mx-dangling": fails("mx-unusable", "spf-refuses-host", says=("mx-old.example.com",)),
    "mx-private": fails("mx-unusable", "spf-refuses-host", says=("10.0.0.25",)),
    "mx-only-ipv6": fails("mx-without-ipv4", says=("mx6.example.com",)),
    "tlsa-unsigned": fails("tlsa-insecure", says=("mail.example.com",)),
    "listed": fails("dnsbl-listed", says=("bl.spamcop.net",)),
    "blocklist-refuses": fails(unknown=frozenset({"dnsbl-listed"})),
    "blocklist-dead": fails(unknown=frozenset({"dnsbl-listed"}), says=("psbl.surriel.com",)),
    "ns-alias": fails("dns-server-silent", says=("ns.example.net", "CNAME")),
    "ns-without-address": fails("dns-server-silent", says=("ns-old.example.net",)),
    "ns-private": fails("dns-server-silent", says=("ns2.example.com: its address 10.0.0.53",)),
    "second-server-dead": fails(
        unknown=frozenset({"dns-server-silent"}), says=(f"{SECOND_DNS} ({SECOND_DNS_IPV4})",)
    ),
}


@pytest.fixture(scope="module")
def shared(lab_machine: None) -> Iterator[Lab]:
    with running_lab() as running:
        yield running


@pytest.fixture
def lab(shared: Lab) -> Iterator[Lab]:
    """A healthy host, whose names are as before after the test."""
    healthy = shared.internet.names
    yield shared
    shared.internet.mend_dns()
    shared.internet.publish(healthy)


def rules_that(status: str, audit: Audit) -> frozenset[str]:
    return frozenset(
        finding["rule"] for finding in audit.report["findings"] if finding["status"] == status
    )


def everything_said(audit: Audit) -> str:
    told = [
        (each["message"], *each["evidence"], each["advice"] or "")
        for each in audit.report["findings"]
        if each["status"] in ("fail", "unknown")
    ]
    return "\n".join(line for lines in told for line in lines)


def held_against(expected: Expected, audit: Audit) -> None:
    said = everything_said(audit)
    assert (rules_that("fail", audit), rules_that("unknown", audit)) == (
        expected.fail,
        expected.unknown,
    ), said
    assert [word for word in expected.says if word not in said] == [], said


def test_every_fault_is_expected() -> None:
    assert set(EXPECTED) == set(FAULTS)


@pytest.mark.parametrize("name", sorted(FAULTS))
def test_each_fault_is_found_and_nothing_else(lab: Lab, name: str) -> None:
    FAULTS[name].apply(lab.host, lab.internet)
    held_against(EXPECTED[name], lab.host.audit())


@pytest.mark.parametrize("name", sorted(set(HEALTHY) - {"dmarc-inherited"}))
def test_a_healthy_domain_is_clean(lab: Lab, name: str) -> None:
    HEALTHY[name].apply(lab.host, lab.internet)
    held_against(fails(), lab.host.audit())


def test_a_subdomain_inherits_its_policy(lab_machine: None) -> None:
    with running_lab() as own:
        HEALTHY["dmarc-inherited"].apply(own.host, own.internet)
        held_against(fails(), own.host.audit())


def test_a_secondary_that_lags_behind_is_named(lab: Lab) -> None:
    names = lab.internet.names.with_set(DOMAIN, "NS", "ns.lab", SECOND_DNS)
    with lab.internet.second_name_server(names.with_set(DOMAIN, "TXT", text("v=spf1 -all"))):
        lab.internet.publish(names)
        audit = lab.host.audit()
    assert rules_that("fail", audit) == {"dns-servers-disagree"}
    said = everything_said(audit)
    assert f"{SECOND_DNS} ({SECOND_DNS_IPV4})" in said
    assert "rndc retransfer example.com" in said


@pytest.mark.parametrize(
    ("name", "rdtype", "stale"),
    [(KEY, "TXT", '"v=DKIM1; p="'), (HOST_NAME, "A", "203.0.113.99")],
    ids=["key", "address of the MX"],
)
def test_what_a_secondary_that_lags_behind_holds_besides_is_named(
    lab: Lab, name: str, rdtype: str, stale: str
) -> None:
    names = lab.internet.names.with_set(DOMAIN, "NS", "ns.lab", SECOND_DNS)
    with lab.internet.second_name_server(names.with_set(name, rdtype, stale)):
        lab.internet.publish(names)
        audit = lab.host.audit()
    assert rules_that("fail", audit) == {"dns-servers-disagree"}
    assert f"{rdtype} {name}" in everything_said(audit)


def test_a_stale_cache_makes_no_false_alarm(lab: Lab) -> None:
    now = lab.internet.names.with_set(DOMAIN, "NS", SECOND_DNS)
    with lab.internet.second_name_server(now):
        stale = now.with_set(DMARC, "TXT").with_set(DOMAIN, "TXT", text("v=spf1 -all"))
        lab.internet.publish(
            stale.with_set(KEY, "TXT").with_set(DOMAIN, "MX", "10 old.example.net")
        )
        held_against(fails(), lab.host.audit())


def test_what_is_wrong_is_confirmed_by_the_zones_own_servers(lab: Lab) -> None:
    FAULTS["dmarc-missing"].apply(lab.host, lab.internet)
    said = everything_said(lab.host.audit())
    assert "as the zone's own name servers say: ns.lab (198.51.100.53)" in said


CURED_BY_PASTING = (
    "spf-missing",
    "spf-two-records",
    "spf-commas",
    "spf-every-address",
    "spf-redirect-nowhere",
    "spf-three-voids",
    "spf-eleventh-lookup-in-mx",
    "dkim-only-sha1",
    "spf-without-ipv6",
    "spf-other-host",
    "spf-open",
    "dkim-missing",
    "dkim-other-key",
    "dkim-revoked",
    "dkim-testing",
    "dmarc-missing",
    "dmarc-two-records",
    "dmarc-typo",
    "dmarc-alias-to-nowhere",
    "mx-alias",
    "mx-dangling",
    "mx-private",
    "mx-only-ipv6",
)
PASTED = re.compile(r"^ *(zone file|remove): (\S+)\. \d+ IN (\S+) (.+)$", re.MULTILINE)


def pasted(names: Names, advice: str) -> Names:
    """The zone after its administrator did what the lines say; at most one set is changed.

    A CNAME that stands in its way goes first.
    """
    for _, alias, rdtype, _ in (found := PASTED.findall(advice)):
        names = names.with_set(alias, rdtype) if rdtype == "CNAME" else names
    lines = [line for line in found if line[2] != "CNAME"]
    (key,) = {(name, rdtype) for _, name, rdtype, _ in lines}
    present = [each.data for each in names.records if (each.name, each.type) == key]
    gone = tuple(plain(data) for what, _, _, data in lines if what == "remove")
    kept = [data for data in present if not plain(data).startswith(gone)]
    return names.with_set(*key, *kept, *(data for what, *_, data in lines if what == "zone file"))


def plain(data: str) -> str:
    """Without quotes; a very long record is told by its beginning."""
    return data.replace('"', "").replace(" ", "").rstrip(".")


@pytest.mark.parametrize("name", CURED_BY_PASTING)
def test_the_record_that_is_told_makes_the_domain_clean(lab: Lab, name: str) -> None:
    FAULTS[name].apply(lab.host, lab.internet)
    before = lab.host.audit()
    told = next(
        each["advice"]
        for each in before.report["findings"]
        if each["status"] == "fail" and PASTED.search(each["advice"] or "")
    )
    lab.internet.publish(pasted(lab.internet.names, told))
    held_against(fails(), lab.host.audit())


@pytest.mark.parametrize("names", [(), (f"old.{DOMAIN}",)], ids=["none", "astray"])
def test_the_pointer_that_is_told_makes_the_host_clean(lab: Lab, names: tuple[str, ...]) -> None:
    lab.internet.set_ptr(HOST_IPV4, *names)
    said = everything_said(lab.host.audit())
    ((_, pointer, _, told),) = set(PASTED.findall(said))
    lab.internet.publish(lab.internet.names.with_set(pointer, "PTR", told.rstrip(".")))
    held_against(fails(), lab.host.audit())


def test_a_domain_of_the_administrators_choice_is_judged_too(lab: Lab) -> None:
    names = lab.internet.names.with_set("example.org", "A", HOST_IPV4)
    lab.internet.publish(names)
    audit = lab.host.audit("--domain", "example.org")
    domains = {each["subject"].get("domain") for each in audit.report["findings"]}
    assert {DOMAIN, "example.org"} <= domains
    assert "spf-missing" in rules_that("fail", audit)


HOSTILE = {
    "escapes": ("TXT", r'"v=spf1 mx -all\027[2J\007 \027]0;owned\007"'),
    "not UTF-8": ("MX", r"10 \255\254\000.example.net"),
    "a dot in a label": ("MX", r"10 a\.b.example.net"),
}


@pytest.mark.parametrize("name", sorted(HOSTILE))
def test_hostile_records_are_told_without_harm(lab: Lab, name: str) -> None:
    rdtype, data = HOSTILE[name]
    lab.internet.set_records(DOMAIN, rdtype, data)
    shown = lab.host.run(["mailfix", "audit"])
    assert "Traceback" not in shown.stderr
    assert all(sign.isprintable() or sign == "\n" for sign in shown.stdout)
    assert lab.host.audit().exit_code in (1, 2)


@pytest.mark.parametrize("count", [1000])
def test_a_thousand_records_are_bounded(lab: Lab, count: int) -> None:
    lab.internet.set_records(DOMAIN, "TXT", *(text(f"v=spf1 {n}") for n in range(count)))
    audit = lab.host.audit()
    assert audit.exit_code in (1, 2)
    assert len(everything_said(audit)) < 20_000
    assert audit.report["duration_s"] < 5


def test_a_text_of_sixty_thousand_bytes_is_bounded(lab: Lab) -> None:
    lab.internet.set_records(DOMAIN, "TXT", text("v=spf1 " + "a " * 30_000))
    audit = lab.host.audit()
    assert len(everything_said(audit)) < 20_000
    assert "spf-too-many-lookups" in rules_that("fail", audit)


def test_a_dead_resolver_makes_one_unknown_of_each_check_however_many_domains(lab: Lab) -> None:
    names = "".join(f"  - d{number}.example\n" for number in range(500))
    lab.host.write("/etc/mailfix/mailfix.yml", f"domains:\n{names}")
    BREAKAGES["dns-dead"].apply(lab.host, lab.internet)
    audit = lab.host.audit()
    findings = audit.report["findings"]
    told = [each for each in findings if each["rule"] in ("mx-missing", "spf-missing")]
    assert [each["status"] for each in told] == ["unknown", "unknown"]
    assert all("every resolver of this host keeps silent" in each["message"] for each in told)
    assert audit.exit_code == 2
    assert audit.report["duration_s"] < 10


def test_the_domains_of_postfix_are_those_of_its_lists_files_and_tables() -> None:
    with running_lab(POSTFIX) as lab:
        lab.host.write("/etc/postfix/mailboxes", "example.net anything\nanna@example.org anna/\n")
        lab.host.write("/etc/postfix/more", "# ours\nexample.info\n")
        lists = "!example.biz hash:/etc/postfix/mailboxes, /etc/postfix/more, example.biz"
        lab.host.sh(
            "postmap /etc/postfix/mailboxes;"
            f" postconf -e 'virtual_mailbox_domains = {lists}, regexp:/etc/postfix/patterns';"
            " postfix reload"
        )
        findings = lab.host.audit().report["findings"]
    judged = {each["subject"]["domain"] for each in findings if "domain" in each["subject"]}
    assert judged == {DOMAIN, "example.net", "example.info"}
    (told,) = [each for each in findings if each["rule"] == "mail-domains"]
    assert "at least 3 domains" in told["message"]
    assert "regexp:/etc/postfix/patterns" in told["evidence"][0]


LOSSY = BadDns(Trouble.LOSSY)


@pytest.fixture(scope="module")
def many(lab_machine: None) -> Iterator[Crowd]:
    with crowd(400, without={7: "v=spf1", 399: "_dmarc"}) as running:
        running.serve(400)
        yield running


def subjects(status: str, audit: Audit) -> set[tuple[str, str]]:
    """The rules of that status, each with its domain, "" for one about the host."""
    return {
        (each["rule"], each["subject"].get("domain", ""))
        for each in audit.report["findings"]
        if each["status"] == status
    }


@pytest.mark.parametrize(
    "bad",
    [None, BadDns(Trouble.SLOW, delay=0.02), LOSSY],
    ids=["at once", "late", "one in ten lost"],
)
def test_of_hundreds_of_domains_the_two_that_are_broken_are_found(
    many: Crowd, bad: BadDns | None
) -> None:
    if bad is not None:
        many.lab.internet.break_dns(bad)
    try:
        audit = many.lab.host.audit()
    finally:
        many.lab.internet.mend_dns()
    assert subjects("fail", audit) == {
        ("spf-missing", "d00007.example"),
        ("dmarc-missing", "d00399.example"),
    }
    # exim asks DNS before it greets, and a name server is given up after fewer tries.
    may_be_lost = {"banner-mismatch", "dns-server-silent"} if bad == LOSSY else set()
    assert {rule for rule, _ in subjects("unknown", audit)} <= may_be_lost
    assert "mailfix" not in many.lab.host.sh("ps -eo args | grep -v 'ps -eo' || true")
