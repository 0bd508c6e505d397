"""One call to a web server whose certificate must be good (RFC 8461 3.3 wants that of MTA-STS).

Redirects are not followed. Every call is bounded in time and reads a bounded number of bytes.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from mailfix.host import dial
from mailfix.model import Fact, Known, Unknown

if TYPE_CHECKING:
    import ssl

PORT = 443
PLAIN_PORT = 80
MAX_BYTES = 64 * 1024
HAPPY_EYEBALLS_S = 0.25
"""After which the other family is tried as well (RFC 8305)."""
_CHUNK = 8192


@dataclass(frozen=True, slots=True)
class Page:
    """The answer: a status and a text; ``trouble`` says what keeps everybody from it, or is ""."""

    status: int = 0
    text: str = ""
    trouble: str = ""


async def get(address: str, name: str, path: str, timeout_s: float, port: int = PORT) -> Fact[Page]:
    """Fetch ``https://NAME/PATH`` from an address.

    Unknown for silence, an unreachable network and a host without certificate authorities.
    """
    context = _authorities()
    if isinstance(context, Unknown):
        return context
    lines = (f"GET {path} HTTP/1.1", f"Host: {name}", "User-Agent: mailfix", "Connection: close")
    try:
        async with asyncio.timeout(timeout_s), dial.connection(address, port, timeout_s) as sock:
            streams = await asyncio.open_connection(
                sock=sock, ssl=context.value, server_hostname=name
            )
            received = await _exchange(*streams, _head(lines))
    except OSError as error:
        return _failure(error, f"{name} ({address})", port)
    if len(received) > MAX_BYTES:
        return Known(Page(trouble=f"it answers with more than {MAX_BYTES // 1024} KiB"))
    return _read(received)


async def post(url: str, body: bytes, headers: Mapping[str, str], timeout_s: float) -> Fact[Page]:
    """Send ``body`` to an address of the web, and return the answer's status without its text.

    ``url`` begins with ``https://``, or with ``http://`` for a server on this very host. It and the
    headers are visible ASCII. Unknown as with :func:`get`.
    """
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    encrypted = parts.scheme == "https"
    context = _authorities() if encrypted else Known(None)
    if isinstance(context, Unknown):
        return context
    host, port = parts.hostname or "", parts.port or (PORT if encrypted else PLAIN_PORT)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    lines = (
        *(f"POST {target} HTTP/1.1", f"Host: {parts.netloc}", "User-Agent: mailfix"),
        *("Connection: close", f"Content-Length: {len(body)}"),
        *(f"{name}: {value}" for name, value in headers.items()),
    )
    try:
        async with asyncio.timeout(timeout_s):
            streams = await asyncio.open_connection(
                host, port, ssl=context.value, happy_eyeballs_delay=HAPPY_EYEBALLS_S
            )
            received = await _exchange(*streams, _head(lines) + body)
    except OSError as error:
        return _failure(error, host, port)
    return _read(received, 0)


def _failure(error: OSError, whom: str, port: int) -> Fact[Page]:
    """What an error says of the server, or that it says nothing."""
    import ssl

    match error:
        case ssl.SSLCertVerificationError():
            return Known(Page(trouble=f"its certificate is not good: {error.verify_message}"))
        case ssl.SSLError():
            return Known(Page(trouble=f"TLS fails: {error.reason}"))
        case ConnectionRefusedError():
            return Known(Page(trouble=f"{whom} refuses connections on tcp/{port}"))
        case TimeoutError():
            return Unknown(f"{whom} kept silent")
    return Unknown(f"{whom} cannot be reached: {dial.describe(error)}")


def _authorities() -> Fact[ssl.SSLContext]:
    """What certificates of servers are verified by."""
    import ssl

    context = _verifying(ssl.get_default_verify_paths())
    if context is None:
        return Unknown("no certificate authorities are installed: install ca-certificates")
    return Known(context)


@lru_cache(maxsize=2)
def _verifying(paths: ssl.DefaultVerifyPaths) -> ssl.SSLContext | None:
    """None where this host has no authority to verify a certificate by."""
    import ssl

    folder = Path(paths.capath) if paths.capath else None
    if paths.cafile is None and (folder is None or not any(folder.iterdir())):
        return None
    return ssl.create_default_context()


def _head(lines: Iterable[str]) -> bytes:
    return "\r\n".join((*lines, "", "")).encode("ascii", "replace")


async def _exchange(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes
) -> bytes:
    received = bytearray()
    try:
        writer.write(request)
        await writer.drain()
        while len(received) <= MAX_BYTES and (chunk := await reader.read(_CHUNK)):
            received += chunk
    finally:
        await _close(writer)
    return bytes(received)


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()
    with suppress(OSError):
        await writer.wait_closed()


class _Received:
    """What :mod:`http.client` takes for a socket."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def makefile(self, mode: str) -> io.BytesIO:
        return io.BytesIO(self._content)


def _read(received: bytes, limit: int = MAX_BYTES) -> Fact[Page]:
    """The status, and ``limit`` bytes of the text."""
    import http.client

    response = http.client.HTTPResponse(_Received(received))  # type: ignore[arg-type]
    try:
        response.begin()
        body = response.read(limit)
    except (http.client.HTTPException, ValueError, OSError) as error:
        return Known(Page(trouble=f"it does not answer as a web server: {type(error).__name__}"))
    return Known(Page(response.status, body.decode("utf-8", "replace")))
