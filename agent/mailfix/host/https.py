"""One page of a web server, whose certificate must be good: MTA-STS wants no more (RFC 8461 3.3).

Redirects are not followed. Every call is bounded in time and reads a bounded number of bytes.
"""

from __future__ import annotations

import asyncio
import io
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
MAX_BYTES = 64 * 1024
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
    import ssl

    context = _verifying(ssl.get_default_verify_paths())
    if context is None:
        return Unknown("no certificate authorities are installed: install ca-certificates")
    try:
        async with asyncio.timeout(timeout_s), dial.connection(address, port, timeout_s) as sock:
            reader, writer = await asyncio.open_connection(
                sock=sock, ssl=context, server_hostname=name
            )
            try:
                received = await _exchange(reader, writer, name, path)
            finally:
                await _close(writer)
    except ssl.SSLCertVerificationError as error:
        return Known(Page(trouble=f"its certificate is not good: {error.verify_message}"))
    except ssl.SSLError as error:
        return Known(Page(trouble=f"TLS fails: {error.reason}"))
    except ConnectionRefusedError:
        return Known(Page(trouble=f"{address} refuses connections on tcp/{port}"))
    except TimeoutError:
        return Unknown(f"{name} ({address}) kept silent")
    except OSError as error:
        return Unknown(f"{name} ({address}) cannot be reached: {dial.describe(error)}")
    return _read(received)


@lru_cache(maxsize=2)
def _verifying(paths: ssl.DefaultVerifyPaths) -> ssl.SSLContext | None:
    """None where this host has no authority to verify a certificate by."""
    import ssl

    folder = Path(paths.capath) if paths.capath else None
    if paths.cafile is None and (folder is None or not any(folder.iterdir())):
        return None
    return ssl.create_default_context()


async def _exchange(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, name: str, path: str
) -> bytes:
    lines = (f"GET {path} HTTP/1.1", f"Host: {name}", "User-Agent: mailfix", "Connection: close")
    writer.write("\r\n".join((*lines, "", "")).encode("ascii", "replace"))
    await writer.drain()
    received = bytearray()
    while len(received) <= MAX_BYTES and (chunk := await reader.read(_CHUNK)):
        received += chunk
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


def _read(received: bytes) -> Fact[Page]:
    import http.client

    if len(received) > MAX_BYTES:
        return Known(Page(trouble=f"it answers with more than {MAX_BYTES // 1024} KiB"))
    response = http.client.HTTPResponse(_Received(received))  # type: ignore[arg-type]
    try:
        response.begin()
        body = response.read(MAX_BYTES)
    except (http.client.HTTPException, ValueError, OSError) as error:
        return Known(Page(trouble=f"it does not answer as a web server: {type(error).__name__}"))
    return Known(Page(response.status, body.decode("utf-8", "replace")))
