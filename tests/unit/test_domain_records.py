"""What the look at one domain notes besides the facts."""

from __future__ import annotations

import asyncio

import pytest

from mailfix.model import Fact, Known
from mailfix.probes.domain_records import NotingTtl
from mailfix.record_set import RecordSet


class OfADay:
    """Answers everything with one record that lives for a day."""

    async def lookup(self, name: str, rdtype: str) -> Fact[RecordSet]:
        return Known(RecordSet(("203.0.113.10",), exists=True, ttl=86400))


@pytest.mark.parametrize(
    ("name", "longest"),
    [
        ("example.com", 86400),
        ("_dmarc.example.com", 86400),
        ("mail.notexample.com", 0),
        ("example.net", 0),
    ],
)
def test_only_the_domains_own_records_make_a_repair_slow(name: str, longest: int) -> None:
    noting = NotingTtl(OfADay(), "example.com")
    asyncio.run(noting.lookup(name, "A"))
    assert noting.longest == longest
