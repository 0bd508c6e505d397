"""The certificates that a mail server shows after STARTTLS (RFC 3207), whether good or not."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from mailfix.host import dial
from mailfix.model import Fact, Known, Unknown

if TYPE_CHECKING:
    import ssl

PORT = 25
MAX_LINES = 50
MAX_LINE = 2048
MAX_CHAIN = 10


class _Refused(Exception):
    """The server said something else than what leads to TLS; the text says what."""


async def chain(
    address: str, name: str, own_name: str, timeout_s: float, port: int = PORT
) -> Fact[tuple[bytes, ...]]:
    """Return the chain in DER, the server's own certificate first; ``name`` is asked for by SNI.

    Only that one where Python is older than 3.13, which cannot tell the others.
    """
    import ssl

    try:
        async with asyncio.timeout(timeout_s), dial.connection(address, port, timeout_s) as sock:
            reader, writer = await asyncio.open_connection(sock=sock, limit=MAX_LINE)
            try:
                return await _shown(reader, writer, name, own_name)
            finally:
                writer.transport.abort()
                with suppress(OSError):
                    await writer.wait_closed()
    except _Refused as error:
        return Unknown(f"tcp/{port} of {address}: {error}")
    except TimeoutError:
        return Unknown(f"tcp/{port} of {address} kept silent")
    except ssl.SSLError as error:
        return Unknown(f"tcp/{port} of {address}: TLS fails: {error.reason}")
    except (OSError, ValueError) as error:
        told = dial.describe(error) if isinstance(error, OSError) else type(error).__name__
        return Unknown(f"tcp/{port} of {address}: {told}")


async def _shown(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, name: str, own_name: str
) -> Fact[tuple[bytes, ...]]:
    await _reply(reader, "220")
    writer.write(f"EHLO {own_name}\r\n".encode("ascii", "replace"))
    offered = await _reply(reader, "250")
    if not any(line[4:].strip().upper() == "STARTTLS" for line in offered):
        raise _Refused("it does not offer STARTTLS to this host itself")
    writer.write(b"STARTTLS\r\n")
    await _reply(reader, "220")
    await writer.start_tls(_trusting(), server_hostname=name)
    shown = _certificates(writer.get_extra_info("ssl_object"))
    writer.write(b"QUIT\r\n")
    return Known(shown)


async def _reply(reader: asyncio.StreamReader, code: str) -> list[str]:
    lines: list[str] = []
    while len(lines) < MAX_LINES:
        line = await reader.readline()
        if not line.endswith(b"\n"):
            raise _Refused("it closes the connection")
        lines.append(line.decode("latin-1").rstrip("\r\n"))
        if not lines[-1].startswith(f"{code}-"):
            break
    if not lines[-1].startswith(code):
        raise _Refused(f"it answers {lines[-1][:80]}")
    return lines


def _trusting() -> ssl.SSLContext:
    """A context that takes any certificate: it is the certificate that is judged."""
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _certificates(connection: ssl.SSLObject) -> tuple[bytes, ...]:
    whole = getattr(connection, "get_unverified_chain", None)
    if whole is not None:
        return tuple(bytes(each) for each in whole()[:MAX_CHAIN])
    own = connection.getpeercert(binary_form=True)
    return (own,) if own else ()
