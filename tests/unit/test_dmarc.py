"""What a domain asks of receivers, as receivers read it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping

import pytest

from mailfix.mail_records.dmarc import DmarcPolicy, examine
from mailfix.mail_records.dmarc_record import BadRecord, Request, is_record, read, repaired
from mailfix.mail_records.public_suffix import PublicSuffixes, parse_list
from mailfix.model import Fact, Known, Unknown
from tests.unit.records import Zone

LIST: Fact[PublicSuffixes] = Known(parse_list("com\nnet\nuk\nco.uk\n"))
NO_LIST: Fact[PublicSuffixes] = Unknown("the public suffix list is not installed")
REJECT = "v=DMARC1; p=reject; sp=quarantine"
Records = Mapping[tuple[str, str], Iterable[str]]


def ask(
    records: Records,
    domain: str = "example.com",
    suffixes: Fact[PublicSuffixes] = LIST,
    failing: Mapping[tuple[str, str], str] | None = None,
) -> Fact[DmarcPolicy]:
    return asyncio.run(examine(Zone(records, failing), domain, suffixes))


def found(
    records: Records, domain: str = "example.com", suffixes: Fact[PublicSuffixes] = LIST
) -> DmarcPolicy:
    answer = ask(records, domain, suffixes)
    assert isinstance(answer, Known), answer
    return answer.value


def txt(*texts: str, at: str = "_dmarc.example.com") -> dict[tuple[str, str], list[str]]:
    return {(at, "TXT"): list(texts)}


def test_the_domains_own_record_holds() -> None:
    policy = found(txt(REJECT))
    assert policy.request is Request.REJECT
    assert not policy.inherited
    assert policy.proposal is None


def test_a_subdomain_inherits_what_the_organisation_asks_for_subdomains() -> None:
    policy = found(txt(REJECT), "a.b.example.com")
    assert policy.inherited
    assert policy.name == "_dmarc.example.com"
    assert policy.request is Request.QUARANTINE


def test_what_the_organisation_lacks_is_told_of_it_where_it_is_judged_itself() -> None:
    def policy(judged: tuple[str, ...], records: Records) -> DmarcPolicy:
        zone = Zone(records, None)
        answer = asyncio.run(examine(zone, "shop.example.com", LIST, judged))
        assert isinstance(answer, Known), answer
        return answer.value

    broken = "v=DMARC1; p=discard"
    assert policy(("example.com", "shop.example.com"), {}).is_told_above
    assert policy(("example.com",), txt(broken)).is_told_above
    assert not policy(("shop.example.com",), {}).is_told_above
    own = txt(broken, at="_dmarc.shop.example.com")
    assert not policy(("example.com", "shop.example.com"), own).is_told_above


def test_the_organisation_is_found_by_the_list() -> None:
    assert found(txt(REJECT, at="_dmarc.co.uk"), "example.co.uk").name == ""
    policy = found(txt(REJECT, at="_dmarc.example.co.uk"), "shop.example.co.uk")
    assert policy.inherited


def test_without_a_record_the_cure_asks_for_nothing_yet() -> None:
    policy = found({})
    assert policy.proposal is not None
    assert policy.proposal.zone_lines() == ('_dmarc.example.com. 3600 IN TXT "v=DMARC1; p=none"',)


def test_an_alias_that_leads_to_no_record_has_to_go_for_the_cure() -> None:
    policy = found({("_dmarc.example.com", "CNAME"): ["gone.example.net"]})
    assert policy.proposal is not None
    told = policy.proposal.told()
    assert "remove: _dmarc.example.com. 3600 IN CNAME gone.example.net." in told
    assert 'zone file: _dmarc.example.com. 3600 IN TXT "v=DMARC1; p=none"' in told


def test_without_the_list_nothing_above_is_nothing() -> None:
    assert found({}, "a.b.example.com", NO_LIST).name == ""
    assert found(txt(REJECT), suffixes=NO_LIST).request is Request.REJECT


def test_without_the_list_nobody_can_tell_from_whom_a_domain_inherits() -> None:
    assert ask(txt(REJECT), "a.b.example.com", NO_LIST) == NO_LIST


def test_silence_is_not_a_missing_record() -> None:
    why = "192.0.2.53 kept silent"
    assert ask({}, failing={("_dmarc.example.com", "TXT"): why}) == Unknown(why)
    above = {("_dmarc.example.com", "TXT"): why}
    assert ask({}, "shop.example.com", failing=above) == Unknown(why)


def test_other_texts_beside_it_do_not_count() -> None:
    assert found(txt("google-site-verification=abc", REJECT)).request is Request.REJECT
    assert found(txt("v=spf1 -all")).name == ""


def test_of_two_records_receivers_follow_none_and_the_mildest_is_kept() -> None:
    policy = found(txt("v=DMARC1; p=reject", "v=DMARC1;p=none"))
    assert policy.several
    assert policy.request is None
    assert policy.proposal is not None
    assert policy.proposal.add == ()
    assert policy.proposal.remove == ("v=DMARC1; p=reject",)


@pytest.mark.parametrize(
    "text",
    ["v=dmarc1; p=reject", '"v=DMARC1; p=reject"', " v=DMARC1; p=reject", "p=reject; v=DMARC1"],
)
def test_a_record_that_does_not_begin_as_it_must_is_replaced(text: str) -> None:
    policy = found(txt(text))
    assert "must begin with v=DMARC1" in policy.fault
    assert policy.proposal is not None
    assert policy.proposal.add == ("v=DMARC1; p=reject",)
    assert policy.proposal.remove == (text,)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("v=DMARC1", "p= is missing"),
        ("v=DMARC1; rua=x@example.com", "p= is missing"),
        ("v=DMARC1; p=strict", "p=strict is none of"),
        ("v=DMARC1; p=none; p=reject", "stands in it twice"),
        ("v=DMARC1; p=none;" + " " * 5000, "characters long"),
    ],
)
def test_a_record_of_which_receivers_make_no_policy(text: str, why: str) -> None:
    with pytest.raises(BadRecord, match=why):
        read(text)
    assert read(repaired(text)).overlooked == ()


@pytest.mark.parametrize(
    ("text", "overlooked"),
    [
        ("v=DMARC1; p=none; aspf=x", "aspf=x"),
        ("v=DMARC1; p=none; pct=101", "pct=101"),
        ("v=DMARC1; p=none; sp=all", "sp=all"),
        ("v=DMARC1; p=none; hello", "hello is no tag"),
        ("v=DMARC1; sp=none; p=none", "not the second"),
        ("v=DMARC1; rua=mailto:x@example.com", "p=none is taken"),
        ("v=DMARC1; p=none; rua=x@example.com", "is no mailto: address"),
        ("v=DMARC1; p=none; rua=https://example.com/", "is no mailto: address"),
    ],
)
def test_what_receivers_overlook_is_told_and_repaired(text: str, overlooked: str) -> None:
    assert any(overlooked in each for each in read(text).overlooked)
    assert read(repaired(text)).overlooked == ()


def test_a_forgotten_mailto_is_added() -> None:
    repaired_text = repaired("v=DMARC1; p=none; rua=x@example.com")
    assert repaired_text == "v=DMARC1; p=none; rua=mailto:x@example.com"


@pytest.mark.parametrize(
    "text",
    [
        "v=DMARC1;p=none",
        "v=DMARC1 ; p = reject ; pct=50; fo=1:d:s; rf=afrf; ri=86400",
        "v=DMARC1; p=NONE; np=reject; psd=n; t=y; unknown=whatever",
        "v=DMARC1; p=none; rua=mailto:a@example.com!10m,mailto:b+c@example.com",
    ],
)
def test_records_without_a_fault(text: str) -> None:
    assert is_record(text)
    assert read(text).overlooked == ()


@pytest.mark.parametrize("text", ["v=DMARC10; p=none", "v=DMARC2; p=none", "", "dmarc"])
def test_what_is_no_record(text: str) -> None:
    assert not is_record(text)


REPORTED = "v=DMARC1; p=none; rua=mailto:d@reports.example.net,mailto:x@mail.example.com"
QUESTION = "example.com._report._dmarc.reports.example.net"


def test_reports_to_others_need_their_consent() -> None:
    (reporter,) = found(txt(REPORTED)).reporters
    assert (reporter.mailbox, reporter.authorised) == ("d@reports.example.net", Known(False))
    (reporter,) = found({**txt(REPORTED), **txt("v=DMARC1;", at=QUESTION)}).reporters
    assert reporter.authorised == Known(True)


def test_silence_about_consent_is_no_refusal() -> None:
    answer = ask(txt(REPORTED), failing={(QUESTION, "TXT"): "SERVFAIL from 192.0.2.53"})
    assert isinstance(answer, Known)
    assert answer.value.reporters[0].authorised == Unknown("SERVFAIL from 192.0.2.53")


def test_consent_is_asked_for_the_domain_that_publishes_the_record() -> None:
    (reporter,) = found(txt(REPORTED), "shop.example.com").reporters
    assert reporter.question == QUESTION


def test_a_sister_domain_needs_the_list_to_be_told_from_a_stranger() -> None:
    text = "v=DMARC1; p=none; rua=mailto:x@other.co.uk"
    here = txt(text, at="_dmarc.example.co.uk")
    (known,) = found(here, "example.co.uk").reporters
    assert known.authorised == Known(False)
    (unknown,) = found({**here}, "example.co.uk", Unknown("no list")).reporters
    assert unknown.authorised == Unknown("no list")


@pytest.mark.parametrize(
    ("signer", "strict", "aligned"),
    [
        ("shop.example.com", True, True),
        ("example.com", True, False),
        ("example.com", False, True),
        ("mail.example.com", False, True),
        ("badexample.com", False, False),
        ("example.net", False, False),
    ],
)
def test_who_speaks_for_a_subdomain(signer: str, strict: bool, aligned: bool) -> None:
    policy = found(txt(REJECT), "shop.example.com")
    assert policy.aligned(signer, strict=strict) == Known(aligned)


@pytest.mark.parametrize(
    ("text", "effect"),
    [
        ("v=DMARC1; p=reject; pct=0", Request.QUARANTINE),
        ("v=DMARC1; p=quarantine; pct=0", Request.NONE),
        ("v=DMARC1; p=quarantine; t=y", Request.NONE),
        ("v=DMARC1; p=none; t=y", Request.NONE),
        ("v=DMARC1; p=reject; pct=50", Request.REJECT),
    ],
)
def test_a_policy_on_trial_is_treated_one_step_milder(text: str, effect: Request) -> None:
    assert found(txt(text)).effect is effect


def test_hostile_texts_are_bounded() -> None:
    texts = [f"v=DMARC1; p=none; n={n};" + "x" * 60_000 for n in range(200)]
    policy = found(txt(*texts))
    assert policy.several
    assert sum(len(text) for text in policy.texts) < 2000
    mailboxes = ",".join(f"mailto:x@r{n}.example.net" for n in range(500))
    zone = Zone(txt("v=DMARC1; p=none; rua=" + mailboxes[:4000]))
    asyncio.run(examine(zone, "example.com", LIST))
    assert zone.asked.total() <= 12
