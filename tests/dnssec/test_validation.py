"""Zones that are signed, and what a validating BIND makes of them, as the audit sees it."""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mailfix.host.clock import Deadline
from mailfix.host.dns import Bogus, SystemDns
from mailfix.host.dns.server import Server
from mailfix.model import Fact, Known
from mailfix.record_set import RecordSet
from tests.publish import rig
from tests.publish.rig import ONE, PORT, TWO

SIGNED, EXPIRED, UNSIGNED = "signed.example", "expired.example", "unsigned.example"
ZONE = """$TTL 300
@ SOA ns hostmaster 1 3600 600 86400 60
@ NS ns
@ MX 10 mail
@ TXT "v=spf1 mx -all"
ns A {address}
mail A 203.0.113.10
forged TXT "v=spf1 mx -all"
"""
PAST = ("-s", "20200101000000", "-e", "20200201000000")
OPTIONS = """options {{ directory "{folder}"; listen-on port {port} {{ {address}; }};
 listen-on-v6 {{ none; }}; pid-file none; session-keyfile none; recursion {recursion};
 dnssec-validation {validation}; empty-zones-enable no; }};
controls {{ }};
"""


def sign(folder: Path, zone: str, *when: str) -> str:
    """Sign a zone file in place; returns the trust anchor for a validating resolver."""
    for options in (("-f", "KSK"), ()):
        run(folder, "dnssec-keygen", "-q", "-a", "ECDSAP256SHA256", *options, zone)
    run(
        folder, "dnssec-signzone", "-q", "-P", "-S", "-o", zone, "-f", f"{zone}.signed", *when, zone
    )
    (folder / f"{zone}.signed").rename(folder / zone)
    keys = (path.read_text() for path in folder.glob(f"K{zone}.*.key"))
    record = next(line for text in keys for line in text.splitlines() if " DNSKEY 257 " in line)
    flags, protocol, algorithm, *key = record.split(" DNSKEY ")[1].split()
    return f'{zone}. static-key {flags} {protocol} {algorithm} "{"".join(key)}";'


def run(folder: Path, *command: str) -> None:
    subprocess.run(command, cwd=folder, check=True, capture_output=True)


@contextmanager
def bind(folder: Path, address: str, zones: str, **chosen: str) -> Iterator[None]:
    configuration = folder / f"{address}.conf"
    options = OPTIONS.format(folder=folder, port=PORT, address=address, **chosen)
    configuration.write_text(f"{options}{zones}\n")
    server = rig.Server("bind", folder, address)
    server.run(("named", "-g", "-n", "1", "-c", str(configuration)))
    try:
        yield
    finally:
        server.stop()


@pytest.fixture(scope="module")
def resolver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A validating BIND beside the one that serves the zones."""
    folder = tmp_path_factory.mktemp("dnssec")
    for zone in (SIGNED, EXPIRED, UNSIGNED):
        (folder / zone).write_text(ZONE.format(address=ONE))
    anchors = f"{sign(folder, SIGNED)} {sign(folder, EXPIRED, *PAST)}"
    forged = (folder / SIGNED).read_text()
    at = forged.index("\nforged.")
    forged = forged[:at] + forged[at:].replace("mx -all", "+all", 1)
    (folder / SIGNED).write_text(forged)
    served = "\n".join(
        f'zone "{each}" {{ type primary; file "{each}"; }};' for each in (SIGNED, EXPIRED, UNSIGNED)
    )
    found = "\n".join(
        f'zone "{each}" {{ type static-stub; server-addresses {{ {ONE}; }}; }};'
        for each in (SIGNED, EXPIRED, UNSIGNED)
    )
    with (
        bind(folder, ONE, served, recursion="no", validation="no"),
        bind(
            folder,
            TWO,
            f"trust-anchors {{ {anchors} }};\n{found}",
            recursion="yes",
            validation="yes",
        ),
    ):
        server = Server(TWO, PORT)
        until = time.monotonic() + rig.START_S
        while not isinstance(asked(server, UNSIGNED, "MX"), Known) and time.monotonic() < until:
            time.sleep(0.05)
        yield server


def asked(server: Server, name: str, rdtype: str) -> Fact[RecordSet]:
    dns = SystemDns(Deadline.after(5), [server])
    return asyncio.run(dns.lookup(name, rdtype))


def test_what_is_signed_well_is_vouched_for(resolver: Server) -> None:
    told = asked(resolver, SIGNED, "MX")
    assert told == Known(RecordSet((f"10 mail.{SIGNED}",), True))
    assert isinstance(told, Known)
    assert told.value.secure


def test_what_is_not_signed_is_told_and_not_vouched_for(resolver: Server) -> None:
    told = asked(resolver, UNSIGNED, "MX")
    assert isinstance(told, Known)
    assert not told.value.secure


def test_a_forged_record_is_bogus_and_no_other_of_its_zone(resolver: Server) -> None:
    told = asked(resolver, f"forged.{SIGNED}", "TXT")
    assert isinstance(told, Bogus)
    assert "DNSSEC validation fails" in told.reason
    assert isinstance(asked(resolver, SIGNED, "TXT"), Known)


def test_signatures_that_ran_out_are_bogus(resolver: Server) -> None:
    for rdtype in ("MX", "TXT"):
        assert isinstance(asked(resolver, EXPIRED, rdtype), Bogus)
