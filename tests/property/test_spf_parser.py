"""Whatever a TXT record holds, reading and judging it ends in an answer."""

from __future__ import annotations

import contextlib

from hypothesis import given
from hypothesis import strategies as st

from mailfix.mail_records.mail_host import MailHost
from mailfix.mail_records.spf import examine_policy
from mailfix.mail_records.spf.evaluation import MAX_LOOKUPS, Mail, Result, check_host
from mailfix.mail_records.spf.macros import NAME_LENGTH, parse_explanation, shortened_name
from mailfix.mail_records.spf.problem import SpfError
from mailfix.mail_records.spf.record import is_spf, parse
from mailfix.mail_records.spf.repair import corrected
from mailfix.model import Known, PerFamily
from tests.property.spf_zones import DOMAIN, World, records, worlds
from tests.unit.records import Zone, at_once

octets = st.text(st.characters(max_codepoint=255), max_size=60)
near = st.text(
    st.sampled_from("v=spf1 axmlincudeptr4:6.%{}/~-+?0123456789\xe2\x80\x93\t"), max_size=60
)
texts = st.one_of(octets, near).map("v=spf1 {}".format)
MAIL = Mail("192.0.2.1", f"user@{DOMAIN}", "mail.example.com")
HOST = MailHost(senders=PerFamily(Known("192.0.2.1"), Known(None)))


@given(texts)
def test_any_record_is_read_or_refused_in_words(text: str) -> None:
    assert is_spf(text)
    with contextlib.suppress(SpfError):
        assert " ".join(["v=spf1", *(term.text for term in parse(text).terms)]).isascii()
    with contextlib.suppress(SpfError):
        parse_explanation(text)


@given(texts)
def test_any_record_is_judged(text: str) -> None:
    zone = Zone({(DOMAIN, "TXT"): [text], (DOMAIN, "A"): ["192.0.2.9"]})
    told = at_once(check_host(zone, MAIL, DOMAIN))
    assert isinstance(told.result, Result)
    assert (told.result is Result.PERMERROR) == bool(told.problem)
    assert isinstance(at_once(examine_policy(zone, DOMAIN, HOST)), Known)


@given(records(faulty=False))
def test_a_well_formed_record_is_read_in_full(text: str) -> None:
    record = parse(text)
    assert " ".join(["v=spf1", *(term.text for term in record.terms)]) == text
    assert corrected(text) == text


@given(texts)
def test_what_is_corrected_once_stays_so(text: str) -> None:
    once = corrected(text)
    with contextlib.suppress(SpfError):
        parse(once)
        assert corrected(once) == once


@given(worlds())
def test_the_limits_hold(world: World) -> None:
    told = at_once(check_host(world.zone, world.mail, DOMAIN))
    assert told.lookups <= MAX_LOOKUPS + 1
    assert sum(world.zone.asked.values()) <= 1 + 2 * MAX_LOOKUPS * (1 + MAX_LOOKUPS)


@given(st.lists(st.text("ab.", max_size=70), max_size=8).map(".".join))
def test_a_name_is_shortened_by_whole_labels_from_the_left(name: str) -> None:
    short = shortened_name(name)
    assert name.removesuffix(".").endswith(short)
    assert len(short) <= NAME_LENGTH or "." not in short
