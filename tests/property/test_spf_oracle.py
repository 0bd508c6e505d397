"""``check_host()`` against pyspf: the same zone, the same mail, the same result."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any
from unittest import mock

import pytest
from hypothesis import assume, event, given, settings

from mailfix.mail_records.spf.evaluation import check_host
from mailfix.model import Unknown
from tests.property.spf_zones import DOMAIN, World, worlds
from tests.unit.records import Zone, at_once

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    spf: Any = pytest.importorskip("spf", reason="pyspf is not installed")


def judged_by_pyspf(world: World) -> tuple[str, str]:
    """Return pyspf's result and its words for it."""
    mail = world.mail
    with mock.patch.object(spf, "DNSLookup", _asking(world.zone)):
        result, _, words = spf.query(mail.address, mail.sender, mail.helo).check()
    return result, words


def _asking(zone: Zone) -> Any:
    """Return pyspf's way of asking DNS, put to a zone."""

    def lookup(
        name: str, rdtype: str, strict: bool = True, timeout: float = 0
    ) -> Iterator[tuple[tuple[str, str], Any]]:
        found = at_once(zone.lookup(name, rdtype))
        if isinstance(found, Unknown):
            raise spf.TempError(found.reason)
        for record in found.value.records:
            yield (name, rdtype), _as_pyspf_has_it(rdtype, record)

    return lookup


def _as_pyspf_has_it(rdtype: str, record: str) -> Any:
    if rdtype == "TXT":
        return (record.encode("latin-1"),)
    if rdtype == "MX":
        preference, host = record.split(" ")
        return int(preference), host
    return record


def pyspf_errs(world: World) -> bool:
    """Tell whether pyspf is known to leave RFC 7208 here.

    Section 5.5: a DNS error below ``ptr`` is no match; pyspf makes it "temperror". Section 4.6.4:
    a record that includes itself is found out when the evaluation gets there; pyspf refuses it
    beforehand.
    """
    texts = [(name, text) for (name, _), held in world.zone.records.items() for text in held]
    if any("%{d2}" in text or f"include:{name}" in text for name, text in texts):
        return any("include:" in text for _, text in texts)
    return bool(world.zone.failing) and any("ptr" in text for _, text in texts)


@settings(max_examples=200)
@given(worlds())
def test_the_result_is_that_of_pyspf(world: World) -> None:
    assume(not pyspf_errs(world))
    told = at_once(check_host(world.zone, world.mail, DOMAIN))
    event(str(told.result))
    result, words = judged_by_pyspf(world)
    assert told.result == result, (told, words)
