"""The proposed SPF record: this host passes, nobody else is treated differently."""

from __future__ import annotations

from hypothesis import assume, event, given
from hypothesis import strategies as st

from mailfix.mail_records.mail_host import MailHost
from mailfix.mail_records.spf import SpfPolicy, examine_policy
from mailfix.mail_records.spf.evaluation import MAX_LOOKUPS, Mail, Result, check_host
from mailfix.mail_records.spf.reach import reach_of_terms
from mailfix.mail_records.spf.record import Kind, Mechanism, parse
from mailfix.model import Known, PerFamily
from tests.property.spf_zones import ADDRESSES, DOMAIN, World, records, worlds
from tests.unit.records import Zone, at_once

OWN = ("203.0.113.10", "2001:db8:9::10")
OTHERS = (*ADDRESSES, "203.0.113.11", "192.0.2.200", "2001:db8:9::11", "2001:db8:1::8")
HOST = MailHost(senders=PerFamily(Known(OWN[0]), Known(OWN[1])))


def with_texts(world: World, *texts: str) -> Zone:
    return Zone({**world.zone.records, (DOMAIN, "TXT"): texts})


def policy(zone: Zone) -> SpfPolicy:
    told = at_once(examine_policy(zone, DOMAIN, HOST))
    assert isinstance(told, Known)
    return told.value


def is_wide(zone: Zone, text: str) -> bool:
    """A term of the record itself lets everybody pass: that one is to be narrowed."""
    reaches = at_once(reach_of_terms(zone, parse(text), DOMAIN))
    return any(
        reach.opens and isinstance(term, Mechanism) and term.kind is not Kind.INCLUDE
        for term, reach in reaches
    )


def result(zone: Zone, address: str) -> Result:
    mail = Mail(address, f"postmaster@{DOMAIN}", DOMAIN)
    return at_once(check_host(zone, mail, DOMAIN)).result


@given(worlds(), records(faulty=False))
def test_one_record_is_changed_for_this_host_alone(world: World, text: str) -> None:
    before = with_texts(world, text)
    told = policy(before)
    assume(not told.problem and told.lookups <= MAX_LOOKUPS)
    assume(not is_wide(before, text))
    event("repaired" if told.proposal else "left as it is")
    after = with_texts(world, *told.proposal.add) if told.proposal else before
    assert [result(after, address) for address in OWN] == [Result.PASS] * 2
    assert policy(after).lookups == told.lookups
    assert policy(after).proposal is None
    changed = [each for each in OTHERS if result(before, each) is not result(after, each)]
    assert changed == []


@given(worlds(), st.lists(records(), max_size=3))
def test_whatever_is_proposed_works(world: World, texts: list[str]) -> None:
    told = policy(with_texts(world, *texts))
    assume(told.proposal)
    assert told.proposal
    after = with_texts(world, *told.proposal.add)
    assert [result(after, address) for address in OWN] == [Result.PASS] * 2
    again = policy(after)
    assert (again.count, again.problem, again.proposal) == (1, "", None)
    assert again.lookups <= MAX_LOOKUPS


def welcoming(text: str) -> str:
    """The record without any term that turns somebody away before the end."""
    terms = [term.lstrip("+-~?") for term in text.split()]
    return " ".join("~all" if term == "all" else term for term in terms)


@given(worlds(), records(faulty=False), records(faulty=False))
def test_who_passes_by_one_of_two_records_passes_by_the_merged_one(
    world: World, one: str, two: str
) -> None:
    pair = welcoming(one), welcoming(two)
    assume(not any(is_wide(world.zone, text) for text in pair))
    told = policy(with_texts(world, *pair))
    assume(told.count == 2 and told.proposal)
    assert told.proposal
    after = with_texts(world, *told.proposal.add)
    for address in ADDRESSES:
        results = {result(with_texts(world, text), address) for text in pair}
        if Result.PASS in results:
            event("passes")
            assert result(after, address) in (Result.PASS, Result.PERMERROR)
