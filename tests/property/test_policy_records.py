"""Readers of policy records and of the public suffix list never fail but as they say."""

from __future__ import annotations

from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st

from mailfix.mail_records import dmarc_record, mta_sts, mx, public_suffix, tls_reporting, tlsa
from tests.property.hostile import ANY_TEXT, BYTES, text_of
from tests.unit.tls_material import CERTIFICATE


@given(ANY_TEXT | text_of("10", " ", ".", "mail.example.com", "²"))
def test_mx_records(record: str) -> None:
    with suppress(ValueError):
        preference, name = mx.parse_record(record)
        assert preference >= 0
        assert name


@given(
    text_of("v=DMARC1", ";", "p=none", "p=", "sp=reject", "rua=mailto:a@b.example", "!", "10m")
    | text_of("v=DMARC1; p=none; ", "rua=", "mailto:", ",", "aspf=r", "pct=1", '"', "\\")
)
def test_dmarc_records(text: str) -> None:
    with suppress(dmarc_record.BadRecord):
        record = dmarc_record.read(text)
        assert dmarc_record.is_record(text)
        assert len(record.mailboxes) <= dmarc_record.MAX_MAILBOXES


@given(ANY_TEXT | text_of("v=DMARC1", ";", "p=reject", "p=", "rua=x@b.example", "sp=x", "p=none"))
def test_a_repaired_dmarc_record_has_no_fault(text: str) -> None:
    fixed = dmarc_record.repaired(text)
    assert dmarc_record.read(fixed).overlooked == ()
    assert dmarc_record.repaired(fixed) == fixed


@given(text_of("com", "*.", "!", "//", "公司.cn", "co.uk", " "), ANY_TEXT)
def test_public_suffix_lists(text: str, name: str) -> None:
    found = public_suffix.parse_list(text).organisational_domain(name)
    assert name.endswith(found)


@given(text_of("version: STSv1", "mode: enforce", "mx: *.b.example", "max_age: 1", ":", "\r\n"))
def test_mta_sts_policies(text: str) -> None:
    with suppress(mta_sts.BadPolicy):
        policy = mta_sts.read_policy(text)
        assert policy.mode in ("enforce", "testing", "none")


@given(ANY_TEXT | text_of("v=STSv1", ";", "id=", "20260101", "v=TLSRPTv1", "rua=", "a@b.example"))
def test_announcements_of_tls(text: str) -> None:
    mta_sts.check_record(mta_sts.repaired(text))
    fixed = tls_reporting.repaired(text)
    assert fixed is None or tls_reporting.fault_of(fixed) == ""


@given(ANY_TEXT | text_of("3", " ", "1", "1", "00ff", "0"))
def test_tlsa_records(text: str) -> None:
    with suppress(ValueError):
        tlsa.parse_record(text)


@given(BYTES | st.binary(max_size=30).map(lambda end: CERTIFICATE[:200] + end + CERTIFICATE[200:]))
def test_certificates(content: bytes) -> None:
    with suppress(ValueError):
        assert tlsa.public_key_of(content) in content
