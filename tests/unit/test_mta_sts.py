"""MTA-STS and TLS-RPT, as senders read them."""

from __future__ import annotations

import pytest

from mailfix.mail_records import mta_sts, tls_reporting
from mailfix.mail_records.mta_sts import BadPolicy

POLICY = "version: STSv1\r\nmode: enforce\r\nmx: mail.example.com\r\nmx: *.mx.example.com\r\n"
GOOD = POLICY + "max_age: 604800\r\n"


def test_a_policy_is_read() -> None:
    policy = mta_sts.read_policy(GOOD)
    assert (policy.mode, policy.max_age) == ("enforce", 604800)
    assert policy.patterns == ("mail.example.com", "*.mx.example.com")


@pytest.mark.parametrize(
    ("name", "covered"),
    [
        ("mail.example.com", True),
        ("a.mx.example.com", True),
        ("a.b.mx.example.com", False),
        ("mx.example.com", False),
        ("example.com", False),
    ],
)
def test_a_wildcard_stands_for_one_label(name: str, covered: bool) -> None:
    assert mta_sts.read_policy(GOOD).covers(name) is covered


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "version: STSv1"),
        ("<html>", "without a colon"),
        (POLICY, "max_age"),
        (POLICY + "max_age: 99999999999", "max_age"),
        (POLICY + "max_age: \u0667", "max_age"),
        (GOOD.replace("enforce", "strict"), "mode strict"),
        ("version: STSv1\nmode: enforce\nmax_age: 1", "names no mail server"),
        (GOOD + "mx: https://mail.example.com/", "is no host name"),
    ],
)
def test_a_policy_that_senders_do_not_follow(text: str, why: str) -> None:
    with pytest.raises(BadPolicy, match=why):
        mta_sts.read_policy(text)


def test_a_policy_that_ends_mta_sts_needs_no_server() -> None:
    assert mta_sts.read_policy("version: STSv1\nmode: none\nmax_age: 86400").mode == "none"


@pytest.mark.parametrize(
    "text", ["v=STSv1; id=20260101T000000;", "v=STSv1;id=1", "v=STSv1; id=a; x=y"]
)
def test_a_record_that_is_right(text: str) -> None:
    mta_sts.check_record(text)


@pytest.mark.parametrize(
    ("text", "cure"),
    [
        ("v=STSv1", "v=STSv1; id=1"),
        ("v=STSv1;", "v=STSv1; id=1"),
        ("v=STSv1; id=2026-01-01", "v=STSv1; id=2026"),
        ("v=stsv1; id=7", "v=STSv1; id=7"),
        ("id=7; v=STSv1;", "v=STSv1; id=7"),
    ],
)
def test_a_record_that_is_wrong_is_put_right(text: str, cure: str) -> None:
    with pytest.raises(BadPolicy):
        mta_sts.check_record(text)
    assert mta_sts.repaired(text) == cure
    mta_sts.check_record(cure)


@pytest.mark.parametrize(
    "text",
    [
        "v=TLSRPTv1; rua=mailto:tls@example.com",
        "v=TLSRPTv1;rua=https://reports.example.com/v1,mailto:a@example.com;",
    ],
)
def test_a_reporting_record_that_is_right(text: str) -> None:
    assert tls_reporting.fault_of(text) == ""


@pytest.mark.parametrize(
    ("text", "why", "cure"),
    [
        ("v=TLSRPTv1;", "rua= is missing", None),
        ("v=TLSRPTv1; rua=", "rua= is missing", None),
        (
            "v=TLSRPTv1; rua=tls@example.com",
            "neither a mailto:",
            "v=TLSRPTv1; rua=mailto:tls@example.com",
        ),
        ("v=TLSRPTv1; rua=http://example.com/", "neither a mailto:", None),
        (
            "v=tlsrptv1; rua=mailto:a@example.com",
            "must begin with v=TLSRPTv1",
            "v=TLSRPTv1; rua=mailto:a@example.com",
        ),
    ],
)
def test_a_reporting_record_that_is_wrong(text: str, why: str, cure: str | None) -> None:
    assert why in tls_reporting.fault_of(text)
    assert tls_reporting.repaired(text) == cure
