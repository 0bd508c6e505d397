"""Where a domain's mail goes, as DNS tells senders."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping

import pytest

from mailfix.mail_records.mail_host import MailHost
from mailfix.mail_records.mx import Fault, Lead, MailExchange, examine, parse_record
from mailfix.mail_records.proposal import ProposedSet
from mailfix.mail_records.public_address import is_public
from mailfix.model import Fact, Family, Known, Unknown
from tests.unit.records import Zone

HERE = MailHost(
    hostname=Known("mail.example.com"),
    receivers=Known(("203.0.113.10", "2001:db8::10")),
    listens_ipv6=Known(True),
)
MAIL_A = {("mail.example.com", "A"): ["203.0.113.10"]}


def ask(
    records: Mapping[tuple[str, str], Iterable[str]],
    failing: Mapping[tuple[str, str], str] | None = None,
) -> Fact[MailExchange]:
    return asyncio.run(examine(Zone(records, failing), "example.com", HERE))


def found(
    records: Mapping[tuple[str, str], Iterable[str]],
    failing: Mapping[tuple[str, str], str] | None = None,
) -> MailExchange:
    answer = ask(records, failing)
    assert isinstance(answer, Known), answer
    return answer.value


def test_servers_are_told_in_the_order_in_which_senders_try_them() -> None:
    mx = found(
        {
            ("example.com", "MX"): ["20 backup.example.net", "10 mail.example.com"],
            **MAIL_A,
            ("mail.example.com", "AAAA"): ["2001:db8::10"],
            ("backup.example.net", "A"): ["198.51.100.25"],
        }
    )
    assert [target.record for target in mx.targets] == [
        "10 mail.example.com",
        "20 backup.example.net",
    ]
    receivers = ("203.0.113.10", "2001:db8::10")
    assert [target.lead(receivers) for target in mx.targets] == [Lead.HERE, Lead.ELSEWHERE]
    assert mx.targets[0].lead(receivers, Family.IPV6) is Lead.HERE
    assert mx.targets[1].lead(receivers, Family.IPV6) is Lead.NOWHERE
    assert mx.proposal is None


def test_without_mx_records_the_domain_itself_is_the_server() -> None:
    mx = found({("example.com", "A"): ["203.0.113.10"]})
    assert mx.implicit
    assert [target.name for target in mx.targets] == ["example.com"]
    assert mx.proposal is None
    assert mx.leading_here is not None
    assert mx.leading_here.add == ("10 mail.example.com",)


def test_without_any_record_the_cure_names_this_host() -> None:
    mx = found({("example.com", "TXT"): ["hello"]})
    assert mx.targets == ()
    assert mx.proposal is not None
    assert mx.proposal.zone_lines() == ("example.com. 3600 IN MX 10 mail.example.com.",)


@pytest.mark.parametrize("record", ["0 .", "0", "0 "])
def test_null_mx_is_no_server(record: str) -> None:
    mx = found({("example.com", "MX"): [record], ("example.com", "A"): ["203.0.113.10"]})
    assert mx.null_mx
    assert mx.targets == ()


@pytest.mark.parametrize(
    ("target", "records", "fault"),
    [
        ("gone.example.com", {}, Fault.MISSING),
        ("bare.example.com", {("bare.example.com", "TXT"): ["x"]}, Fault.NO_ADDRESS),
        ("203.0.113.10", {}, Fault.LITERAL),
        ("localhost", {("localhost", "A"): ["127.0.0.1"]}, Fault.LOCALHOST),
        ("in.example.com", {("in.example.com", "A"): ["10.1.2.3"]}, Fault.UNROUTABLE),
        ("lo.example.com", {("lo.example.com", "A"): ["127.0.0.1"]}, Fault.UNROUTABLE),
        ("ula.example.com", {("ula.example.com", "AAAA"): ["fd00::1"]}, Fault.UNROUTABLE),
        ("ok.example.com", {("ok.example.com", "A"): ["203.0.113.77"]}, None),
        (
            "half.example.com",
            {
                ("half.example.com", "A"): ["10.0.0.1"],
                ("half.example.com", "AAAA"): ["2001:db8::1"],
            },
            None,
        ),
    ],
)
def test_a_server_that_nobody_can_use(
    target: str, records: dict[tuple[str, str], list[str]], fault: Fault | None
) -> None:
    mx = found({("example.com", "MX"): [f"10 {target}"], **records})
    assert mx.targets[0].fault is fault


def test_the_cure_takes_only_the_dead_server_away() -> None:
    mx = found({("example.com", "MX"): ["10 gone.example.com", "20 mail.example.com"], **MAIL_A})
    assert mx.proposal is not None
    assert mx.proposal.difference() == ("- example.com. 3600 IN MX 10 gone.example.com.",)


def test_where_no_server_is_left_the_cure_names_this_host() -> None:
    mx = found({("example.com", "MX"): ["10 gone.example.com"], **MAIL_A})
    assert mx.proposal is not None
    assert mx.proposal.difference() == (
        "- example.com. 3600 IN MX 10 gone.example.com.",
        "+ example.com. 3600 IN MX 10 mail.example.com.",
    )


def test_where_the_own_name_has_no_address_the_cure_is_not_to_remove_it() -> None:
    mx = found({("example.com", "MX"): ["10 mail.example.com"]})
    assert mx.targets[0].fault is Fault.MISSING
    assert mx.proposal is None


def test_a_cname_is_followed_and_the_cure_names_its_end() -> None:
    mx = found(
        {
            ("example.com", "MX"): ["10 mx.example.com"],
            ("mx.example.com", "CNAME"): ["mail.example.com"],
            **MAIL_A,
        }
    )
    assert mx.targets[0].alias_of == "mail.example.com"
    assert mx.targets[0].fault is None
    assert mx.proposal is not None
    assert mx.proposal.difference() == (
        "- example.com. 3600 IN MX 10 mx.example.com.",
        "+ example.com. 3600 IN MX 10 mail.example.com.",
    )


def test_where_the_domain_is_an_alias_the_alias_has_to_go_for_the_cure() -> None:
    records = {
        ("shop.example.com", "CNAME"): ["store.example.net"],
        ("store.example.net", "A"): ["198.51.100.20"],
    }
    host = MailHost(hostname=Known("mail.example.com"))
    told = asyncio.run(examine(Zone(records), "shop.example.com", host))
    assert isinstance(told, Known)
    assert told.value.leading_here == ProposedSet(
        "shop.example.com", "MX", ("10 mail.example.com",), alias_of="store.example.net"
    )


def test_silence_is_not_a_missing_record() -> None:
    answer = ask({}, {("example.com", "MX"): "192.0.2.53 kept silent"})
    assert answer == Unknown("192.0.2.53 kept silent")


def test_silence_about_a_server_is_not_a_missing_address() -> None:
    failing = {("mail.example.com", kind): "SERVFAIL from 192.0.2.53" for kind in ("A", "AAAA")}
    mx = found({("example.com", "MX"): ["10 mail.example.com"]}, failing)
    assert mx.targets[0].fault is None
    assert mx.targets[0].doubt == "SERVFAIL from 192.0.2.53"


def test_silence_about_the_fallback_address_is_not_a_missing_server() -> None:
    mx = found({("example.com", "A"): []}, {("example.com", "AAAA"): "192.0.2.53 kept silent"})
    assert mx.targets[0].doubt == "192.0.2.53 kept silent"


def test_a_thousand_records_are_bounded() -> None:
    zone = Zone({("example.com", "MX"): [f"10 mx{n}.example.com" for n in range(1000)]})
    answer = asyncio.run(examine(zone, "example.com", HERE))
    assert isinstance(answer, Known)
    assert len(answer.value.targets) == 20
    assert zone.asked.total() < 50


def test_garbage_is_unknown() -> None:
    assert isinstance(ask({("example.com", "MX"): ["mail.example.com"]}), Unknown)


def test_preference_and_name_are_read() -> None:
    assert parse_record("10 Mail.Example.COM.") == (10, "mail.example.com")
    assert parse_record("0 .") == (0, ".")


@pytest.mark.parametrize("address", ["203.0.113.1", "2001:db8::1", "8.8.8.8"])
def test_documentation_ranges_count_as_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("address", ["100.64.0.1", "192.168.1.1", "169.254.1.1", "fe80::1", "::1"])
def test_private_ranges_do_not(address: str) -> None:
    assert not is_public(address)
