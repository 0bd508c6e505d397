"""Whatever octets come as a reply, reading them is bounded and ends in an answer or in words."""

from __future__ import annotations

import struct
import time

import dns.exception
import dns.message
import dns.name
import dns.rdatatype
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailfix.host.dns.answer import Alias, of_name, of_reply
from mailfix.host.dns.question import NotAName, Question, Wish
from mailfix.host.dns.referral import read_referral
from mailfix.host.dns.reply import MAX_RECORDS, Garbled, NotOurs, Reply, TooMany, rcode_text, read
from mailfix.host.dns.resolv_conf import MAX_NAMESERVERS, parse
from mailfix.model import Known, Unknown

LABEL = st.text("abcxyz0189-_", min_size=1, max_size=12)
NAME = st.lists(LABEL, min_size=1, max_size=6).map(".".join)
RECORDS = {
    "A": st.ip_addresses(v=4).map(str),
    "AAAA": st.ip_addresses(v=6).map(str),
    "MX": st.tuples(st.integers(0, 65535), NAME).map(lambda mx: f"{mx[0]} {mx[1]}."),
    "TXT": st.lists(st.text("abc \u00e9;=\\\\", max_size=40), min_size=1, max_size=4).map(
        lambda strings: " ".join('"' + "".join(map(_escaped, text)) + '"' for text in strings)
    ),
    "CNAME": NAME.map(lambda name: name + "."),
    "PTR": NAME.map(lambda name: name + "."),
    "NS": NAME.map(lambda name: name + "."),
    "SOA": st.tuples(NAME, NAME, *[st.integers(0, 2**32 - 1)] * 5).map(
        lambda soa: " ".join((f"{soa[0]}.", f"{soa[1]}.", *map(str, soa[2:])))
    ),
}


def _escaped(character: str) -> str:
    return f"\\{ord(character):03d}"


@st.composite
def replies(draw: st.DrawFn) -> tuple[Question, dns.message.Message]:
    """A question, and a right reply to it with what else a server may put in."""
    rdtype = draw(st.sampled_from(sorted(RECORDS)))
    question = Question.about(draw(NAME), rdtype)
    query = dns.message.make_query(question.name + ".", rdtype, id=1)
    reply = dns.message.make_response(query)
    owner = dns.name.from_text(question.name + ".")
    links = {draw(NAME) for _ in range(draw(st.integers(0, 3)))} - {question.name}
    for target in sorted(links):
        reply.answer.append(dns.rrset.from_text(owner, 60, "IN", "CNAME", target + "."))
        owner = dns.name.from_text(target + ".")
    if draw(st.booleans()):
        most = 1 if rdtype == "SOA" else 5
        texts = draw(st.lists(RECORDS[rdtype], min_size=1, max_size=most))
        reply.answer.append(dns.rrset.from_text(owner, 30, "IN", rdtype, *texts))
    if draw(st.booleans()):
        soa = dns.rrset.from_text("example.com.", 60, "IN", "SOA", "a. b. 1 1 1 1 1")
        reply.authority.append(soa)
    return question, reply


def _judge(question: Question, wire: bytes) -> None:
    """Read as the client does; only the three errors that it expects may come."""
    try:
        reply = read(wire, question)
    except (NotOurs, Garbled, TooMany):
        return
    assert isinstance(reply, Reply)
    assert rcode_text(reply.rcode)
    for told in (of_reply(reply, question), of_name(reply, question)):
        assert isinstance(told, Known | Unknown | Alias)
        if isinstance(told, Known):
            assert len(told.value.records) <= MAX_RECORDS
            assert all(isinstance(record, str) for record in told.value.records)
    read_referral(reply)


def _without_last_dots(text: str) -> str:
    return " ".join(word.removesuffix(".") for word in text.split(" "))


@given(replies(), st.binary(max_size=600))
def test_random_octets_behind_a_right_header(
    case: tuple[Question, dns.message.Message], noise: bytes
) -> None:
    question, wire = case[0], case[1].to_wire()
    _judge(question, noise)
    _judge(question, wire[:12] + question.section + noise)


@given(replies(), st.data())
def test_damaged_replies(case: tuple[Question, dns.message.Message], data: st.DataObject) -> None:
    question, wire = case[0], case[1].to_wire()
    damaged = bytearray(wire)
    for _ in range(data.draw(st.integers(1, 8))):
        damaged[data.draw(st.integers(2, len(wire) - 1))] = data.draw(st.integers(0, 255))
    end = data.draw(st.integers(0, len(wire)))
    _judge(question, bytes(damaged))
    _judge(question, wire[:end])
    _judge(question, wire + bytes(damaged[:end]))


@given(replies())
def test_right_replies_are_read_as_dnspython_reads_them(
    case: tuple[Question, dns.message.Message],
) -> None:
    question, wire = case[0], case[1].to_wire()
    reply = read(wire, question)
    whole = dns.message.from_wire(wire)
    told = of_reply(reply, question)
    try:
        chain = whole.resolve_chaining()  # type: ignore[attr-defined]
    except dns.exception.DNSException:
        return
    if isinstance(told, Known) and chain.answer is not None:
        if question.rdtype == "TXT":
            strings = [b"".join(each.strings).decode("latin-1") for each in chain.answer]
            assert sorted(strings) == list(told.value.records)
        else:
            texts = {_without_last_dots(each.to_text().lower()) for each in chain.answer}
            assert sorted(texts) == list(told.value.records)
        assert len(told.value.records) == len({each.to_text().lower() for each in chain.answer})
        assert told.value.ttl == chain.minimum_ttl


HOSTILE = {
    "a pointer to itself": b"\xc0\x0c" * 300,
    "pointers in a circle": b"\xc0\x20\xc0\x1e" * 200,
    "labels without end": b"\x01a" * 30000,
    "nothing but zeros": bytes(65000),
    "nothing but ones": b"\xff" * 65000,
}


@pytest.mark.parametrize("noise", HOSTILE.values(), ids=HOSTILE.keys())
@pytest.mark.parametrize("counts", [b"\0\1\0\0\0\0", b"\1\x2c\1\x2c\1\x2c", b"\xff" * 6])
def test_hostile_replies_take_no_time(noise: bytes, counts: bytes) -> None:
    question = Question.about("example.com", "TXT")
    clock = time.monotonic()
    _judge(question, b"\0\0\x84\0\0\1" + counts + question.section + noise)
    assert time.monotonic() - clock < 1


def test_a_txt_as_long_as_a_message_can_hold_is_read_whole() -> None:
    question = Question.about("example.com", "TXT")
    rrset = dns.rrset.from_text("example.com.", 60, "IN", "TXT", " ".join(["x" * 255] * 250))
    reply = dns.message.make_response(dns.message.make_query("example.com.", "TXT"))
    reply.answer.append(rrset)
    told = of_reply(read(reply.to_wire(max_size=65535), question), question)
    assert isinstance(told, Known)
    assert told.value.records == ("x" * 255 * 250,)


@given(st.one_of(NAME, st.text(max_size=300)), st.sampled_from(sorted(RECORDS)))
def test_a_question_is_put_as_dnspython_puts_it(name: str, rdtype: str) -> None:
    try:
        question = Question.about(name, rdtype)
    except NotAName:
        with pytest.raises((dns.exception.DNSException, UnicodeError, ValueError)):
            dns.name.from_text(name.rstrip(".").lower() + ".").to_wire()
        return
    message = dns.message.from_wire(question.packet(7, Wish.RECURSION, edns=True))
    assert message.id == 7
    assert message.edns == 0
    assert message.question[0].name == dns.name.from_text(name.rstrip(".").lower() + ".")
    assert message.question[0].rdtype == dns.rdatatype.from_text(rdtype)


@given(st.text())
def test_no_resolv_conf_is_too_strange(text: str) -> None:
    assert len(parse(text)) <= MAX_NAMESERVERS
    assert len(parse("\n".join(f"nameserver {line}" for line in text.splitlines()))) <= 3


LABELS = st.lists(
    st.binary(min_size=1, max_size=12) | st.text("aZ9.-_", min_size=1, max_size=9).map(str.encode),
    max_size=5,
)


@given(st.sampled_from(["MX", "NS", "CNAME", "PTR"]), LABELS, st.booleans())
def test_a_name_of_any_octets_is_read_as_dnspython_reads_it(
    rdtype: str, labels: list[bytes], compressed: bool
) -> None:
    question = Question.about("example.com", rdtype)
    tail = b"\xc0\x0c" if compressed else b"\0"
    name = b"".join(bytes((len(each),)) + each for each in labels) + tail
    data = (b"\0\x0a" if rdtype == "MX" else b"") + name
    head = struct.pack("!HHHHHH", 1, 0x8180, 1, 1, 0, 0) + question.section
    record = b"\xc0\x0c" + struct.pack("!HHIH", question.code, 1, 300, len(data)) + data
    (told,) = read(head + record, question).records
    (rrset,) = dns.message.from_wire(head + record).answer
    target = rrset[0].to_text().lower()
    assert told.text == (target if target.endswith(" .") or target == "." else target[:-1])
