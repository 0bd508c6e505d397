"""Whatever the packets' way was, its explanation is printable, bounded and as the schema says."""

from __future__ import annotations

import contextlib
import json
from datetime import UTC, datetime
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from mailfix import report
from mailfix.explainer.request import read_request
from mailfix.explainer.sight import parse_route
from mailfix.facts import Listener, MailUser, Reach
from mailfix.firewall import (
    AddressSet,
    Arrival,
    Backend,
    Blocked,
    Deed,
    Direction,
    Event,
    Journey,
    Passage,
    Question,
    RuleRef,
    Undecided,
    Verdict,
    internet,
)
from mailfix.firewall.cure import Command, ListedSetting
from mailfix.firewall.ruleset import Hook
from mailfix.model import Family, Known, Refusal, Unknown
from mailfix.report.explain import document, text
from mailfix.report.explain.explanation import Asked, Explanation, Remedy, RemedyStep, Way
from tests.property.hostile import ANY_TEXT, text_of

SCHEMA = Draft202012Validator(
    json.loads((Path(report.__file__).parent / "explain.schema.json").read_text("utf-8"))
)
SPACE = internet(Family.IPV4)
OUTSIDE = text_of("\x1b[31m", "\r", "\n", "\x07", "\x9b", "\u202e", "-A INPUT", "x" * 3000)
NETWORK = st.sampled_from(["198.51.100.7", "192.0.2.0/24", "8.0.0.0/6", "128.0.0.0/2"])
ADDRESSES = st.one_of(
    st.just(SPACE),
    st.just(AddressSet()),
    st.lists(NETWORK, min_size=1, max_size=3).map(
        lambda texts: AddressSet.union_of(map(AddressSet.network, texts)) & SPACE
    ),
)
RULE = st.builds(
    RuleRef,
    backend=st.sampled_from([Backend.NFT, Backend.IPTABLES_NFT, Backend.IPTABLES_LEGACY]),
    family=st.sampled_from([Family.IPV4, None]),
    table=OUTSIDE,
    chain=OUTSIDE,
    position=st.none() | st.integers(1, 60_000),
    handle=st.none() | st.integers(1, 60_000),
    text=OUTSIDE,
    comment=st.none() | OUTSIDE,
)


def event(
    depth: int, rule: RuleRef, deed: Deed, detail: str, addresses: AddressSet, rules: int
) -> Event:
    return Event(depth, rule, deed, detail, addresses, addresses.share_of(SPACE), rules)


EVENT = st.builds(
    event,
    st.integers(0, 64),
    RULE,
    st.sampled_from(Deed),
    OUTSIDE,
    ADDRESSES,
    st.integers(1, 50_000),
)
PASSAGE = st.builds(
    Passage,
    hook=st.sampled_from(Hook),
    answer=st.booleans(),
    backend=st.sampled_from([Backend.NFT, Backend.IPTABLES_NFT]),
    family=st.sampled_from([Family.IPV4, None]),
    table=OUTSIDE,
    chain=OUTSIDE,
    priority=st.integers(-(2**31), 2**31 - 1),
    policy=OUTSIDE,
    entered=ADDRESSES,
    events=st.lists(EVENT, max_size=6).map(tuple),
)


@st.composite
def journeys(draw: st.DrawFn) -> Journey:
    """A journey that no firewall need have; its verdict blames rules that are on the way or not."""
    question = Question(
        draw(st.sampled_from(Direction)), Family.IPV4, 25, draw(OUTSIDE), "203.0.113.10"
    )
    passages = tuple(draw(st.lists(PASSAGE, max_size=4)))
    met = [each.rule for passage in passages for each in passage.events]
    blame = st.one_of(RULE, st.sampled_from(met)) if met else RULE
    blocked, undecided = draw(ADDRESSES), draw(ADDRESSES)
    share = blocked.share_of(SPACE)
    verdict = Verdict(
        question,
        SPACE,
        SPACE - blocked - undecided,
        tuple(
            Blocked(draw(blame), draw(OUTSIDE), blocked, share, draw(st.booleans()), rules=count)
            for count in draw(st.lists(st.integers(1, 300), max_size=4))
        ),
        tuple(
            Undecided(reason, draw(st.none() | blame), undecided, undecided.share_of(SPACE))
            for reason in draw(st.lists(OUTSIDE, max_size=3))
        ),
        undecided,
        tuple(
            Arrival(port, draw(blame), blocked, share)
            for port in draw(st.lists(st.integers(1, 65535), max_size=2))
        ),
    )
    return Journey(verdict, passages)


LISTENER = st.builds(
    Listener,
    port=st.integers(1, 65535) | st.just(25),
    address=OUTSIDE,
    families=st.just((Family.IPV4,)),
    reach=st.sampled_from(Reach),
    pid=st.none() | st.integers(1, 2**22),
    process=st.none() | OUTSIDE,
)
COMMANDS = st.lists(
    st.builds(Command, st.lists(OUTSIDE, min_size=1, max_size=3).map(tuple), OUTSIDE), max_size=2
).map(tuple)
STEP = st.builds(
    RemedyStep,
    OUTSIDE,
    OUTSIDE,
    st.lists(st.builds(ListedSetting, OUTSIDE, OUTSIDE, OUTSIDE), max_size=2).map(tuple),
    COMMANDS,
    COMMANDS,
    OUTSIDE,
)
WAY = st.builds(
    Way,
    family=st.sampled_from(Family),
    journey=journeys().map(Known) | OUTSIDE.map(Unknown),
    listeners=st.none() | OUTSIDE.map(Unknown) | st.lists(LISTENER).map(tuple).map(Known),
    sender=st.none()
    | OUTSIDE.map(Unknown)
    | OUTSIDE.map(lambda name: Known(MailUser(name, 101, 104))),
    cure=st.none()
    | st.builds(Remedy, st.lists(STEP, max_size=3).map(tuple), st.booleans(), OUTSIDE),
)
EXPLANATION = st.builds(
    Explanation,
    version=st.just("0.1.0"),
    started=st.just(datetime(2026, 11, 22, 3, tzinfo=UTC)),
    duration_s=st.floats(0, 10),
    asked=st.builds(
        Asked,
        st.sampled_from(Direction),
        st.sampled_from(["tcp", "udp"]),
        st.integers(1, 65535),
        st.none() | st.just("198.51.100.7"),
    ),
    ways=st.lists(WAY, min_size=1, max_size=2).map(tuple),
)


def unprintable(told: str) -> set[str]:
    return {character for character in told if not (character.isprintable() or character == "\n")}


@given(EXPLANATION, st.integers(20, 300))
def test_every_journey_is_drawn_without_control_characters(told: Explanation, width: int) -> None:
    shown = text.write(told, colour=False, width=width)
    assert unprintable(shown) == set()
    shown.encode("utf-8")
    assert len(shown.splitlines()) < 200
    assert max(map(len, shown.splitlines())) < 5000


@given(EXPLANATION)
def test_colour_adds_nothing_but_colour(told: Explanation) -> None:
    shown = text.write(told, colour=True, width=100)
    for code in ("0", "1", "31", "32", "33", "36"):
        shown = shown.replace(f"\x1b[{code}m", "")
    assert shown == text.write(told, colour=False, width=100)


@given(EXPLANATION)
def test_the_document_is_as_the_schema_says_and_printable(told: Explanation) -> None:
    written = document.write(told)
    SCHEMA.validate(json.loads(written))
    assert unprintable(written) == set()
    written.encode("utf-8")


@given(EXPLANATION)
def test_text_and_document_agree_with_the_exit_code(told: Explanation) -> None:
    answer = json.loads(document.write(told))["answer"]
    assert {"open": 0, "blocked": 1}.get(answer, 2) == told.exit_code


@given(ANY_TEXT | st.integers(-10, 70_000).map(str), st.none() | ANY_TEXT | st.ip_addresses())
def test_any_words_make_a_request_or_are_refused(port: str, source: object) -> None:
    with contextlib.suppress(Refusal):
        request = read_request(port, source=None if source is None else str(source))
        assert 1 <= request.asked.port <= 65535


@given(text_of('[{"dev":', '"eth0"', '"prefsrc":"192.0.2.1"', '"type":"local"', "}]", ","))
def test_any_answer_of_ip_is_a_route_or_unknown(told: str) -> None:
    assert isinstance(parse_route(told, "192.0.2.9"), (Known, Unknown))
