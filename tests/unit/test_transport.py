"""What a domain tells senders about TLS, held against what is shown."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import pytest

from mailfix.mail_records import tlsa
from mailfix.mail_records.mail_host import MailHost
from mailfix.mail_records.mx import MailExchange, Target
from mailfix.mail_records.transport import Dane, Fetched, TransportPolicy, examine, vouched_for
from mailfix.model import Fact, Known, PerFamily, Unknown
from mailfix.record_set import Lookup
from tests.unit.records import Zone
from tests.unit.tls_material import CERTIFICATE, PUBLIC_KEY

POLICY = "version: STSv1\nmode: enforce\nmx: mail.example.com\nmax_age: 604800\n"
MAIL = Target("mail.example.com", 10, PerFamily(Known(("203.0.113.10",)), Known(())))
OTHER = Target("mx2.example.net", 20, PerFamily(Known(("198.51.100.2",)), Known(())))
HERE = MailHost(receivers=Known(("203.0.113.10",)))
MX = ("example.com", "MX")
STS = ("_mta-sts.example.com", "TXT")
TLSA = ("_25._tcp.mail.example.com", "TLSA")
KEY_RECORD = f"3 1 1 {hashlib.sha256(PUBLIC_KEY).hexdigest()}"
SHOWN: Fact[tuple[bytes, ...]] = Known((CERTIFICATE,))
Records = Mapping[tuple[str, str], Iterable[str]]


@dataclass
class Shown:
    """Shows what it was given, and counts how often it is asked."""

    page: Fact[Fetched] = field(default_factory=lambda: Known(Fetched(POLICY)))
    chain: Fact[tuple[bytes, ...]] = field(default_factory=lambda: SHOWN)
    asked: int = 0
    resolver: Lookup = field(default_factory=lambda: Zone({}))

    async def vouched_for(self, domain: str, name: str) -> Fact[bool]:
        return await vouched_for(self.resolver, domain, name)

    async def policy(self, domain: str) -> Fact[Fetched]:
        self.asked += 1
        return self.page

    async def certificates(self, target: Target) -> Fact[tuple[bytes, ...]]:
        self.asked += 1
        return self.chain


def found(
    records: Records,
    shown: Shown | None = None,
    *targets: Target,
    secure: Iterable[str] = (),
    failing: Mapping[tuple[str, str], str] | None = None,
) -> TransportPolicy:
    mx = MailExchange("example.com", targets or (MAIL,), host=HERE)
    held = {MX: ["10 mail.example.com"], **records}
    shown = shown or Shown()
    shown.resolver = Zone(held, failing, secure=secure)
    # The zone's own servers, which vouch for nothing, may be asked for the records.
    answer = asyncio.run(examine(Zone(held, failing), "example.com", Known(mx), shown))
    assert isinstance(answer, Known)
    return answer.value


def test_a_domain_that_says_nothing_is_not_asked_for_more() -> None:
    shown = Shown()
    policy = found({}, shown)
    assert (policy.reporting, policy.sts, policy.dane) == (Known(None), Known(None), ())
    assert shown.asked == 0


def sts(records: Records, shown: Shown | None = None, *targets: Target) -> tuple[str, str]:
    """The fault and the uncovered names."""
    state = found(records, shown, *targets).sts
    assert isinstance(state, Known)
    assert state.value is not None
    return state.value.fault, ",".join(state.value.uncovered)


def test_a_policy_that_names_every_server() -> None:
    assert sts({STS: ["v=STSv1; id=1"]}) == ("", "")


def test_a_server_that_the_policy_leaves_out() -> None:
    assert sts({STS: ["v=STSv1; id=1"]}, None, MAIL, OTHER) == ("", "mx2.example.net")


def test_a_policy_that_cannot_be_fetched_by_anybody() -> None:
    trouble = "mta-sts.example.com: its certificate is not good"
    assert sts({STS: ["v=STSv1; id=1"]}, Shown(Known(Fetched(trouble=trouble))))[0] == trouble


def test_a_policy_host_that_keeps_silent_is_unknown() -> None:
    state = found({STS: ["v=STSv1; id=1"]}, Shown(Unknown("it kept silent"))).sts
    assert state == Unknown("it kept silent")


def test_two_records_are_followed_by_nobody_and_one_is_kept() -> None:
    state = found({STS: ["v=STSv1; id=1", "v=STSv1; id=2"]}).sts
    assert isinstance(state, Known)
    assert state.value is not None
    assert "2 records" in state.value.fault
    assert state.value.proposal is not None
    assert state.value.proposal.remove == ("v=STSv1; id=2",)
    assert state.value.proposal.add == ()


def test_a_wildcard_with_something_else_is_no_announcement() -> None:
    policy = found({STS: ["v=spf1 include:hosts.example.net -all"]})
    assert policy.sts == Known(None)


def test_a_reporting_record_is_put_right() -> None:
    name = "_smtp._tls.example.com"
    policy = found({(name, "TXT"): ["v=TLSRPTv1; rua=a@example.com"]})
    (proposal,) = policy.proposals
    assert proposal.difference() == (
        f'- {name}. 3600 IN TXT "v=TLSRPTv1; rua=a@example.com"',
        f'+ {name}. 3600 IN TXT "v=TLSRPTv1; rua=mailto:a@example.com"',
    )


def dane(records: Iterable[str], shown: Shown | None = None, *secure: str) -> Dane:
    (fact,) = found({TLSA: records}, shown, secure=secure).dane
    assert isinstance(fact, Known)
    return fact.value


@pytest.mark.parametrize(
    "record",
    [
        KEY_RECORD,
        f"3 0 1 {hashlib.sha256(CERTIFICATE).hexdigest()}",
        f"3 1 2 {hashlib.sha512(PUBLIC_KEY).hexdigest().upper()}",
        f"3 0 0 {CERTIFICATE.hex()}",
    ],
)
def test_a_record_that_lets_the_certificate_pass(record: str) -> None:
    assert dane(["3 1 1 " + "11" * 32, record]).matches == Known(True)


def test_records_of_a_kind_that_mail_does_not_use_stop_nobody() -> None:
    assert dane(["1 1 1 " + "00" * 32]).matches == Known(True)


def test_a_record_of_another_key_is_replaced() -> None:
    state = dane(["3 1 1 " + "11" * 32])
    assert state.matches == Known(False)
    assert state.proposal is not None
    assert state.proposal.add == (KEY_RECORD,)


def test_a_trust_anchor_is_sought_in_the_rest_of_the_chain() -> None:
    anchor = f"2 1 1 {hashlib.sha256(PUBLIC_KEY).hexdigest()}"
    assert isinstance(dane([anchor]).matches, Unknown)
    whole = Shown(chain=Known((b"0\x00", CERTIFICATE)))
    assert dane([anchor], whole).matches == Known(True)


def test_what_cannot_be_seen_is_unknown() -> None:
    assert dane([KEY_RECORD], Shown(chain=Unknown("no STARTTLS"))).matches == Unknown("no STARTTLS")
    assert isinstance(dane(["3 1 1 zz"]).matches, Unknown)
    for record in (KEY_RECORD, "2 1 1 00ff"):
        assert isinstance(dane([record], Shown(chain=Known(()))).matches, Unknown)


def test_dnssec_vouches() -> None:
    assert dane([KEY_RECORD], None, "example.com").secure == Known(True)


def test_dnssec_does_not_vouch_for_an_unsigned_zone() -> None:
    assert dane([KEY_RECORD], None, "").secure == Known(False)


def test_dnssec_must_vouch_for_the_mx_record_too() -> None:
    assert dane([KEY_RECORD], None, "mail.example.com", "").secure == Known(False)


def test_a_resolver_that_does_not_check_signatures_tells_nothing() -> None:
    keys = {("example.com", "DNSKEY"): ["257 3 13 AAAA"]}
    (fact,) = found({TLSA: [KEY_RECORD], **keys}).dane
    assert isinstance(fact, Known)
    assert isinstance(fact.value.secure, Unknown)


def test_nobody_vouches_for_a_zone_without_keys_whoever_checks() -> None:
    assert dane([KEY_RECORD]).secure == Known(False)
    silent = {("example.com", "DNSKEY"): "192.0.2.53 kept silent"}
    (fact,) = found({TLSA: [KEY_RECORD]}, failing=silent).dane
    assert isinstance(fact, Known)
    assert isinstance(fact.value.secure, Unknown)


def test_servers_of_others_are_not_looked_into() -> None:
    shown = Shown()
    records = {("_25._tcp.mx2.example.net", "TLSA"): [KEY_RECORD]}
    assert found(records, shown, OTHER).dane == ()
    assert shown.asked == 0


def test_silence_about_tlsa_is_unknown() -> None:
    policy = found({}, failing={TLSA: "SERVFAIL from 192.0.2.53"})
    assert policy.dane == (Unknown("SERVFAIL from 192.0.2.53"),)


def test_the_key_of_a_certificate_is_found() -> None:
    assert tlsa.public_key_of(CERTIFICATE) == PUBLIC_KEY
