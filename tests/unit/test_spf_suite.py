"""Every case of the RFC 7208 test suite of openspf.org, release 2014.04.

``tests/data/rfc7208-tests.yml`` is the suite as it comes with pyspf's source; its licence lies
beside it.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from mailfix.mail_records.spf.evaluation import Mail, check_host
from tests.unit.records import Zone

SUITE = Path(__file__).resolve().parents[1] / "data" / "rfc7208-tests.yml"
TYPES = ("A", "AAAA", "CNAME", "MX", "PTR", "TXT")
DEFAULT = "DEFAULT"


@dataclass(frozen=True)
class Case:
    """A mail, the zone, and the results that the suite allows; ``explanation`` None is any."""

    name: str
    zone: Mapping[str, Any]
    mail: Mail
    results: tuple[str, ...]
    explanation: str | None

    @property
    def domain(self) -> str:
        return self.mail.sender.rpartition("@")[2]


@cache
def cases() -> tuple[Case, ...]:
    scenarios = yaml.safe_load_all(SUITE.read_text("utf-8"))
    return tuple(case for scenario in scenarios for case in _of_scenario(scenario))


def _of_scenario(scenario: Mapping[str, Any]) -> Iterator[Case]:
    for name, test in scenario["tests"].items():
        sender = test["mailfrom"] or f"postmaster@{test['helo']}"
        results = test["result"] if isinstance(test["result"], list) else [test["result"]]
        yield Case(
            f"{scenario['description']}: {name}",
            scenario["zonedata"],
            Mail(test["host"], sender, test["helo"]),
            tuple(results),
            test.get("explanation"),
        )


def zone(zonedata: Mapping[str, Any]) -> Zone:
    records: dict[tuple[str, str], list[str]] = {}
    failing: dict[tuple[str, str], str] = {}
    for name, entries in zonedata.items():
        held = list(_held(entries))
        for rdtype, record in held:
            records.setdefault((name, rdtype), []).append(record)
        if "TIMEOUT" in entries:
            given = {rdtype for rdtype, _ in held}
            failing |= {(name, rdtype): "DNS timeout" for rdtype in TYPES if rdtype not in given}
    return Zone(records, failing)


def _held(entries: list[Any]) -> Iterator[tuple[str, str]]:
    """A zone without TXT at a name has its SPF records as TXT; ``NONE`` forbids that."""
    given = [next(iter(entry.items())) for entry in entries if isinstance(entry, dict)]
    has_txt = any(rdtype == "TXT" for rdtype, _ in given)
    for rdtype, value in given:
        if rdtype == "SPF" and not has_txt:
            yield "TXT", _presented("TXT", value)
        elif rdtype != "SPF" and value != "NONE":
            yield rdtype, _presented(rdtype, value)


def _presented(rdtype: str, value: Any) -> str:
    if rdtype == "TXT":
        joined = value if isinstance(value, str) else "".join(value)
        return joined.encode("utf-8").decode("latin-1")
    if rdtype == "MX":
        return f"{value[0]} {value[1].lower() or '.'}"
    if rdtype in ("A", "AAAA"):
        return str(ipaddress.ip_address(value))
    return str(value).lower().removesuffix(".")


def test_the_suite_is_complete() -> None:
    assert len(cases()) == 203
    assert sum(case.explanation is not None for case in cases()) == 22


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.name)
def test_the_suite(case: Case) -> None:
    told = asyncio.run(check_host(zone(case.zone), case.mail, case.domain))
    assert told.result in case.results, told
    if case.explanation is not None:
        assert told.explanation == ("" if case.explanation == DEFAULT else case.explanation)
