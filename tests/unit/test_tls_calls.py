"""The pages of MTA-STS policies and the certificates after STARTTLS, from real servers."""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from mailfix.host import https, starttls
from mailfix.host.https import Page
from mailfix.mail_records import tlsa
from mailfix.model import Fact, Known, Unknown

NAME = "mta-sts.example.com"
PATH = "/.well-known/mta-sts.txt"
Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
_NUMBERS = itertools.count()


def own_address() -> str:
    """An address of 127/8 that no other worker listens on."""
    pid = os.getpid()
    return f"127.{1 + pid // 250 % 250}.{1 + pid % 250}.{2 + next(_NUMBERS) % 250}"


def self_signed(key: Path, certificate: Path, name: str) -> None:
    files = ("-keyout", str(key), "-out", str(certificate))
    names = ("-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}")
    subprocess.run(
        ("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", *files, *names),
        check=True,
        capture_output=True,
        timeout=60,
    )


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and its self-signed certificate in one file, for :data:`NAME`."""
    if not shutil.which("openssl"):
        pytest.skip("needs openssl to make a certificate")
    folder = tmp_path_factory.mktemp("tls")
    key, certificate, both = (folder / name for name in ("key", "certificate", "both"))
    self_signed(key, certificate, NAME)
    both.write_text(key.read_text() + certificate.read_text())
    return both


@pytest.fixture
def trusted(pem: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    return pem


@asynccontextmanager
async def serving(
    talk: Talk, context: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[str, int]]:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, EOFError, TimeoutError, asyncio.CancelledError):
            await talk(reader, writer)
        writer.transport.abort()

    server = await asyncio.start_server(handle, own_address(), 0, ssl=context)
    address, port = server.sockets[0].getsockname()[:2]
    try:
        yield address, port
    finally:
        server.close()
        await asyncio.sleep(0.05)


def server_context(pem: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context


def answering(content: bytes, *, close: bool = True) -> Talk:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(content)
        await writer.drain()
        if close:
            writer.close()
        await asyncio.sleep(5 if not close else 0.2)

    return talk


def page(talk: Talk, pem: Path, name: str = NAME, timeout_s: float = 5.0) -> Fact[Page]:
    async def ask() -> Fact[Page]:
        async with serving(talk, server_context(pem)) as (address, port):
            return await https.get(address, name, PATH, timeout_s, port)

    return asyncio.run(ask())


def test_a_policy_is_fetched(trusted: Path) -> None:
    talk = answering(b"HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\nversion: STSv1\n")
    assert page(talk, trusted) == Known(Page(200, "version: STSv1\n"))


def test_an_answer_in_chunks_is_put_together(trusted: Path) -> None:
    talk = answering(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n2\r\nef\r\n0\r\n\r\n"
    )
    assert page(talk, trusted) == Known(Page(200, "abcdef"))


def test_a_redirect_is_told_and_not_followed(trusted: Path) -> None:
    talk = answering(b"HTTP/1.1 301 Moved\r\nLocation: https://127.0.0.1/\r\n\r\n")
    assert page(talk, trusted) == Known(Page(301, ""))


def trouble(fact: Fact[Page]) -> str:
    assert isinstance(fact, Known), fact
    return fact.value.trouble


def test_a_certificate_for_another_name_is_told(trusted: Path) -> None:
    found = page(answering(b"HTTP/1.1 200 OK\r\n\r\n"), trusted, "mta-sts.example.net")
    assert "certificate is not good" in trouble(found)


def test_a_certificate_that_nobody_signed_is_told(
    pem: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    self_signed(tmp_path / "key", tmp_path / "other", "other.example.com")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "other"))
    assert "certificate is not good" in trouble(page(answering(b""), pem))


def test_a_flood_without_end_is_cut(trusted: Path) -> None:
    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(b"x" * 10_000)
            await writer.drain()

    assert "more than 64 KiB" in trouble(page(flood, trusted))


@pytest.mark.parametrize(
    "content", [b"", b"\x00\xff garbage\r\n\r\n", b"HTTP/1.1 200 OK\r\n" * 500]
)
def test_what_is_no_web_server_is_told(trusted: Path, content: bytes) -> None:
    found = page(answering(content), trusted)
    assert isinstance(found, Known)
    assert found.value.trouble or found.value.text == ""


def test_silence_is_unknown(trusted: Path) -> None:
    found = page(answering(b"HTTP/1.1 200 OK\r\n", close=False), trusted, timeout_s=0.5)
    assert isinstance(found, Unknown)
    assert "kept silent" in found.reason


def test_a_closed_port_is_told(trusted: Path) -> None:
    found = asyncio.run(https.get(own_address(), NAME, PATH, 2.0, 9))
    assert "refuses connections" in trouble(found)


def test_without_authorities_no_certificate_is_blamed(
    pem: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    found = page(answering(b""), pem)
    assert isinstance(found, Unknown)
    assert "ca-certificates" in found.reason


def smtp(
    pem: Path, greeting: bytes = b"220 mail\r\n", ehlo: bytes = b"250-mail\r\n250 STARTTLS\r\n"
) -> Talk:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        await reader.readuntil(b"\n")
        writer.write(ehlo)
        await reader.readuntil(b"\n")
        writer.write(b"220 go\r\n")
        await writer.drain()
        await writer.start_tls(server_context(pem))
        await reader.read(1)

    return talk


def chain(talk: Talk, timeout_s: float = 5.0) -> Fact[tuple[bytes, ...]]:
    async def ask() -> Fact[tuple[bytes, ...]]:
        async with serving(talk) as (address, port):
            return await starttls.chain(address, NAME, "localhost", timeout_s, port)

    return asyncio.run(ask())


def test_the_certificate_after_starttls_is_seen_whether_good_or_not(pem: Path) -> None:
    found = chain(smtp(pem))
    assert isinstance(found, Known), found
    assert found.value[0] == ssl.PEM_cert_to_DER_cert(
        "-----BEGIN CERT" + pem.read_text().partition("-----BEGIN CERT")[2]
    )
    assert tlsa.record_of(found.value[0]).startswith("3 1 1 ")


@pytest.mark.parametrize(
    ("greeting", "ehlo", "why"),
    [
        (b"220 mail\r\n", b"250-mail\r\n250 SIZE\r\n", "does not offer STARTTLS"),
        (b"554 no\r\n", b"", "answers 554 no"),
        (b"\xff" * 9000, b"", "tcp/"),
        (b"220-mail\r\n" * 500, b"", "tcp/"),
    ],
)
def test_what_keeps_from_tls_is_unknown_with_its_reason(
    pem: Path, greeting: bytes, ehlo: bytes, why: str
) -> None:
    found = chain(smtp(pem, greeting, ehlo), timeout_s=1.0)
    assert isinstance(found, Unknown)
    assert why in found.reason
