"""After the proposed records are published, receivers have nothing to complain about."""

from __future__ import annotations

import asyncio

import pytest

from mailfix.mail_records import dmarc, mx, transport
from mailfix.mail_records.mail_host import MailHost
from mailfix.mail_records.mx import Target
from mailfix.mail_records.proposal import ProposedSet
from mailfix.mail_records.public_suffix import parse_list
from mailfix.mail_records.transport import Fetched
from mailfix.model import Fact, Known
from tests.unit.records import Zone
from tests.unit.tls_material import CERTIFICATE

Records = dict[tuple[str, str], list[str]]
HERE = MailHost(hostname=Known("mail.example.com"), receivers=Known(("203.0.113.10",)))
LIST = Known(parse_list("com\n"))
MX, MAIL = ("example.com", "MX"), ("mail.example.com", "A")
DMARC, STS = ("_dmarc.example.com", "TXT"), ("_mta-sts.example.com", "TXT")
RPT, TLSA = ("_smtp._tls.example.com", "TXT"), ("_25._tcp.mail.example.com", "TLSA")
SOUND: Records = {
    MX: ["10 mail.example.com"],
    MAIL: ["203.0.113.10"],
    DMARC: ["v=DMARC1; p=none"],
}


class Shown:
    async def policy(self, domain: str) -> Fact[Fetched]:
        return Known(Fetched("version: STSv1\nmode: testing\nmx: mail.example.com\nmax_age: 86400"))

    async def certificates(self, target: Target) -> Fact[tuple[bytes, ...]]:
        return Known((CERTIFICATE,))

    async def vouched_for(self, domain: str, name: str) -> Fact[bool]:
        return Known(True)


async def _proposals(records: Records) -> list[ProposedSet]:
    zone = Zone(records)
    servers = await mx.examine(zone, "example.com", HERE)
    policy = await dmarc.examine(zone, "example.com", LIST)
    tls = await transport.examine(zone, "example.com", servers, Shown())
    assert isinstance(servers, Known)
    assert isinstance(policy, Known)
    assert isinstance(tls, Known)
    found = [servers.value.proposal, policy.value.proposal, *tls.value.proposals]
    return [proposal for proposal in found if proposal is not None]


def published(records: Records, proposed: list[ProposedSet]) -> Records:
    after = {key: list(held) for key, held in records.items()}
    for each in proposed:
        held = after.setdefault((each.name, each.type), [])
        for record in each.remove:
            held.remove(record)
        held += each.add
    return {key: held for key, held in after.items() if held}


@pytest.mark.parametrize(
    "faults",
    [
        {MX: []},
        {MX: ["10 gone.example.com"]},
        {MX: ["10 gone.example.com", "20 mail.example.com"]},
        {MX: ["10 192.0.2.1", "0 .", "20 mail.example.com"]},
        {MX: ["10 mx.example.com"], ("mx.example.com", "CNAME"): ["mail.example.com"]},
        {DMARC: []},
        {DMARC: ["v=DMARC1; p=reject", "v=DMARC1; p=none; rua=mailto:x@example.com"]},
        {DMARC: ["v=DMARC1; p=reject; p=none"]},
        {DMARC: ["v=DMARC1 p=reject"]},
        {DMARC: ["v=DMARC1; p=quarantine; aspf=x; rua=x@example.com"]},
        {STS: ["v=STSv1; id=1", "v=STSv1; id=2"]},
        {STS: ["v=STSv1; id=2026-11-22"]},
        {RPT: ["v=TLSRPTv1; rua=x@example.com", "v=TLSRPTv1;"]},
        {RPT: ["v=TLSRPTv1;"]},
        {TLSA: ["3 1 1 " + "00" * 32, "3 1 1 " + "11" * 32]},
    ],
    ids=str,
)
def test_one_round_of_cures_is_enough(faults: Records) -> None:
    broken = {**SOUND, **faults}
    proposed = asyncio.run(_proposals(broken))
    assert proposed
    assert asyncio.run(_proposals(published(broken, proposed))) == []


def test_sound_records_are_left_alone() -> None:
    sound = {**SOUND, STS: ["v=STSv1; id=1"], RPT: ["v=TLSRPTv1; rua=mailto:x@example.com"]}
    assert asyncio.run(_proposals(sound)) == []
