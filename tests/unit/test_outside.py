"""What `mailfix probe` tells about real servers on loopback: good, odd and hostile ones."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from mailfix import outside
from mailfix.facts import Way
from mailfix.host import dial
from mailfix.model import Fact, Family, Known, Status, Unknown
from mailfix.outside import judge
from mailfix.outside.model import (
    DEFAULT_PORTS,
    Dialogue,
    FamilyAddresses,
    PortResult,
    ProbeReport,
    Speech,
    State,
    Target,
)
from mailfix.outside.target import TargetError, addresses_of, read_target
from mailfix.record_set import RecordSet
from mailfix.report import outside as printed

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
SOURCES = Path(dial.__file__).parents[2]
SCHEMA = json.loads(Path(printed.__file__).with_name("probe.schema.json").read_text())
_HOSTS = itertools.count(2)


@dataclass(frozen=True)
class Keys:
    """A certificate authority and what it signed; every file is PEM with key and certificate."""

    authority: Path
    good: Path
    other_name: Path
    expired: Path


def own_loopback_address() -> str:
    """An address of 127/8 that no other test and no other worker binds to."""
    pid, number = os.getpid(), next(_HOSTS)
    return f"127.{1 + pid // 250 % 250}.{1 + pid % 250}.{number % 250}"


@pytest.fixture(autouse=True)
def _may_serve_mail_ports() -> None:
    with socket.socket() as sock:
        try:
            sock.bind((own_loopback_address(), 25))
        except PermissionError:
            pytest.skip("needs the right to listen on port 25")


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    if not shutil.which("openssl"):
        pytest.skip("needs openssl to make certificates")
    folder = tmp_path_factory.mktemp("keys")
    authority = _certificate(folder, "authority", "/CN=Test Authority", "CA:TRUE")
    name = "/O=Example/CN=mail.example.com"
    good, expired = "DNS:mail.example.com,IP:127.0.0.1", "DNS:mail.example.com"
    return Keys(
        authority=authority,
        good=_certificate(folder, "good", name, "CA:FALSE", good, authority),
        other_name=_certificate(
            folder, "other", name, "CA:FALSE", "DNS:other.example.com", authority
        ),
        expired=_certificate(folder, "expired", name, "CA:FALSE", expired, authority, days=-1),
    )


def _certificate(
    folder: Path,
    name: str,
    subject: str,
    constraints: str,
    names: str = "",
    signer: Path | None = None,
    days: int = 30,
) -> Path:
    key, request, both = (folder / f"{name}.{end}" for end in ("key", "csr", "pem"))
    extensions = folder / f"{name}.ext"
    extensions.write_text(
        f"basicConstraints=critical,{constraints}\n"
        + (f"subjectAltName={names}\n" if names else "")
    )
    signed_by: list[str | Path] = ["-signkey", key]
    if signer is not None:
        signed_by = ["-CA", signer, "-CAkey", signer]
    _openssl("req", "-new", "-newkey", "rsa:2048", "-nodes", "-batch", "-subj", subject,
             "-keyout", key, "-out", request)  # fmt: skip
    certificate = _openssl("x509", "-req", "-in", request, *signed_by, "-set_serial", "7",
                           "-days", str(days), "-extfile", extensions)  # fmt: skip
    both.write_text(key.read_text() + certificate)
    return both


def _openssl(*arguments: str | Path) -> str:
    return subprocess.run(
        ["openssl", *map(str, arguments)], check=True, capture_output=True, text=True, timeout=60
    ).stdout


@pytest.fixture(autouse=True)
def _trusts_nobody(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    if "keys" in request.fixturenames:
        monkeypatch.setenv("SSL_CERT_FILE", str(request.getfixturevalue("keys").authority))


def server_context(pem: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context


def probe(
    servers: Mapping[int, Handler],
    *,
    tls: Mapping[int, ssl.SSLContext] | None = None,
    ports: tuple[int, ...] | None = None,
    name: str = "mail.example.com",
    timeout_s: float = 5.0,
) -> ProbeReport:
    """The report on a host with these servers, whose name is already resolved."""
    address = own_loopback_address()

    async def session() -> ProbeReport:
        connections = Connections()
        try:
            for port, handler in servers.items():
                await connections.listen(handler, address, port, (tls or {}).get(port))
            looking = outside.look_at(
                Target(name, is_address=False), ports, timeout_s, Resolved(address)
            )
            return await asyncio.wait_for(looking, timeout_s + 5)
        finally:
            await connections.end()

    return asyncio.run(session())


class Connections:
    """The connections to the servers of one test, all of which end with it."""

    def __init__(self) -> None:
        self._servers: list[asyncio.Server] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: list[asyncio.StreamWriter] = []

    async def listen(
        self, handler: Handler, address: str, port: int, context: ssl.SSLContext | None
    ) -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                await handler(reader, writer)
            writer.close()

        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self._writers.append(writer)
            self._tasks.add(asyncio.get_running_loop().create_task(serve(reader, writer)))

        self._servers.append(await asyncio.start_server(accept, address, port, ssl=context))

    async def end(self) -> None:
        for server in self._servers:
            server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for writer in self._writers:
            writer.transport.abort()
        await asyncio.sleep(0.01)


class Resolved:
    """A DNS that knows one IPv4 address for every name."""

    def __init__(self, address: str) -> None:
        self._address = address

    async def lookup(self, name: str, rdtype: str) -> Fact[RecordSet]:
        return Known(RecordSet((self._address,) if rdtype == "A" else (), exists=True))


def smtp(
    *,
    greeting: bytes = b"220 mail.example.com ESMTP\r\n",
    capabilities: bytes = b"250-mail.example.com\r\n250-SIZE 100\r\n250 8BITMIME\r\n",
    starttls: ssl.SSLContext | None = None,
    heard: list[bytes] | None = None,
) -> Handler:
    if starttls is not None:
        capabilities = b"250-mail.example.com\r\n250-SIZE 100\r\n250 STARTTLS\r\n"

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        while line := await reader.readline():
            if heard is not None:
                heard.append(line)
            word = line.split()[0].upper()
            if word == b"EHLO":
                writer.write(capabilities)
            elif word == b"STARTTLS" and starttls is not None:
                writer.write(b"220 go ahead\r\n")
                await writer.drain()
                await writer.start_tls(starttls)
            else:
                writer.write(b"221 bye\r\n")
                return

    return serve


async def imap(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"* OK ready\r\n")
    while line := await reader.readline():
        if b"CAPABILITY" in line:
            writer.write(b"* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\na OK done\r\n")
        else:
            writer.write(b"* BYE\r\na OK\r\n")
            return


async def pop3(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"+OK ready\r\n")
    while line := await reader.readline():
        if line == b"CAPA\r\n":
            writer.write(b"+OK\r\nUIDL\r\nTOP\r\n.\r\n")
        else:
            writer.write(b"+OK bye\r\n")
            return


def says(greeting: bytes) -> Handler:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        await reader.read(1000)

    return serve


async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while await reader.read(1000):
        pass


async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    return


def at(report: ProbeReport, port: int) -> PortResult:
    (result,) = (found for found in report.results if found.dialogue.port == port)
    return result


def document(report: ProbeReport) -> dict[str, Any]:
    """The JSON document, which is always what its schema says."""
    told = json.loads(json.dumps(printed.document(report)))
    jsonschema.validate(told, SCHEMA)
    return dict(told)


def test_a_healthy_host_is_all_open_and_exits_0(keys: Keys) -> None:
    context = server_context(keys.good)
    heard: list[bytes] = []
    report = probe(
        {
            25: smtp(starttls=context, heard=heard),
            587: smtp(starttls=context),
            465: smtp(),
            993: imap,
            995: pop3,
        },
        tls={465: context, 993: context, 995: context},
        ports=(25, 465, 587, 993, 995),
    )
    assert {result.state for result in report.results} == {State.OPEN}
    assert outside.exit_code(report) == 0
    assert all(not result.warnings for result in report.results)
    told = document(report)
    assert told["summary"] == {"fail": 0, "unknown": 0, "pass": 5, "warnings": 0}
    smtp_port = next(port for port in told["ports"] if port["port"] == 25)
    assert smtp_port["banner"] == "220 mail.example.com ESMTP"
    assert smtp_port["ehlo"] == ["SIZE 100", "STARTTLS"]
    certificate = smtp_port["tls"]["certificate"]
    assert certificate["common_name"] == "mail.example.com"
    assert certificate["names"] == ["mail.example.com", "127.0.0.1"]
    assert certificate["issuer"] == "CN=Test Authority"
    assert (certificate["matches"], certificate["self_signed"]) == (True, False)
    assert (smtp_port["tls"]["verified"], smtp_port["tls"]["version"]) == (True, "TLSv1.3")
    assert [line.split()[0] for line in heard] == [b"EHLO", b"STARTTLS", b"QUIT"]


def test_no_mail_and_no_login_is_ever_attempted() -> None:
    heard: list[bytes] = []
    probe({25: smtp(heard=heard)}, ports=(25,))
    assert [line.split()[0] for line in heard] == [b"EHLO", b"QUIT"]


@pytest.mark.parametrize(
    ("which", "doubt"),
    [
        ("other_name", "the certificate is not for mail.example.com"),
        ("expired", "the certificate has expired"),
    ],
)
def test_a_bad_certificate_is_told_on_25_and_warned_of_elsewhere(
    keys: Keys, which: str, doubt: str
) -> None:
    context = server_context(getattr(keys, which))
    report = probe({25: smtp(starttls=context), 993: imap}, tls={993: context}, ports=(25, 993))
    assert outside.exit_code(report) == 0
    assert doubt in at(report, 25).notes
    assert at(report, 25).warnings == ()
    assert doubt in at(report, 993).warnings
    document(report)


def test_an_unverified_certificate_is_still_described(
    keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(keys.other_name))
    report = probe({993: imap}, tls={993: server_context(keys.good)}, ports=(993,))
    result = at(report, 993)
    assert result.state is State.OPEN
    assert result.warnings == (
        "the certificate does not verify: unable to get local issuer certificate",
    )
    assert any("certificate for mail.example.com, 127.0.0.1" in note for note in result.notes)


def test_without_a_certificate_store_verification_is_unknown_not_failed(
    keys: Keys, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    report = probe({993: imap}, tls={993: server_context(keys.good)}, ports=(993,))
    assert document(report)["ports"][0]["tls"]["verified"] is None
    assert "this machine has no certificate store" in at(report, 993).warnings[0]


def test_with_no_port_named_only_25_must_be_open() -> None:
    report = probe({25: smtp()})
    assert outside.exit_code(report) == 0
    assert at(report, 993).state is State.REFUSED
    assert at(report, 993).status is Status.PASS
    assert {result.dialogue.port for result in report.results} == set(DEFAULT_PORTS)


def test_a_named_port_must_be_open() -> None:
    report = probe({25: smtp()}, ports=(25, 993))
    assert outside.exit_code(report) == 1
    assert at(report, 993).status is Status.FAIL


def test_a_refused_port_25_is_a_failure_even_when_no_port_was_named() -> None:
    report = probe({143: imap})
    assert outside.exit_code(report) == 1
    assert (at(report, 25).state, at(report, 25).status) == (State.REFUSED, Status.FAIL)


@pytest.mark.parametrize(
    ("port", "greeting", "meaning"),
    [
        (25, b"SSH-2.0-OpenSSH_9.2p1\r\n", "SSH answers, where SMTP belongs"),
        (25, b"* OK IMAP4rev1\r\n", "IMAP answers, where SMTP belongs"),
        (25, b"220 ProFTPD FTP Server ready\r\n", "FTP answers, where SMTP belongs"),
        (143, b"220 mail ESMTP\r\n", "SMTP answers, where IMAP belongs"),
        (110, b"HTTP/1.1 400 Bad Request\r\n\r\n", "HTTP answers, where POP3 belongs"),
        (465, b"220 mail ESMTP\r\n", "SMTP in clear, where TLS is expected from the first byte"),
        (993, b"* OK ready\r\n", "IMAP in clear, where TLS is expected from the first byte"),
        (25, b"554 no service here\r\n", "SMTP refuses service"),
        (2525, b"SSH-2.0-x\r\n", "no mail server: SSH answers"),
    ],
)
def test_what_is_not_what_it_seems_is_a_failure(port: int, greeting: bytes, meaning: str) -> None:
    report = probe({port: says(greeting)}, ports=(port,), timeout_s=3)
    result = at(report, port)
    assert (result.state, result.status) == (State.UNEXPECTED, Status.FAIL)
    assert result.meaning.startswith(meaning)
    document(report)


def test_a_temporary_refusal_is_unknown() -> None:
    report = probe({25: says(b"421 too many connections\r\n")}, ports=(25,))
    assert at(report, 25).status is Status.UNKNOWN
    assert outside.exit_code(report) == 2


def test_tls_on_port_25_is_unmasked(keys: Keys) -> None:
    report = probe({25: smtp()}, tls={25: server_context(keys.good)}, ports=(25,), timeout_s=2)
    assert "expects TLS from the first byte" in at(report, 25).meaning


def test_a_web_server_that_waits_is_unmasked() -> None:
    async def web(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if await reader.read(1000):
            writer.write(b"HTTP/1.1 400 Bad Request\r\nServer: nginx\r\n\r\n")

    report = probe({25: web}, ports=(25,), timeout_s=2)
    assert at(report, 25).meaning == "HTTP answers, where SMTP belongs"


def test_silence_after_connecting_is_told_apart_from_no_connection() -> None:
    report = probe({25: mute}, ports=(25,), timeout_s=1)
    assert (at(report, 25).state, at(report, 25).status) == (State.SILENT, Status.FAIL)
    assert at(report, 25).meaning == "accepts the connection, but says nothing"


def test_an_instant_close_is_not_what_it_seems() -> None:
    report = probe({25: hang_up, 993: hang_up}, ports=(25, 993))
    assert {result.state for result in report.results} == {State.UNEXPECTED}
    assert outside.exit_code(report) == 1


def test_broken_starttls_is_a_failure() -> None:
    async def liar(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example.com ESMTP\r\n")
        await reader.readline()
        writer.write(b"250-mail.example.com\r\n250 STARTTLS\r\n")
        await reader.readline()
        writer.write(b"220 go ahead\r\n" + b"\x00garbage\r\n" * 100)
        await reader.read(1000)

    report = probe({25: liar}, ports=(25,), timeout_s=3)
    assert at(report, 25).status is Status.FAIL
    assert at(report, 25).meaning.startswith("SMTP, but STARTTLS fails")


async def endless_line(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"2" * 65536)
        await writer.drain()


async def endless_lines(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"220-more\r\n" * 5000)
        await writer.drain()


async def endless_ehlo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"220 mail\r\n")
    await reader.readline()
    for _ in range(1000):
        writer.write(b"250-X" + b"A" * 10000 + b"\r\n")
        await writer.drain()


async def dripping(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    for byte in itertools.cycle(b"220 mail"):
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(0.2)


@pytest.mark.parametrize(
    "server",
    [
        endless_line,
        endless_lines,
        endless_ehlo,
        dripping,
        says(bytes(range(256)) * 50),
        says(b"\r\n\r\n\r\n"),
        says(b"\x16\x03\x01\x00\x05garbage"),
        hang_up,
        mute,
    ],
)
@pytest.mark.parametrize("port", [25, 110, 143, 993])
def test_hostile_servers_cost_bounded_time_and_never_pass(server: Handler, port: int) -> None:
    started = time.monotonic()
    report = probe({port: server}, ports=(port,), timeout_s=1.5)
    assert time.monotonic() - started < 4
    assert outside.exit_code(report) == 1
    document(report)


def test_terminal_control_sequences_do_not_reach_the_terminal() -> None:
    hostile = "\x1b]0;owned\x07\x1b[2J\u202egnp.exe\u200b\x9b31m"
    banner = f"220 mail{hostile} ESMTP\r\n".encode()
    capabilities = f"250-hi\r\n250 {hostile}\r\n".encode()
    report = probe({25: smtp(greeting=banner, capabilities=capabilities)}, ports=(25,))
    shown = printed.text(report, colour=False) + json.dumps(document(report), ensure_ascii=False)
    assert all(character.isprintable() or character == "\n" for character in shown)
    assert r"\x1b]0;owned\x07" in shown


def test_the_text_has_a_line_for_every_port_worst_first() -> None:
    report = probe({25: smtp(), 143: says(b"SSH-2.0-x\r\n")})
    rows = re.findall(r"^(FAIL|unknown|ok) +(\d+) ", printed.text(report, colour=False), re.M)
    assert len(rows) == len(DEFAULT_PORTS)
    assert rows[0] == ("FAIL", "143")
    assert "\x1b[" in printed.text(report, colour=True)


@pytest.mark.parametrize(
    ("typed", "host"),
    [
        ("Mail.Example.COM.", "mail.example.com"),
        ("192.0.2.1", "192.0.2.1"),
        ("[2001:DB8::1]", "2001:db8::1"),
        ("[IPv6:2001:db8::1]", "2001:db8::1"),
        ("bücher.example", "xn--bcher-kva.example"),
    ],
)
def test_names_and_addresses_are_understood(typed: str, host: str) -> None:
    assert read_target(typed).host == host


@pytest.mark.parametrize(
    "typed",
    [
        "",
        ".",
        "a..b",
        "user@example.com",
        "https://example.com/",
        "mail.example.com:25",
        "192.0.2",
        "192.0.2.256",
        "fe80::1%eth0",
        "a b",
        "-x.example",
        "a" * 64,
        "\x1b[2J",
        "é" * 300,
    ],
)
def test_nonsense_is_a_usage_error(typed: str) -> None:
    with pytest.raises(TargetError):
        outside.run(typed, None, 1)


@pytest.mark.parametrize("port", [0, -1, 65536])
def test_a_port_out_of_range_is_a_usage_error(port: int) -> None:
    with pytest.raises(TargetError):
        outside.run("127.0.0.1", (port,), 1)


def test_run_looks_at_an_address_without_dns() -> None:
    report = outside.run(own_loopback_address(), (25,), 2)
    assert at(report, 25).state is State.REFUSED


class Broken:
    """A DNS that fails for IPv4 and knows no IPv6 address."""

    async def lookup(self, name: str, rdtype: str) -> Fact[RecordSet]:
        return Unknown("SERVFAIL") if rdtype == "A" else Known(RecordSet((), exists=True))


def test_a_dns_failure_is_unknown_and_a_missing_record_is_not() -> None:
    target = Target("mail.example.com", is_address=False)
    families = asyncio.run(addresses_of(target, Broken()))
    assert judge.complaints(target, families) == ((Status.UNKNOWN, "IPv4 addresses: SERVFAIL"),)
    nothing = tuple(FamilyAddresses(family, Known(())) for family in Family)
    ((status, _),) = judge.complaints(target, nothing)
    assert status is Status.FAIL


def test_only_eight_addresses_of_a_family_are_looked_at() -> None:
    class Many:
        async def lookup(self, name: str, rdtype: str) -> Fact[RecordSet]:
            return Known(RecordSet(tuple(f"192.0.2.{n}" for n in range(20)), exists=True))

    ipv4, _ = asyncio.run(addresses_of(Target("x.example", is_address=False), Many()))
    assert (len(judge.addresses(ipv4)), ipv4.left_out) == (8, 12)


OPEN, REFUSED, TIMEOUT = Way.OPEN, Way.REFUSED, Way.TIMEOUT


def verdicts(
    seen: list[tuple[str, int, Way]], asked: tuple[int, ...] | None = None
) -> dict[tuple[str, int], Status]:
    """The status of each contact that ended so; who answers at all is a healthy SMTP server."""
    dialogues = [
        Dialogue(
            address,
            dial.family_of(address),
            port,
            outcome,
            banner="220 mail.example.com",
            speech=Speech.SMTP,
            starttls_offered=False,
        )
        for address, port, outcome in seen
    ]
    question = judge.Question(
        Target("mail.example.com", is_address=False),
        judge.required_ports(asked),
        datetime.now(UTC),
    )
    return {
        (result.dialogue.address, result.dialogue.port): result.status
        for result in judge.results_of(question, dialogues)
    }


V4, V6 = "192.0.2.1", "2001:db8::1"


def test_silence_on_25_may_be_the_prober_s_own_network() -> None:
    told = verdicts([(V4, 25, TIMEOUT), (V4, 587, OPEN), (V4, 993, REFUSED)])
    assert told == {
        (V4, 25): Status.UNKNOWN,
        (V4, 587): Status.PASS,
        (V4, 993): Status.PASS,
    }


def test_silence_on_25_is_a_failure_where_25_of_another_address_answers() -> None:
    told = verdicts([(V4, 25, TIMEOUT), ("192.0.2.2", 25, OPEN)])
    assert told[V4, 25] is Status.FAIL


def test_an_answer_on_25_over_one_family_proves_nothing_for_the_other() -> None:
    told = verdicts([(V4, 25, OPEN), (V6, 25, TIMEOUT), (V6, 587, OPEN)])
    assert told[V6, 25] is Status.UNKNOWN


def test_where_nothing_answers_all_is_unknown() -> None:
    told = verdicts([(V4, port, TIMEOUT) for port in DEFAULT_PORTS])
    assert set(told.values()) == {Status.UNKNOWN}


def test_silence_on_a_named_port_is_a_failure_where_others_answer() -> None:
    told = verdicts([(V4, 25, OPEN), (V4, 587, TIMEOUT)], asked=(25, 587))
    assert told == {(V4, 25): Status.PASS, (V4, 587): Status.FAIL}


def test_silence_on_client_ports_is_no_failure_when_no_port_was_named() -> None:
    told = verdicts([(V4, 25, OPEN), (V4, 587, TIMEOUT)])
    assert set(told.values()) == {Status.PASS}


def test_a_machine_without_ipv6_knows_nothing_about_ipv6() -> None:
    if os.geteuid() != 0 or not shutil.which("unshare"):
        pytest.skip("needs root and unshare for a machine without a network")
    program = (
        "from mailfix import outside; from mailfix.report import outside as printed; "
        "report = outside.run('2001:db8::1', None, 3); "
        "print(outside.exit_code(report)); print(printed.text(report, False))"
    )
    answer = subprocess.run(
        ["unshare", "--net", sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(SOURCES)},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert answer.stdout.startswith("2\n")
    assert "this machine has no IPv6 route" in answer.stdout


def test_a_dropping_firewall_is_told_apart_from_a_closed_port() -> None:
    if os.geteuid() != 0 or not all(map(shutil.which, ("unshare", "iptables", "ip"))):
        pytest.skip("needs root, unshare, iptables and ip")
    program = (
        "import subprocess; from mailfix import outside; "
        "subprocess.run(['ip', 'link', 'set', 'lo', 'up'], check=True); "
        "subprocess.run('iptables -A INPUT -p tcp --dport 587 -j DROP'.split(), check=True); "
        "report = outside.run('127.0.0.1', (587, 993), 1.5); "
        "print([(r.dialogue.port, r.state.value, r.status.value) for r in report.results])"
    )
    answer = subprocess.run(
        ["unshare", "--net", sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(SOURCES)},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert answer.stdout == "[(587, 'filtered', 'fail'), (993, 'refused', 'fail')]\n"
