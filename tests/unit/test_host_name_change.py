"""Naming a host: which name fits, and the files that hold it with nothing else changed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailfix.actions.host_name import texts
from mailfix.actions.host_name.fitting import Fitting, doubt, fitting
from mailfix.apply.kinds import read_change, write_change
from mailfix.changes import Drift, Place, Present
from mailfix.changes.host_name import HostNameChange
from mailfix.facts import Facts, PtrName, ReverseDns
from mailfix.host import kernel_name
from mailfix.model import Fact, Known, PerFamily, Unknown

NAME = "mail.example.com"
IPV4, IPV6 = "203.0.113.10", "2001:db8::10"
OWN = frozenset({IPV4, IPV6})
OLD = frozenset({"mail"})


def ptr(address: str, *names: str, leads_to: str | None = None) -> Fact[ReverseDns | None]:
    found = tuple(PtrName(name, Known((leads_to or address,))) for name in names)
    return Known(ReverseDns(address, found))


def told(
    ipv4: Fact[ReverseDns | None], ipv6: Fact[ReverseDns | None] | None = None
) -> Fact[Fitting]:
    return fitting(Facts(reverse_dns=PerFamily(ipv4, ipv6 or Known(None))))


def names(fact: Fact[Fitting]) -> tuple[str, ...]:
    assert isinstance(fact, Known)
    return fact.value.names


def test_a_name_fits_when_ptr_and_address_agree() -> None:
    assert told(ptr(IPV4, "Mail.Example.com.")) == Known(Fitting((NAME,), (IPV4,)))
    assert names(told(ptr(IPV4, NAME, leads_to="192.0.2.1"))) == ()
    assert names(told(ptr(IPV4))) == ()


def test_a_name_that_fits_both_families_is_the_one() -> None:
    both = told(ptr(IPV4, NAME, "mx.example.com"), ptr(IPV6, NAME, "six.example.com"))
    assert both == Known(Fitting((NAME,), (IPV4, IPV6)))


def test_without_a_ptr_over_ipv6_the_name_of_ipv4_stands() -> None:
    assert told(ptr(IPV4, NAME), ptr(IPV6)) == Known(Fitting((NAME,), (IPV4,)))


def test_two_names_are_a_choice() -> None:
    assert names(told(ptr(IPV4, NAME, "mx.example.com"))) == (NAME, "mx.example.com")
    apart = told(ptr(IPV4, NAME), ptr(IPV6, "six.example.com"))
    assert names(apart) == (NAME, "six.example.com")


def test_what_dns_did_not_tell_is_no_name_that_does_not_fit() -> None:
    silent = Unknown("no answer")
    assert told(silent) == silent
    assert told(ptr(IPV4, NAME), silent) == silent
    half = ReverseDns(IPV4, (PtrName(NAME, Known((IPV4,))), PtrName("mx.b.c", silent)))
    assert told(Known(half)) == silent


@pytest.mark.parametrize(
    "name", ["mail", "ma il.example.com", "-a.example.com", f"{'a' * 60}.example.com", "a\n.b", ""]
)
def test_what_linux_takes_for_no_host_name_fits_never(name: str) -> None:
    assert names(told(ptr(IPV4, name))) == ()


def test_a_name_that_hardly_can_be_meant_is_not_set_without_asking() -> None:
    assert doubt(NAME, (IPV4, IPV6)) == ""
    assert "bare domain" in doubt("example.com", (IPV4,))
    for name in ("203-0-113-10.static.provider.example", "host10.113.0.203.provider.example"):
        assert "provider" in doubt(name, (IPV4,))
    long = "2001-db8-0-0-0-0-0-10.provider.example"
    assert "provider" in doubt(long, (IPV6,))
    assert doubt("mail10.example.com", (IPV4,)) == ""


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"127.0.1.1 mail\n", b"127.0.1.1 mail.example.com mail\n"),
        (b"127.0.1.1\tmail web # x\r\n", b"127.0.1.1\tmail.example.com mail web # x\r\n"),
        (b"203.0.113.10 MAIL", b"203.0.113.10 mail.example.com mail"),
        (b"2001:DB8:0::10 mail\n", b"2001:DB8:0::10 mail.example.com mail\n"),
        (b"127.0.1.1 mail.example.com\n", b"127.0.1.1 mail.example.com\n"),
        (b"127.0.1.1 mail mail.example.com\n", b"127.0.1.1 mail.example.com mail\n"),
    ],
)
def test_the_line_of_the_host_gets_the_name_first(before: bytes, after: bytes) -> None:
    rest = b"127.0.0.1 localhost\n# 127.0.1.1 mail\n\xff\xfe bytes\n192.0.2.1 mail\n"
    assert texts.with_host(rest + before, NAME, OLD, OWN) == rest + after


@pytest.mark.parametrize("before", [b"", b"127.0.0.1 localhost mail\n", b"127.0.0.1 localhost"])
def test_a_host_without_a_line_of_its_own_gets_one(before: bytes) -> None:
    after = texts.with_host(before, NAME, OLD, OWN)
    assert after.startswith(before)
    assert after.endswith(b"\n127.0.1.1 mail.example.com mail\n"[not before :])


def test_a_name_file_keeps_its_comments() -> None:
    assert texts.with_name(b"# ours\n\nmail # short\n", NAME) == (
        b"# ours\n\nmail.example.com # short\n"
    )
    assert texts.with_name(b"mail", NAME) == b"mail.example.com"
    assert texts.with_name(b"", NAME) == b"mail.example.com\n"
    assert texts.with_name(b"# empty", NAME) == b"# empty\nmail.example.com\n"


LINES = st.lists(
    st.sampled_from([b"127.0.1.1", b"203.0.113.10", b"mail", b" ", b"\t", b"\n", b"\r\n", b"#"])
    | st.binary(max_size=4)
).map(b"".join)


@given(LINES)
def test_any_hosts_file_gets_the_name_once_and_keeps_every_other_line(text: bytes) -> None:
    once = texts.with_host(text, NAME, OLD, OWN)
    assert NAME.encode() in once
    assert texts.with_host(once, NAME, OLD, OWN) == once
    kept = once.splitlines()
    foreign = [line for line in text.splitlines() if not line.split()[:1] or not _own(line)]
    assert [line for line in kept if not _own(line)] == foreign


def _own(line: bytes) -> bool:
    return line.split()[:1] in ([b"127.0.1.1"], [b"203.0.113.10"])


@given(LINES)
def test_any_name_file_holds_the_name_and_takes_it_once(text: bytes) -> None:
    once = texts.with_name(text, NAME)
    assert NAME.encode() in once
    assert texts.with_name(once, NAME) == once


def test_the_change_knows_the_present() -> None:
    now = kernel_name.read()
    other = f"not-{now}"
    assert HostNameChange(now, other).look().present is Present.BEFORE
    assert HostNameChange(other, now).look().present is Present.AFTER
    drifted = HostNameChange(other, f"nor-{now}")
    assert drifted.look().present is Present.OTHER
    with pytest.raises(Drift, match=now):
        drifted.make()


def test_the_change_survives_the_journal_and_is_its_inverses_inverse() -> None:
    change = HostNameChange("mail", NAME)
    assert read_change(write_change(change)) == change
    assert change.inverse.inverse == change
    assert change.followed_by(HostNameChange(NAME, "other")) == HostNameChange("mail", "other")
    assert change.cuts_off
    assert change.place < Place.FILE
