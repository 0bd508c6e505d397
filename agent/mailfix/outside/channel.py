"""One conversation's bytes: bounded replies over a connected socket, in clear or inside TLS."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable

from mailfix.host.dial import LINE_LIMIT, LINES_LIMIT, decoded

_CHUNK = 16384
_REMEMBERED = 256

Complete = Callable[[list[str]], bool]


class ClosedEarly(ConnectionError):
    """The server closed the connection before a reply was complete; ``heard`` came before."""

    def __init__(self, heard: str) -> None:
        super().__init__("the server closed the connection")
        self.heard = heard


class TooMuch(ConnectionError):
    """A reply went beyond 50 lines or 512 bytes in a line; ``heard`` is its beginning."""

    def __init__(self, heard: str) -> None:
        super().__init__("the reply is longer than a mail server's may be")
        self.heard = heard


class Channel:
    """Lines to and from a server; callers bound the time, this class bounds the bytes.

    The socket stays the caller's: it is neither opened nor closed here.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._received = bytearray()
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls: ssl.SSLObject | None = None
        self._since_hello = bytearray()

    @property
    def tls_version(self) -> str:
        """The protocol in use, such as ``TLSv1.3``; empty in clear."""
        return (self._tls.version() or "") if self._tls else ""

    @property
    def peer_certificate(self) -> bytes:
        """The server's certificate in DER form; empty in clear."""
        return (self._tls.getpeercert(binary_form=True) or b"") if self._tls else b""

    @property
    def heard_so_far(self) -> str:
        """What was received and belongs to no complete reply yet."""
        return _text(bytes(self._received).split(b"\n"))

    @property
    def answer_to_hello(self) -> str:
        """The first bytes that came back to a TLS hello, as text: what a failed handshake met."""
        return decoded(bytes(self._since_hello))

    async def start_tls(self, context: ssl.SSLContext, server_name: str | None) -> None:
        """Shake hands; what came in clear and was not read yet is forgotten (RFC 3207).

        :raises ssl.SSLError: the handshake failed.
        :raises ConnectionError: the server closed the connection.
        """
        self._received.clear()
        tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=server_name)
        while True:
            try:
                tls.do_handshake()
            except ssl.SSLWantReadError:
                await self._flush()
                await self._feed()
            except ssl.SSLError:
                await self._flush()
                raise
            else:
                await self._flush()
                self._tls = tls
                return

    async def say(self, command: str) -> None:
        """Send one command."""
        line = command.encode("ascii") + b"\r\n"
        if self._tls is None:
            await asyncio.get_running_loop().sock_sendall(self._sock, line)
        else:
            self._tls.write(line)
            await self._flush()

    async def hear(self, is_complete: Complete) -> str:
        """Return the next reply, its lines joined by a newline.

        :raises ClosedEarly: the server closed the connection first.
        :raises TooMuch: the reply is too long.
        """
        while True:
            lines = bytes(self._received).split(b"\n")
            for count in range(1, len(lines)):
                too_long = len(lines[count - 1]) > LINE_LIMIT
                if too_long or count > LINES_LIMIT:
                    raise TooMuch(_text(lines))
                if is_complete([_line(line) for line in lines[:count]]):
                    del self._received[: sum(len(line) + 1 for line in lines[:count])]
                    return _text(lines[:count])
            if len(lines[-1]) > LINE_LIMIT:
                raise TooMuch(_text(lines))
            await self._receive()

    async def _receive(self) -> None:
        if self._tls is None:
            chunk = await asyncio.get_running_loop().sock_recv(self._sock, _CHUNK)
            if not chunk:
                raise ClosedEarly(self.heard_so_far)
            self._received += chunk
            return
        while True:
            try:
                chunk = self._tls.read(_CHUNK)
            except ssl.SSLWantReadError:
                await self._flush()
                await self._feed()
                continue
            except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                chunk = b""
            if not chunk:
                raise ClosedEarly(self.heard_so_far)
            self._received += chunk
            return

    async def _feed(self) -> None:
        chunk = await asyncio.get_running_loop().sock_recv(self._sock, _CHUNK)
        if not chunk:
            raise ClosedEarly(self.heard_so_far)
        self._since_hello += chunk[: _REMEMBERED - len(self._since_hello)]
        self._incoming.write(chunk)

    async def _flush(self) -> None:
        waiting = self._outgoing.read()
        if waiting:
            await asyncio.get_running_loop().sock_sendall(self._sock, waiting)


def _line(line: bytes) -> str:
    return decoded(line[:LINE_LIMIT].rstrip(b"\r"))


def _text(lines: list[bytes]) -> str:
    return "\n".join(_line(line) for line in lines[:LINES_LIMIT]).rstrip("\n")
