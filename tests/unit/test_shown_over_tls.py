"""What an audit asks of policy hosts and of the host's own port 25, once each."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import cast

from mailfix.host import Host
from mailfix.host.dns import SystemDns
from mailfix.mail_records.transport import Fetched
from mailfix.model import Fact, Known, Unknown
from mailfix.probes.transport import ShownOverTls
from tests.unit.records import Zone

NAME = "mta-sts.example.com"


def policy(zone: Zone) -> Fact[Fetched]:
    async def ask() -> Fact[Fetched]:
        shown = ShownOverTls(replace(Host.within(5), dns=cast(SystemDns, zone)))
        both = await asyncio.gather(shown.policy("example.com"), shown.policy("example.com"))
        assert both[0] is both[1]
        return both[0]

    return asyncio.run(ask())


def test_a_policy_host_without_an_address_is_told() -> None:
    zone = Zone({("example.com", "MX"): ["10 mail.example.com"]})
    found = policy(zone)
    assert isinstance(found, Known)
    assert "has no address" in found.value.trouble
    assert zone.asked.total() == 2


def test_silence_about_its_address_is_unknown() -> None:
    failing = {(NAME, kind): "192.0.2.53 kept silent" for kind in ("A", "AAAA")}
    assert policy(Zone({}, failing)) == Unknown("192.0.2.53 kept silent")


def test_a_policy_host_that_refuses_connections_is_told() -> None:
    found = policy(Zone({(NAME, "A"): ["127.9.9.9"]}))
    assert isinstance(found, Known)
    assert "refuses connections" in found.value.trouble
