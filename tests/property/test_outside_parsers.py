"""Whatever a server sends is read without an error and within bounds."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from mailfix.facts import Way
from mailfix.host import dial
from mailfix.model import Family
from mailfix.outside import judge, protocols, x509
from mailfix.outside.channel import Channel, ClosedEarly, TooMuch
from mailfix.outside.model import Dialogue, ProbeReport, Speech, Target
from mailfix.outside.target import TargetError, read_target
from mailfix.report import outside as printed

LONGEST = dial.LINES_LIMIT * (dial.LINE_LIMIT + 1)
REPLY_BYTES = st.one_of(
    st.binary(max_size=3000),
    st.lists(st.sampled_from([b"220-a", b"220 b", b"\r\n", b"\n", b"2" * 600, b"* OK", b"."])).map(
        b"".join
    ),
)
MAIL = st.sampled_from([Speech.SMTP, Speech.IMAP, Speech.POP3])


@given(REPLY_BYTES)
def test_a_first_reply_is_bounded(received: bytes) -> None:
    reply = dial.first_reply(received)
    if reply is not None:
        lines = reply.split(b"\n")
        assert len(lines) <= dial.LINES_LIMIT
        assert all(len(line) <= dial.LINE_LIMIT for line in lines)
        assert isinstance(dial.decoded(reply), str)


@given(REPLY_BYTES, st.integers(0, 3000))
def test_a_first_reply_does_not_depend_on_how_it_was_cut_into_packets(
    received: bytes, cut: int
) -> None:
    early = dial.first_reply(received[:cut])
    if early is not None:
        assert dial.first_reply(received) == early


@given(REPLY_BYTES, MAIL)
def test_a_channel_hears_a_bounded_reply_or_says_why_not(received: bytes, speech: Speech) -> None:
    async def heard() -> str:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            theirs.sendall(received)
            theirs.close()
            ours.setblocking(False)
            try:
                return await Channel(ours).hear(
                    lambda lines: protocols.is_complete(speech, lines, is_listing=True)
                )
            except (ClosedEarly, TooMuch) as error:
                return error.heard

    assert len(asyncio.run(heard())) <= LONGEST


@given(st.text(), MAIL)
def test_any_text_has_a_meaning(text: str, speech: Speech) -> None:
    assert protocols.speech_of(text) in Speech
    assert protocols.refuses(text) in ("", "later", "never")
    assert isinstance(protocols.greeted_name(text), str)
    offered = protocols.capabilities(speech, text)
    assert all(word.strip() for word in offered)
    assert protocols.offers_starttls(speech, offered) in (True, False)


@given(st.lists(st.from_regex(r"[A-Z0-9=+ -]{1,20}", fullmatch=True).filter(str.strip), max_size=9))
def test_ehlo_keywords_come_back_as_they_were_sent(keywords: list[str]) -> None:
    lines = ["mail.example.com", *keywords]
    reply = "\n".join(f"250-{line}" for line in lines[:-1]) + f"\n250 {lines[-1]}"
    assert protocols.capabilities(Speech.SMTP, reply.lstrip("\n")) == tuple(
        word.strip() for word in keywords
    )


@given(st.binary(max_size=2000))
def test_bytes_that_are_no_certificate_are_refused_in_one_way(der: bytes) -> None:
    with contextlib.suppress(ValueError):
        x509.decode(der)


def sequence(tag: int, *parts: bytes) -> bytes:
    content = b"".join(parts)
    return bytes([tag, 0x82]) + len(content).to_bytes(2, "big") + content


def name(common_name: str) -> bytes:
    attribute = sequence(
        0x30, sequence(0x06, bytes.fromhex("550403")), sequence(0x0C, common_name.encode())
    )
    return sequence(0x30, sequence(0x31, attribute))


def certificate(subject: str, issuer: str, moment: datetime, dns_names: list[str]) -> bytes:
    time = sequence(0x18, moment.strftime("%Y%m%d%H%M%SZ").rjust(15, "0").encode())
    general = sequence(0x30, *(sequence(0x82, entry.encode("ascii")) for entry in dns_names))
    extension = sequence(0x30, sequence(0x06, bytes.fromhex("551d11")), sequence(0x04, general))
    tbs = sequence(
        0x30,
        sequence(0xA0, sequence(0x02, b"\x02")),
        sequence(0x02, b"\x07"),
        sequence(0x30),
        name(issuer),
        sequence(0x30, time, time),
        name(subject),
        sequence(0x30),
        sequence(0xA3, sequence(0x30, extension)),
    )
    return sequence(0x30, tbs)


NAMES = st.text(st.characters(blacklist_categories=["Cs"]))
MOMENTS = st.datetimes(min_value=datetime(1950, 1, 1), timezones=st.just(UTC)).map(
    lambda moment: moment.replace(microsecond=0)
)
DNS_NAMES = st.lists(st.from_regex(r"[a-z*][a-z0-9.-]{0,40}", fullmatch=True), max_size=20)


@given(NAMES, NAMES, MOMENTS, DNS_NAMES)
def test_what_was_written_into_a_certificate_is_read_from_it(
    subject: str, issuer: str, moment: datetime, dns_names: list[str]
) -> None:
    read = x509.decode(certificate(subject, issuer, moment, dns_names))
    assert read.common_name == subject
    assert read.issuer == f"CN={issuer}"
    assert read.not_before == read.not_after == moment
    assert read.names == tuple(dns_names)
    assert read.self_signed == (subject == issuer)


@given(st.data())
def test_a_damaged_certificate_never_breaks_the_reader(data: st.DataObject) -> None:
    whole = bytearray(certificate("a", "b", datetime(2026, 1, 1, tzinfo=UTC), ["x.example"]))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(ValueError):
        x509.decode(bytes(whole))


@given(st.text())
def test_what_was_typed_is_a_target_or_refused(typed: str) -> None:
    with contextlib.suppress(TargetError):
        host = read_target(typed).host
        assert host.isascii()
        assert host.isprintable()
        assert " " not in host


DIALOGUES = st.builds(
    Dialogue,
    address=st.sampled_from(["192.0.2.1", "2001:db8::1"]),
    family=st.sampled_from(Family),
    port=st.sampled_from([25, 465, 587, 110, 143, 993, 995, 2525]),
    outcome=st.sampled_from(Way),
    detail=st.text(max_size=20),
    no_route=st.booleans(),
    banner=st.none() | st.text(max_size=40),
    speech=st.none() | st.sampled_from(Speech),
    capabilities=st.lists(st.text(max_size=20), max_size=3).map(tuple),
    starttls_offered=st.none() | st.booleans(),
    tls_complaint=st.text(max_size=20),
)


@given(st.lists(DIALOGUES, max_size=6), st.none() | st.just((25, 2525)))
def test_every_dialogue_gets_one_verdict_and_a_printable_line(
    dialogues: list[Dialogue], asked: tuple[int, ...] | None
) -> None:
    target, now = Target("mail.example.com", is_address=False), datetime.now(UTC)
    question = judge.Question(target, judge.required_ports(asked), now)
    results = judge.results_of(question, dialogues)
    assert sorted(map(repr, (result.dialogue for result in results))) == sorted(
        map(repr, dialogues)
    )
    report = ProbeReport(target, now, 0.1, (), results)
    assert judge.exit_code(report) in (0, 1, 2)
    shown = printed.text(report, colour=False)
    assert all(character.isprintable() or character == "\n" for character in shown)
