"""What an audit offers to repair."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mailfix.auditor import PUBLISH, Examination
from mailfix.facts import Facts
from mailfix.model import FixOffer
from mailfix.settings import DnsUpdate, Settings
from tests.unit.bulletins import BLOCKED, bulletin

OPEN_PORT = replace(BLOCKED, fix=FixOffer("open-port", True, "open it"))
SPF = replace(
    BLOCKED,
    rule="spf-missing",
    subject={"domain": "mail.example.com"},
    fix=FixOffer(PUBLISH, False, "publish it"),
)


@pytest.mark.parametrize(
    ("zones", "offered"),
    [
        ((), False),
        (("example.net",), False),
        (("ample.com",), False),
        (("example.net", "example.com"), True),
        (("mail.example.com",), True),
        (("_dmarc.mail.example.com",), True),
    ],
)
def test_to_publish_is_offered_where_a_zone_is_set(zones: tuple[str, ...], offered: bool) -> None:
    updates = tuple(DnsUpdate(each, "192.0.2.53", "/etc/key") for each in zones)
    report = bulletin(OPEN_PORT, SPF).report
    told = Examination(Settings(dns_updates=updates), Facts(), report, (), ()).told
    assert [each.fix is not None for each in told.findings] == [True, offered]
