"""What receivers make of a signature and of the key record that they find for it."""

from __future__ import annotations

import asyncio
import base64
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives import serialization

from mailfix.mail_records.dkim import (
    KeyFault,
    KeyVerdict,
    PublicKey,
    Signature,
    Signing,
    examine,
)
from mailfix.mail_records.proposal import ProposedSet
from mailfix.mail_records.rsa_key import RsaNumbers
from mailfix.model import Fact, Known, Unknown
from tests.unit.records import Zone

NAME = "mail._domainkey.example.com"


def rsa_key(modulus: int) -> PublicKey:
    """Return an RSA key of that modulus; nobody signs with it, so that it need not be a product."""
    numbers = RsaNumbers(modulus, 65537)
    return PublicKey("rsa", numbers.bits, base64.b64encode(numbers.spki()).decode())


OWN, OTHER, WEAK = (rsa_key((1 << size) + add) for size, add in ((2047, 1), (2047, 3), (1023, 5)))
SHORT = rsa_key((1 << 767) + 7)
ED25519 = PublicKey("ed25519", 256, base64.b64encode(bytes(range(32))).decode())
SIGNATURE = Signature("example.com", "mail", Known(OWN), "/etc/exim4/dkim/example.com.key")


def ask(
    *texts: str, signature: Signature = SIGNATURE, failing: str = "", cname: str = ""
) -> Fact[KeyVerdict]:
    records = {("example.com", "MX"): ["10 mail.example.com"], (cname or NAME, "TXT"): list(texts)}
    if cname:
        records[NAME, "CNAME"] = [cname]
    zone = Zone(
        {key: held for key, held in records.items() if held},
        {(NAME, "TXT"): failing} if failing else None,
    )
    found = asyncio.run(examine(zone, "example.com", Known(Signing((signature,)))))
    assert isinstance(found, Known)
    assert found.value is not None
    (key,) = found.value.keys
    assert key.signature is signature
    return key.verdict


def verdict(*texts: str, signature: Signature = SIGNATURE, cname: str = "") -> KeyVerdict:
    found = ask(*texts, signature=signature, cname=cname)
    assert isinstance(found, Known)
    return found.value


@pytest.mark.parametrize(
    "text",
    [
        OWN.record,
        f"p={OWN.text}",
        f"v=DKIM1; p={OWN.text};",
        f"v=DKIM1; k=rsa; t=s; s=email; h=sha256; n=made in May; p={OWN.text}",
        f"v=DKIM1; h=sha1:sha256; s=*; p={OWN.text}",
        f" v = DKIM1 ;\tk = rsa ; p = {OWN.text[:100]} {OWN.text[100:200]}\r\n {OWN.text[200:]}",
        f"v=DKIM1; x=unheard of; p={OWN.text}",
        f"v=DKIM1;; p={OWN.text}",
    ],
    ids=str,
)
def test_the_key_that_signs_is_taken_however_it_is_written(text: str) -> None:
    assert verdict(text) == KeyVerdict(kind="rsa", bits=2048)


def test_a_bare_rsa_key_is_the_same_key() -> None:
    public = serialization.load_der_public_key(base64.b64decode(OWN.text))
    bare = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.PKCS1)
    assert verdict(f"v=DKIM1; p={base64.b64encode(bare).decode()}").fault is None


def test_what_is_missing_is_told_with_the_record_to_publish() -> None:
    found = verdict()
    assert found.fault is KeyFault.MISSING
    assert found.evidence == (f"DNS: {NAME} does not exist",)
    assert found.proposal == ProposedSet(NAME, "TXT", (f"v=DKIM1; k=rsa; p={OWN.text}",))


def test_a_wildcard_of_another_kind_is_no_key() -> None:
    found = verdict("v=spf1 -all", "google-site-verification=x")
    assert found.fault is KeyFault.MISSING
    assert found.proposal is not None
    assert found.proposal.remove == ()
    assert "v=spf1 -all" in found.evidence[1]


def test_other_records_beside_the_key_do_not_matter() -> None:
    assert verdict("v=spf1 -all", OWN.record).fault is None


def test_another_key_is_replaced() -> None:
    found = verdict(OTHER.record)
    assert found.fault is KeyFault.DIFFERS
    assert found.proposal == ProposedSet(NAME, "TXT", (OWN.record,), (OTHER.record,))
    assert verdict(ED25519.record).fault is KeyFault.DIFFERS


def test_two_keys_leave_it_to_chance_which_one_is_taken() -> None:
    found = verdict(OWN.record, OTHER.record)
    assert found.fault is KeyFault.SEVERAL
    assert found.proposal == ProposedSet(NAME, "TXT", (), (OTHER.record,))


@pytest.mark.parametrize(
    ("text", "fault", "said"),
    [
        ("v=DKIM1; p=", KeyFault.REVOKED, "revoked"),
        ("v=DKIM1; k=rsa; p=;", KeyFault.REVOKED, "revoked"),
        ("v=DKIM1; k=rsa", KeyFault.INVALID, "p= is missing"),
        (f"v=DKIM2; p={OWN.text}", KeyFault.INVALID, "v=DKIM1"),
        (f"v=dkim1; p={OWN.text}", KeyFault.INVALID, "v=DKIM1"),
        (f"k=rsa; v=DKIM1; p={OWN.text}", KeyFault.INVALID, "must begin"),
        (f"v=DKIM1; k=dsa; p={OWN.text}", KeyFault.INVALID, "k=dsa"),
        (f"v=DKIM1; p={OWN.text}; p={OWN.text}", KeyFault.INVALID, "twice"),
        (f"v=DKIM1; p={OWN.text[:255]}", KeyFault.INVALID, "cut off"),
        (f"v=DKIM1; p={OWN.text[:252]}", KeyFault.INVALID, "cut off"),
        ("v=DKIM1; p=****", KeyFault.INVALID, "not base64"),
        (OWN.text, KeyFault.INVALID, "no list of tags"),
        (f'"{OWN.record}"', KeyFault.INVALID, "quotation mark"),
        (f"v=DKIM1\\; k=rsa\\; p={OWN.text}", KeyFault.INVALID, "backslash"),
        (f"v=DKIM1; k=ed25519; p={OWN.text}", KeyFault.INVALID, "32 bytes"),
        (f"v=DKIM1; n=\x1b[31m; p={OWN.text}", KeyFault.INVALID, "character"),
        (f"v=DKIM1; h=sha1; p={OWN.text}", KeyFault.UNSUITABLE, "sha1"),
        (f"v=DKIM1; s=tlsrpt; p={OWN.text}", KeyFault.UNSUITABLE, "not for mail"),
    ],
)
def test_what_receivers_cannot_use(text: str, fault: KeyFault, said: str) -> None:
    found = verdict(text)
    assert found.fault is fault
    assert said in found.detail
    assert found.proposal == ProposedSet(NAME, "TXT", (OWN.record,), (text,))


def test_a_key_of_768_bits_is_of_no_use_and_one_of_1024_is_told_as_such() -> None:
    found = verdict(SHORT.record, signature=replace(SIGNATURE, key=Known(SHORT)))
    assert found.fault is KeyFault.UNSUITABLE
    assert "768 bits" in found.detail
    found = verdict(WEAK.record, signature=replace(SIGNATURE, key=Known(WEAK)))
    assert (found.fault, found.bits) == (None, 1024)


def test_ed25519_is_compared_like_rsa() -> None:
    signature = replace(SIGNATURE, key=Known(ED25519))
    assert verdict(ED25519.record, signature=signature) == KeyVerdict(kind="ed25519", bits=256)
    assert verdict(OWN.record, signature=signature).fault is KeyFault.DIFFERS


@pytest.mark.parametrize(
    ("identity", "fault"),
    [
        ("", None),
        ("@example.com", None),
        ("anna@Example.com", None),
        ("@sub.example.com", KeyFault.UNSUITABLE),
    ],
)
def test_a_strict_key_wants_the_identity_at_the_domain_itself(
    identity: str, fault: KeyFault | None
) -> None:
    signature = replace(SIGNATURE, identity=identity)
    assert verdict(f"v=DKIM1; t=s; p={OWN.text}", signature=signature).fault is fault


def test_a_key_on_trial_is_proposed_without_the_flag() -> None:
    text = f"v=DKIM1; t=y; p={OWN.text}"
    found = verdict(text)
    assert (found.fault, found.testing) == (None, True)
    assert found.proposal == ProposedSet(NAME, "TXT", (OWN.record,), (text,))


def test_a_key_may_lie_behind_a_cname_and_is_replaced_where_it_lies() -> None:
    assert verdict(OWN.record, cname="mail.dkim.example.net").fault is None
    found = verdict(OTHER.record, cname="mail.dkim.example.net")
    assert found.proposal is not None
    assert found.proposal.name == "mail.dkim.example.net"
    assert "a CNAME to mail.dkim.example.net" in found.evidence[0]


def test_a_private_key_that_cannot_be_read_makes_the_comparison_unknown_and_nothing_else() -> None:
    signature = replace(SIGNATURE, key=Unknown("only root may read it"))
    found = verdict(OWN.record, signature=signature)
    assert (found.fault, found.uncompared) == (None, "only root may read it")
    missing = verdict(signature=signature)
    assert (missing.fault, missing.proposal) == (KeyFault.MISSING, None)


def test_dns_that_fails_is_not_a_missing_key() -> None:
    answer = ask(failing="SERVFAIL from 192.0.2.53")
    assert answer == Unknown("SERVFAIL from 192.0.2.53")


def test_where_nothing_is_signed_nothing_is_asked() -> None:
    zone = Zone({})
    assert asyncio.run(examine(zone, "example.com", Known(None))) == Known(None)
    assert asyncio.run(examine(zone, "example.com", Unknown("hangs"))) == Unknown("hangs")
    assert not zone.asked


def test_every_selector_is_judged() -> None:
    two = (SIGNATURE, replace(SIGNATURE, selector="next"))
    found = asyncio.run(
        examine(Zone({(NAME, "TXT"): [OWN.record]}), "example.com", Known(Signing(two)))
    )
    assert isinstance(found, Known)
    assert found.value is not None
    faults = [key.verdict.value.fault for key in found.value.keys if isinstance(key.verdict, Known)]
    assert faults == [None, KeyFault.MISSING]
    assert [each.name for each in found.value.proposals] == ["next._domainkey.example.com"]


def test_what_is_shown_is_short_however_much_is_published() -> None:
    found = verdict(*(f"v=spf1 {number} " + "x" * 65000 for number in range(1000)))
    assert len(found.evidence) <= 12
    assert all(len(line) < 300 for line in found.evidence)
    assert len(verdict("v=DKIM1; " + "x" * 65000 + "=1; p=").detail) < 300
