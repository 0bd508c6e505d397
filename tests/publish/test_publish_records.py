"""The action: which records are published where, when nobody is asked, and when it is declined."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailfix.actions.catalogue import action
from mailfix.actions.proposal import Declined, Proposal
from mailfix.actions.situation import Situation
from mailfix.apply.store import Store
from mailfix.apply.transaction import End, carry_out
from mailfix.changes import Failed
from mailfix.changes.draft import Draft
from mailfix.facts import Facts
from mailfix.mail_records.dkim import KeyVerdict, PublishedKey, PublishedKeys, Signature
from mailfix.mail_records.dmarc import DmarcPolicy
from mailfix.mail_records.domain import DomainRecords
from mailfix.mail_records.proposal import ProposedSet
from mailfix.model import Finding, Known, Part, Severity, Status, Unknown
from mailfix.settings import DnsUpdate, Settings
from tests.publish import rig
from tests.publish.changing import begin, everywhere, quiet, settle
from tests.publish.rig import ONE, TWO, ZONE, Served

DMARC = "v=DMARC1; p=none"
DKIM = "v=DKIM1; k=rsa; p=" + "A" * 392


def finding(domain: str, rule: str = "dmarc-missing", advice: str | None = None) -> Finding:
    return Finding(
        rule, "", Status.FAIL, Severity.WARNING, {"domain": domain}, "", "", Part.DNS, advice=advice
    )


def situation(served: Served, *records: DomainRecords, zone: str = ZONE) -> Situation:
    entry = DnsUpdate(zone, ONE, str(served.key_file))
    settings = Settings(dns_updates=(entry,), dns_update_seconds=5)
    return Situation(Facts(domain_records=Known(records)), settings)


def with_dmarc(name: str, *texts: str, remove: tuple[str, ...] = ()) -> DomainRecords:
    wanted = ProposedSet(f"_dmarc.{name}", "TXT", texts, remove)
    return DomainRecords(name, dmarc=Known(DmarcPolicy(name, proposal=wanted)))


def with_keys(name: str, *selectors: str) -> DomainRecords:
    keys = tuple(
        PublishedKey(
            Signature(name, each, Unknown("not read"), "/key"),
            Known(KeyVerdict(proposal=ProposedSet(f"{each}._domainkey.{name}", "TXT", (DKIM,)))),
        )
        for each in selectors
    )
    return DomainRecords(name, dkim_key=Known(PublishedKeys(keys)))


def proposed(where: Situation, what: Finding) -> Proposal | Declined:
    propose = action("publish-records")
    assert propose is not None
    return propose(where, what)


def offered(where: Situation, what: Finding) -> Proposal:
    found = proposed(where, what)
    assert isinstance(found, Proposal), found
    return found


def declined(where: Situation, what: Finding) -> Declined:
    found = proposed(where, what)
    assert isinstance(found, Declined), found
    return found


def test_a_missing_record_is_offered_and_published(served: Served, store: Store, name: str) -> None:
    found = offered(situation(served, with_dmarc(name, DMARC)), finding(name))
    assert found.summary == f"publish TXT of _dmarc.{name} at {ONE}"
    assert f'+_dmarc.{name}. 3600 IN TXT "{DMARC}"' in found.changes[0].preview()
    assert f"ns1.{ZONE} ({ONE}), ns2.{ZONE} ({TWO})" in found.proof
    assert found.manual == "it says something about the domain that only its owner can know"
    assert served.primary.texts(f"_dmarc.{name}") == []
    assert carry_out(begin(store, *found.changes), quiet).end is End.MADE
    assert everywhere(served, f"_dmarc.{name}") == [[(3600, f'"{DMARC}"')]] * 2


def test_of_several_keys_the_one_that_the_finding_is_about_is_published(
    served: Served, name: str
) -> None:
    about_two = Finding(
        "dkim-key-missing",
        "",
        Status.FAIL,
        Severity.ERROR,
        {"domain": name, "selector": "two"},
        "",
        "",
        Part.DNS,
    )
    found = offered(situation(served, with_keys(name, "one", "two")), about_two)
    assert found.summary == f"publish TXT of two._domainkey.{name} at {ONE}"


def test_a_second_finding_of_the_same_set_is_cured_by_the_first(served: Served, name: str) -> None:
    where = situation(served, with_dmarc(name, DMARC))
    first = offered(where, finding(name))
    chosen = Situation(where.facts, where.settings, Draft().with_changes(first.changes))
    assert declined(chosen, finding(name, "dmarc-invalid")).cured


def test_another_record_of_the_same_set_joins_the_change(
    served: Served, store: Store, name: str
) -> None:
    one = situation(served, with_dmarc(name, DMARC))
    draft = Draft().with_changes(offered(one, finding(name)).changes)
    both = situation(served, with_dmarc(name, "v=DMARC1; p=reject", remove=(DMARC,)))
    second = offered(Situation(both.facts, both.settings, draft), finding(name))
    (change,) = draft.with_changes(second.changes).changes
    assert carry_out(begin(store, change), quiet).end is End.MADE
    assert everywhere(served, f"_dmarc.{name}") == [[(3600, '"v=DMARC1; p=reject"')]] * 2


@pytest.mark.parametrize(
    ("before", "after", "automatic"),
    [
        ("v=spf1 mx -all", "v=spf1 mx ip4:192.0.2.1 -all", True),
        ("v=spf1 -all", "v=spf1 ip4:192.0.2.1 ip6:2001:db8::1 -all", True),
        ("v=spf1 mx -all", "v=spf1 ip4:192.0.2.1 ~all", False),
        ("v=spf1 mx a -all", "v=spf1 a mx -all", False),
        ("v=spf1 mx -all", "v=spf1 mx +all -all", False),
        ("v=spf1 mx -all", "v=spf1 mx ip4:192.0.2.1 a -all", False),
    ],
)
def test_nobody_is_asked_only_where_words_are_added_and_none_is_lost(
    served: Served, name: str, before: str, after: str, automatic: bool
) -> None:
    served.change(f"_dmarc.{name}", f'"{before}"')
    settle(served)
    found = offered(situation(served, with_dmarc(name, after, remove=(before,))), finding(name))
    assert (found.manual == "") is automatic


def test_without_a_zone_in_the_settings_the_record_is_told_to_be_pasted(served: Served) -> None:
    where = situation(served, with_dmarc("example.net", DMARC))
    found = declined(where, finding("example.net"))
    assert found.reason == (
        "no entry of dns_updates in /etc/mailfix/mailfix.yml has a zone that holds "
        "_dmarc.example.net: publish the record by hand, or add one"
    )
    assert f'_dmarc.example.net. 3600 IN TXT "{DMARC}"' in found.advice
    told = declined(where, finding("example.net", advice="as the rule says"))
    assert told.advice == "as the rule says"


def test_the_deepest_zone_that_holds_the_name_is_taken(served: Served, name: str) -> None:
    where = situation(served, with_dmarc(name, DMARC))
    other = DnsUpdate("com", "192.0.2.1", "/nowhere")
    also = DnsUpdate(f"not{ZONE}", "192.0.2.1", "/nowhere")
    settings = Settings(dns_updates=(other, *where.settings.dns_updates, also))
    assert offered(Situation(where.facts, settings), finding(name)).changes


def test_what_the_audit_did_not_see_is_not_replaced(served: Served, name: str) -> None:
    where = situation(served, with_dmarc(name, DMARC, remove=("v=DMARC1; p=reject",)))
    assert declined(where, finding(name)).reason == (
        f"{ONE} holds other TXT records of _dmarc.{name} than those that were judged: audit again"
    )


def test_what_the_primary_holds_already_is_not_published_again(served: Served, name: str) -> None:
    served.change(f"_dmarc.{name}", f'"{DMARC}"')
    where = situation(served, with_dmarc(name, DMARC))
    assert "holds the record already" in declined(where, finding(name)).reason


def test_where_only_the_owner_can_decide_nothing_is_offered(served: Served, name: str) -> None:
    where = situation(served, DomainRecords(name, dmarc=Known(DmarcPolicy(name))))
    assert "only the owner" in declined(where, finding(name)).reason


def test_what_is_not_known_is_told(served: Served, name: str) -> None:
    where = situation(served, DomainRecords(name, dmarc=Unknown("DNS kept silent")))
    assert declined(where, finding(name)).reason == "DNS kept silent"
    assert "none of the domains" in declined(where, finding("example.net")).reason


def test_a_key_that_others_can_read_is_refused_with_what_mends_it(
    served: Served, tmp_path: Path, name: str
) -> None:
    key = rig.write_key(tmp_path / "a key")
    key.chmod(0o644)
    entry = DnsUpdate(ZONE, ONE, str(key))
    where = situation(served, with_dmarc(name, DMARC))
    with pytest.raises(Failed, match=rf"mode 0644 and not 0600: chmod 600 '{key}'$"):
        proposed(Situation(where.facts, Settings(dns_updates=(entry,))), finding(name))
