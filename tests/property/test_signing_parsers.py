"""Key records, keys, exim's lists and expressions: whatever they hold, the answer is bounded."""

from __future__ import annotations

import base64
import contextlib
import time
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mailfix.host.idna import to_ascii
from mailfix.host.private_keys import key_of_text
from mailfix.mail_records.dkim import BadRecord, Signature, judge, parse_record, public_key
from mailfix.mail_records.domain_name import is_mail_domain, shown_domain
from mailfix.mail_records.rsa_key import BadKey, RsaNumbers, is_ed25519, read_private, read_public
from mailfix.model import Refusal, Unknown
from mailfix.probes import domains, exim_expansion
from mailfix.record_set import RecordSet

LATIN = st.text(st.characters(max_codepoint=255), max_size=300)
PARTS = ("v=DKIM1", "k=rsa", "k=ed25519", "p=", "p=MIIB", "h=sha1", "t=y:s", ";", " ", "=", '"')
RECORDS = st.lists(st.sampled_from(PARTS) | LATIN, max_size=20).map("".join)
NUMBERS = st.builds(
    RsaNumbers,
    st.integers(min_value=1 << 500, max_value=(1 << 4096) - 1),
    st.integers(min_value=3, max_value=1 << 64),
)
EXPRESSIONS = st.lists(
    st.sampled_from(
        [
            *("${lookup{$domain}", "lsearch{/etc/x}", "{$value}", "}", "{", ":", "$h_from:"),
            *("$sender_address_domain", "${domain:", "\\", "$", "!", "+x", "@", "\x01", "0\x01"),
            "\\N",
        ]
    )
    | st.text(max_size=20),
    max_size=20,
).map("".join)
OF_SENDER = st.lists(
    st.sampled_from(["$sender_address", "${sender_address_domain}", "$h_from:", "${lc:x}", "x"])
).map(" ".join)
NAMES = st.from_regex(r"[a-z0-9_-]{1,20}(\.[a-z0-9-]{1,20}){1,3}", fullmatch=True)
LARGE = 64 * 1024


@given(RECORDS)
@example("v=DKIM1; p=" + "A" * LARGE)
@example(";" * LARGE)
def test_a_key_record_is_read_or_refused(text: str) -> None:
    try:
        key = public_key(parse_record(text))
    except BadRecord:
        return
    assert key.kind in ("rsa", "ed25519")
    assert public_key(parse_record(key.record)) == key


@pytest.mark.parametrize("text", ["v =" * LARGE, " " * LARGE, "p" + " " * LARGE, "a=b;" * LARGE])
def test_a_long_record_takes_no_longer_than_it_is_long(text: str) -> None:
    signature = Signature("example.com", "mail", Unknown("not read"))
    started = time.process_time()
    verdict = judge(signature, RecordSet((text,) * 10, exists=True))
    assert time.process_time() - started < 2.0
    assert verdict.fault is not None


@given(st.lists(RECORDS, max_size=5), st.booleans())
def test_every_record_set_has_a_verdict(texts: list[str], exists: bool) -> None:
    signature = Signature("example.com", "mail", Unknown("not read"))
    verdict = judge(signature, RecordSet(tuple(texts), exists=exists))
    assert (verdict.fault is None) == (verdict.uncompared == "not read")
    assert all(len(line) < 400 for line in verdict.evidence)


@given(NUMBERS)
def test_the_public_half_comes_back(numbers: RsaNumbers) -> None:
    assert read_public(numbers.spki()) == numbers


@given(NUMBERS, st.data())
def test_a_damaged_key_is_refused_or_another_key(numbers: RsaNumbers, data: st.DataObject) -> None:
    der = bytearray(numbers.spki())
    place = data.draw(st.integers(0, len(der) - 1))
    der[place] ^= data.draw(st.integers(1, 255))
    for read in (read_public, read_private):
        for damaged in (bytes(der), bytes(der[:place])):
            try:
                found = read(damaged)
            except BadKey:
                continue
            assert 0 < found.bits <= 16384


@given(st.binary(max_size=200))
def test_bytes_that_are_no_key_are_refused(der: bytes) -> None:
    for read in (read_public, read_private, is_ed25519):
        with contextlib.suppress(BadKey):
            read(der)
    assert key_of_text(
        f"-----BEGIN PRIVATE KEY-----\n{base64.b64encode(der).decode()}\n-----END PRIVATE KEY-----"
    )


@given(st.text(max_size=200))
def test_a_key_file_is_read_or_said_to_be_useless(text: str) -> None:
    found = key_of_text(text)
    assert found.trouble
    assert isinstance(found.key, Unknown)


@given(EXPRESSIONS)
def test_a_list_keeps_its_expressions_whole(text: str) -> None:
    groups = domains.braced_groups(text)
    assert all(end <= start for (_, end), (start, _) in pairwise(groups))
    assert all(text[start:end].startswith("${") for start, end in groups)
    assert all(item.strip() == item and item for item in domains.list_items(text))


@given(EXPRESSIONS)
def test_an_expression_without_variables_is_left_as_it_is(text: str) -> None:
    assert exim_expansion.replaced(text, {}) == text
    if not exim_expansion.variables(text):
        assert exim_expansion.for_sender(text, "example.com") == text


@given(OF_SENDER, NAMES)
def test_no_sender_is_left_in_an_expression(text: str, domain: str) -> None:
    written = exim_expansion.for_sender(text, domain)
    assert exim_expansion.variables(written) == ()
    assert written.count(domain) >= text.count("$") - text.count("${lc")


@given(st.text(max_size=100))
def test_what_exim_prints_is_read(text: str) -> None:
    assert exim_expansion.parse_expansions(text) == []
    printed = f"> {text}\n> mailfix-end-of-expansion\n> "
    assert len(exim_expansion.parse_expansions(printed)) == 1


@given(st.text(max_size=260))
def test_a_domain_is_accepted_or_refused(text: str) -> None:
    try:
        name = domains.ascii_domain(text)
    except Refusal:
        return
    assert is_mail_domain(name)
    assert domains.ascii_domain(name) == name


@given(st.text(max_size=260))
def test_a_name_is_brought_to_ascii_or_refused(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert to_ascii(text).isascii()


@given(NAMES | st.from_regex(r"xn--[a-z0-9-]{0,59}\.xn--[a-z0-9-]{1,59}", fullmatch=True))
def test_every_name_can_be_shown(name: str) -> None:
    assert shown_domain(name).isprintable()
    assert name in shown_domain(name)
