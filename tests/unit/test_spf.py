"""What is found out about a domain's SPF record, and the record that is proposed."""

from __future__ import annotations

import time
from collections.abc import Mapping

import pytest

from mailfix.mail_records.mail_host import MailHost
from mailfix.mail_records.proposal import ProposedSet
from mailfix.mail_records.spf import (
    SpfPolicy,
    SpfVerdict,
    examine_helo,
    examine_policy,
    examine_verdicts,
)
from mailfix.mail_records.spf.evaluation import Evaluation, Mail, Result, check_host
from mailfix.mail_records.spf.problem import SpfError
from mailfix.mail_records.spf.record import parse
from mailfix.model import Known, PerFamily, Unknown
from tests.unit.records import Zone, at_once

DOMAIN = "example.com"
V4 = "203.0.113.10"
V6 = "2001:db8::10"
HELO = "mail.example.com"
HOST = MailHost(hostname=Known(HELO), helo=Known(HELO), senders=PerFamily(Known(V4), Known(V6)))
IPV4_ONLY = MailHost(helo=Known(HELO), senders=PerFamily(Known(V4), Known(None)))
AROUND = {
    (DOMAIN, "A"): [V4],
    (DOMAIN, "MX"): [f"10 {HELO}"],
    (HELO, "A"): [V4],
    ("spf.example.net", "TXT"): ["v=spf1 ip4:198.51.100.0/24 ?all"],
    ("big.example.net", "TXT"): ["v=spf1 a:1.x.org a:2.x.org a:3.x.org a:4.x.org -all"],
    ("open.example.net", "TXT"): ["v=spf1 +all"],
    ("broken.example.net", "TXT"): ["v=spf1 ipv4:192.0.2.1 -all"],
    ("loop.example.net", "TXT"): ["v=spf1 include:example.com -all"],
    ("plain.example.net", "TXT"): ["no SPF here"],
}


def zone(*texts: str, **others: list[str]) -> Zone:
    """A zone whose apex holds these SPF records; ``MX=[...]`` and such replace others there."""
    replaced = {(DOMAIN, rdtype): held for rdtype, held in others.items()}
    return Zone({**AROUND, (DOMAIN, "TXT"): ["something else", *texts], **replaced})


def policy(*texts: str, host: MailHost = HOST, **others: list[str]) -> SpfPolicy:
    told = at_once(examine_policy(zone(*texts, **others), DOMAIN, host))
    assert isinstance(told, Known)
    return told.value


def proposed(*texts: str, host: MailHost = HOST, **others: list[str]) -> str | None:
    """The text that should be published; it is held against what it promises."""
    proposal = policy(*texts, host=host, **others).proposal
    if proposal is None:
        return None
    assert (proposal.name, proposal.type, set(proposal.remove)) == (DOMAIN, "TXT", set(texts))
    (text,) = proposal.add
    again = policy(text, host=host, **others)
    assert (again.count, again.problem, again.proposal) == (1, "", None)
    verdicts = at_once(examine_verdicts(zone(text, **others), DOMAIN, host))
    for verdict in (verdicts.ipv4, verdicts.ipv6):
        assert isinstance(verdict, Known)
        assert verdict.value is None or verdict.value.result is Result.PASS
    return text


def verdict(*texts: str, host: MailHost = HOST) -> PerFamily[SpfVerdict | None]:
    return at_once(examine_verdicts(zone(*texts), DOMAIN, host))


def judged(text: str, address: str = V4) -> Evaluation:
    mail = Mail(address, f"postmaster@{DOMAIN}", HELO)
    return at_once(check_host(zone(text), mail, DOMAIN))


def test_a_healthy_record_needs_nothing() -> None:
    text = f"v=spf1 mx ip6:{V6} -all"
    assert policy(text) == SpfPolicy(1, (text,), lookups=1)


def test_the_verdict_names_the_way_to_what_decided() -> None:
    told = judged("v=spf1 include:spf.example.net -all", "198.51.100.7")
    assert told.result is Result.PASS
    assert told.mechanism == "include:spf.example.net → ip4:198.51.100.0/24"
    assert told.lookups == 1
    told = judged("v=spf1 redirect=spf.example.net")
    assert (told.result, told.mechanism) == (Result.NEUTRAL, "redirect=spf.example.net → ?all")


def test_ipv6_forgotten() -> None:
    told = verdict("v=spf1 mx -all")
    assert told.ipv4 == Known(SpfVerdict(V4, Result.PASS, "mx", lookups=1))
    assert told.ipv6 == Known(SpfVerdict(V6, Result.FAIL, "-all", lookups=1, voids=1))
    assert proposed("v=spf1 mx -all") == f"v=spf1 mx ip6:{V6} -all"
    assert proposed("v=spf1 mx -all", host=IPV4_ONLY) is None
    assert verdict("v=spf1 mx -all", host=IPV4_ONLY).ipv6 == Known(None)


def test_silence_of_dns_is_unknown_and_never_missing() -> None:
    silent = Zone({}, {(DOMAIN, "TXT"): "SERVFAIL from 192.0.2.53"})
    assert at_once(examine_policy(silent, DOMAIN, HOST)) == Unknown("SERVFAIL from 192.0.2.53")
    told = at_once(examine_verdicts(silent, DOMAIN, HOST))
    assert told.ipv4 == told.ipv6 == Unknown("SERVFAIL from 192.0.2.53")


def test_an_included_record_that_cannot_be_read_is_a_doubt() -> None:
    silent = Zone(
        {(DOMAIN, "TXT"): ["v=spf1 include:spf.example.net -all"]},
        {("spf.example.net", "TXT"): "SERVFAIL from 192.0.2.53"},
    )
    told = at_once(examine_policy(silent, DOMAIN, HOST))
    assert isinstance(told, Known)
    assert (told.value.problem, told.value.doubt) == ("", "SERVFAIL from 192.0.2.53")
    assert told.value.proposal is None


def test_an_address_that_is_not_known_makes_its_verdict_unknown() -> None:
    host = MailHost(senders=PerFamily(Known(V4), Unknown("behind NAT")))
    told = verdict("v=spf1 mx -all", host=host)
    assert isinstance(told.ipv4, Known)
    assert told.ipv6 == Unknown("behind NAT")


def test_no_record() -> None:
    assert policy().count == 0
    assert proposed() == f"v=spf1 ip4:{V4} ip6:{V6} mx ~all"
    assert proposed(MX=["0 ."]) == f"v=spf1 ip4:{V4} ip6:{V6} ~all"
    assert proposed(host=MailHost()) is None


def test_two_records_become_one() -> None:
    one, two = "v=spf1 mx include:spf.example.net ~all", "v=spf1 a mx -all"
    assert policy(one, two).count == 2
    assert proposed(one, two, host=IPV4_ONLY) == "v=spf1 a mx include:spf.example.net ~all"
    assert judged(one).result is Result.PASS


@pytest.mark.parametrize(
    ("texts", "one"),
    [
        (("v=spf1 mx redirect=spf.example.net", "v=spf1 a -all"),
         "v=spf1 a mx include:spf.example.net -all"),
        (("v=spf1 mx redirect=spf.example.net", "v=spf1 redirect=spf.example.net"),
         "v=spf1 mx redirect=spf.example.net"),
        (("v=spf1 mx +all", "v=spf1 a +all"), "v=spf1 a mx ~all"),
        (("v=spf1 +a exp=why.example.com -all", "v=spf1 a ip4:192.0.2.1 mx"),
         "v=spf1 +a ip4:192.0.2.1 mx -all exp=why.example.com"),
    ],
)  # fmt: skip
def test_merging_keeps_every_sender(texts: tuple[str, ...], one: str) -> None:
    assert proposed(*texts, host=IPV4_ONLY) == one


@pytest.mark.parametrize(
    ("text", "better"),
    [
        ("v=spf1 -all", f"v=spf1 ip4:{V4} ip6:{V6} -all"),
        ("v=spf1 include:spf.example.net", f"v=spf1 include:spf.example.net ip4:{V4} ip6:{V6}"),
        ("v=spf1 redirect=spf.example.net", f"v=spf1 ip4:{V4} ip6:{V6} redirect=spf.example.net"),
        ("v=spf1 -ip4:203.0.113.0/24 mx ip6:2001:db8::/32 ~all",
         f"v=spf1 ip4:{V4} -ip4:203.0.113.0/24 mx ip6:2001:db8::/32 ~all"),
        ("v=spf1 exp=why.example.com ?all", f"v=spf1 exp=why.example.com ip4:{V4} ip6:{V6} ?all"),
        ("v=spf1 +all", f"v=spf1 ip4:{V4} ip6:{V6} ~all"),
        ("v=spf1 mx include:plain.example.net ip6:2001:db8::/32 ~all",
         "v=spf1 mx ip6:2001:db8::/32 ~all"),
    ],
)  # fmt: skip
def test_only_what_is_missing_is_put_in(text: str, better: str) -> None:
    assert proposed(text) == better


@pytest.mark.parametrize(
    ("wide", "meant"),
    [
        (f"v=spf1 a/0 ip6:{V6} -all", f"v=spf1 a ip6:{V6} -all"),
        (f"v=spf1 mx/0//0 ip6:{V6} -all", f"v=spf1 mx ip6:{V6} -all"),
        (f"v=spf1 +a:{HELO}/24//0 ip6:{V6} -all", f"v=spf1 +a:{HELO}/24 ip6:{V6} -all"),
        (f"v=spf1 a/0//64 ip6:{V6} -all", f"v=spf1 a//64 ip6:{V6} -all"),
        (f"v=spf1 exists:{HELO} ip6:{V6} -all", f"v=spf1 a:{HELO} ip6:{V6} -all"),
        (f"v=spf1 +exists:%{{d}} ip6:{V6} -all", f"v=spf1 +a:%{{d}} ip6:{V6} -all"),
        ("v=spf1 mx ip4:0.0.0.0/0 ip6:::/0 -all", f"v=spf1 mx ip6:{V6} -all"),
    ],
)
def test_a_term_that_lets_everybody_pass_becomes_what_was_meant(wide: str, meant: str) -> None:
    assert policy(wide).opens
    assert proposed(wide) == meant


@pytest.mark.parametrize(
    ("misspelt", "meant"),
    [
        (f"v=spf1 ipv4:{V4} -all", f"v=spf1 ip4:{V4} -all"),
        (f"v=spf1 a:{V4} -all", f"v=spf1 ip4:{V4} -all"),
        (f"v=spf1 {V4} ~all", f"v=spf1 ip4:{V4} ~all"),
        (f"v=spf1 ip4: {V4} -all", f"v=spf1 ip4:{V4} -all"),
        ("v=spf1 mx, -all", "v=spf1 mx -all"),
        ("v=spf1 mx -all.", "v=spf1 mx -all"),
        ("v=spf1 mx redirect:spf.example.net", "v=spf1 mx redirect=spf.example.net"),
        ("v=spf1 mx \xe2\x80\x93all", "v=spf1 mx -all"),
    ],
)
def test_common_misspellings_are_corrected(misspelt: str, meant: str) -> None:
    assert policy(misspelt).problem
    assert judged(misspelt).result is Result.PERMERROR
    assert proposed(misspelt, host=IPV4_ONLY) == meant


def test_what_cannot_be_read_is_left_to_a_human() -> None:
    told = policy("v=spf1 mx incldue:spf.example.net -all")
    assert told.problem == "'incldue:spf.example.net': there is no mechanism incldue"
    assert told.proposal is None


def test_the_eleventh_lookup() -> None:
    text = "v=spf1 mx a include:big.example.net include:big.example.net -all"
    told = policy(text)
    assert told.lookups == 12
    assert told.costs[0] == "include:big.example.net costs 5"
    assert told.proposal is None
    at_limit = "v=spf1 include:big.example.net include:big.example.net -all"
    assert policy(at_limit).lookups == 10
    assert policy(at_limit).costs == ()


def test_lookups_behind_all_are_never_made() -> None:
    text = f"v=spf1 ip4:{V4} -all include:big.example.net redirect=big.example.net"
    assert policy(text).lookups == 0


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("v=spf1 include:loop.example.net -all", "a loop"),
        ("v=spf1 include:example.com -all", "a loop"),
        ("v=spf1 redirect=broken.example.net", "there is no mechanism ipv4 (ip4: is meant)"),
        ("v=spf1 include:nowhere.example.net -all", "nowhere.example.net has no SPF record"),
        ("v=spf1 redirect=plain.example.net", "plain.example.net has no SPF record"),
        ("v=spf1 exp=a.b exp=c.d -all", "exp= is given 2 times"),
    ],
)
def test_a_tree_that_ends_in_permerror(text: str, problem: str) -> None:
    assert problem in policy(text).problem
    assert judged(text).result is Result.PERMERROR


def test_void_lookups_make_permerror() -> None:
    told = judged("v=spf1 a:1.x.org a:2.x.org a:3.x.org mx -all")
    assert (told.result, told.voids) == (Result.PERMERROR, 3)
    assert told.problem == "more than 2 DNS lookups without an answer"


@pytest.mark.parametrize(
    ("text", "way"),
    [
        ("v=spf1 all", "all"),
        ("v=spf1 mx ip4:0.0.0.0/0 -all", "ip4:0.0.0.0/0"),
        ("v=spf1 include:open.example.net -all", "include:open.example.net → +all"),
        ("v=spf1 redirect=open.example.net", "redirect=open.example.net → +all"),
        ("v=spf1 -include:open.example.net mx ~all", ""),
        ("v=spf1 mx ?all", ""),
    ],
)
def test_a_record_that_lets_everybody_send(text: str, way: str) -> None:
    assert policy(text).opens == way


def test_every_host_of_an_mx_set_is_asked_for() -> None:
    several = Zone(
        {
            (DOMAIN, "TXT"): ["v=spf1 mx -all"],
            (DOMAIN, "MX"): ["10 a.example.org", f"20 {HELO}", "30 b.example.org"],
            (HELO, "A"): [V4],
        }
    )
    mail = Mail(V4, f"postmaster@{DOMAIN}", HELO)
    told = at_once(check_host(several, mail, DOMAIN))
    assert (told.result, told.mechanism, told.voids) == (Result.PASS, "mx", 2)


def test_the_explanation_counts_against_no_limit() -> None:
    held = {(DOMAIN, "TXT"): ["v=spf1 a:1.x.org a:2.x.org exp=why.example.com -all"]}
    mail = Mail(V4, f"postmaster@{DOMAIN}", HELO)
    told = at_once(check_host(Zone(held), mail, DOMAIN))
    assert (told.result, told.lookups, told.voids, told.explanation) == (Result.FAIL, 2, 2, "")
    held["why.example.com", "TXT"] = ["%{p} may not send"]
    told = at_once(check_host(Zone(held), mail, DOMAIN))
    assert (told.voids, told.explanation) == (2, "unknown may not send")


def test_ptr_is_seen() -> None:
    assert policy("v=spf1 ptr -all").uses_ptr
    assert not policy("v=spf1 mx -all").uses_ptr


def test_a_domain_that_sends_no_mail_says_so() -> None:
    assert policy("v=spf1 -all", MX=["0 ."]).is_mute
    assert policy("v=spf1 -all", MX=["0 ."]).proposal is None
    assert not policy("v=spf1 -all").is_mute


def test_where_the_domain_is_an_alias_the_alias_has_to_go_for_the_cure() -> None:
    aliased = Zone({("www.example.com", "CNAME"): [DOMAIN], (DOMAIN, "TXT"): ["v=spf1 -all"]})
    told = at_once(examine_policy(aliased, "www.example.com", HOST))
    assert isinstance(told, Known)
    assert told.value.proposal == ProposedSet(
        "www.example.com", "TXT", (f"v=spf1 ip4:{V4} ip6:{V6} -all",), alias_of=DOMAIN
    )


def test_the_helo_name_answers_for_bounces() -> None:
    of_helo = Zone({(HELO, "TXT"): ["v=spf1 a -all"], (HELO, "A"): [V4]})
    told = at_once(examine_helo(of_helo, HOST))
    assert told.ipv4 == Known(SpfVerdict(V4, Result.PASS, "a", lookups=1))
    assert told.ipv6 == Known(SpfVerdict(V6, Result.FAIL, "-all", lookups=1, voids=1))
    nobody = MailHost(helo=Unknown("it is decided anew for each message"))
    assert isinstance(at_once(examine_helo(of_helo, nobody)).ipv4, Unknown)


@pytest.mark.parametrize("text", ["v=spf1 " + "x" * 300, "v=spf1 a:" + "%{s}" * 20_000 + "%"])
def test_long_terms_are_clipped_in_words(text: str) -> None:
    with pytest.raises(SpfError) as error:
        parse(text)
    assert len(str(error.value)) < 600


HOSTILE: Mapping[str, str] = {
    "thousands of terms": "v=spf1 " + "a:%{i}.x.org " * 4_000,
    "thousands of addresses": "v=spf1 " + "ip4:192.0.2.1 " * 4_500,
    "macro bomb": "v=spf1 exists:" + "%{s99r.-+,/_=}" * 4_500,
    "digits": "v=spf1 exists:%{d" + "9" * 65_000 + "}",
    "prefix digits": "v=spf1 a/" + "1" * 65_000,
    "slashes": "v=spf1 a" + "/" * 65_000,
    "dots": "v=spf1 a:" + "." * 65_000,
    "open braces": "v=spf1 a:" + "%{" * 32_000,
    "delimiters": "v=spf1 a:%{d" + "." * 65_000,
    "not ASCII": "v=spf1 " + "\xff" * 65_000,
    "one long term": "v=spf1 " + "a" * 65_000,
    "name of dashes": "v=spf1 a:x." + "-" * 65_000,
    "spaces": "v=spf1" + " " * 65_000 + "-all",
    "includes of itself": "v=spf1 " + "include:example.com " * 3_000,
    "control characters": "v=spf1 \x1b[31m\x00\r\n -all",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_records_are_judged_at_once(text: str) -> None:
    started = time.process_time()
    told = policy(text)
    verdict(text)
    assert time.process_time() - started < 1
    assert len(told.problem) < 1000
    assert all(len(each) < 400 for each in (*told.texts, *told.costs))


def test_a_deep_tree_is_followed_to_its_bound() -> None:
    chain = {(f"{n}.x.org", "TXT"): [f"v=spf1 include:{n + 1}.x.org -all"] for n in range(500)}
    deep = Zone({**chain, (DOMAIN, "TXT"): ["v=spf1 include:0.x.org -all"]})
    told = at_once(examine_policy(deep, DOMAIN, HOST))
    assert isinstance(told, Known)
    assert 10 < told.value.lookups < 60
    assert sum(deep.asked.values()) < 200
