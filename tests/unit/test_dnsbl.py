"""What blocklists say of an address, and when they cannot be believed."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest

from mailfix.mail_records.dnsbl import Listing, entry, examine
from mailfix.model import Known, Unknown
from mailfix.settings import parse_settings
from tests.unit.records import Zone

ADDRESS = "203.0.113.10"
NAME = "10.113.0.203"
ALIVE = {"2.0.0.127": "127.0.0.2"}


def ask(
    answers: Mapping[str, str],
    zone: str = "bl.example.net",
    address: str = ADDRESS,
    failing: Mapping[str, str] | None = None,
    text: str = "",
) -> Listing:
    records = {(f"{name}.{zone}", "A"): code.split() for name, code in answers.items()}
    if text:
        records[f"{NAME}.{zone}", "TXT"] = [text]
    broken = {(f"{name}.{zone}", "A"): why for name, why in (failing or {}).items()}
    return asyncio.run(examine(Zone(records, broken), address, zone))


def test_an_address_that_is_not_listed() -> None:
    assert ask(ALIVE).listed == Known(False)


def test_an_address_that_is_listed_is_told_with_the_lists_reason() -> None:
    listing = ask({**ALIVE, NAME: "127.0.0.2"}, text="spam trap hit")
    assert listing.listed == Known(True)
    assert listing.codes == ("127.0.0.2",)
    assert listing.text == "spam trap hit"


def test_spamhaus_codes_are_told_in_words() -> None:
    listing = ask({**ALIVE, NAME: "127.0.0.4 127.0.0.10"}, "zen.spamhaus.org")
    assert "XBL" in listing.meaning
    assert "PBL" in listing.meaning
    assert ask({**ALIVE, NAME: "127.0.0.4"}).meaning == ""


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("127.255.255.252", "correct dnsbls"),
        ("127.255.255.254", "resolver of its own"),
        ("127.255.255.255", "too often"),
        ("127.255.255.250", "refuses"),
        ("127.0.0.1", "refuses"),
    ],
)
def test_a_refusal_is_no_listing(code: str, words: str) -> None:
    for answers in ({**ALIVE, NAME: code}, {"2.0.0.127": code}):
        listing = ask(answers, "zen.spamhaus.org")
        assert isinstance(listing.listed, Unknown)
        assert words in listing.listed.reason


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ({}, "test entry is not listed"),
        ({NAME: "127.0.0.2"}, "test entry is not listed"),
        ({**ALIVE, NAME: "127.0.0.2", "1.0.0.127": "127.0.0.2"}, "lists everything"),
        ({**ALIVE, "1.0.0.127": "127.0.0.2"}, "lists everything"),
        ({**ALIVE, NAME: "198.51.100.1"}, "as no blocklist does"),
        ({"2.0.0.127": "198.51.100.1"}, "as no blocklist does"),
    ],
)
def test_a_dead_list_is_not_believed(answers: dict[str, str], words: str) -> None:
    listed = ask(answers).listed
    assert isinstance(listed, Unknown)
    assert words in listed.reason


@pytest.mark.parametrize("silent", [NAME, "2.0.0.127", "1.0.0.127"])
def test_silence_is_no_answer(silent: str) -> None:
    listing = ask({**ALIVE, NAME: "127.0.0.2"}, failing={silent: "192.0.2.53 kept silent"})
    assert isinstance(listing.listed, Unknown)
    assert "kept silent" in listing.listed.reason


def test_ipv6_addresses_are_asked_by_their_nibbles() -> None:
    address = "2001:db8::10"
    name = "0.1.0.0." + "0.0.0.0." * 5 + "8.b.d.0.1.0.0.2"
    assert entry(address, "bl.example.net") == f"{name}.bl.example.net"
    assert ask({**ALIVE, name: "127.0.0.2"}, address=address).listed == Known(True)
    assert ask(ALIVE, address=address).listed == Known(False)


def test_a_list_that_has_all_of_ipv6_is_not_believed() -> None:
    address, free = "2001:db8::10", entry("::ffff:7f00:1", "x").removesuffix(".x")
    listed = ask({**ALIVE, free: "127.0.0.2"}, address=address).listed
    assert isinstance(listed, Unknown)


def test_a_long_reason_is_cut() -> None:
    listing = ask({**ALIVE, NAME: "127.0.0.2"}, text="x" * 60_000)
    assert len(listing.text) < 250


def test_the_administrator_chooses_the_lists() -> None:
    assert parse_settings("dnsbls: [bl.example.net]").dnsbls == ("bl.example.net",)
    assert parse_settings("dnsbls: []").dnsbls == ()
    assert "zen.spamhaus.org" in parse_settings("").dnsbls
