"""TCP calls to mail servers: the only place that opens TCP connections.

Every call is bounded in time, reads a bounded number of bytes and closes what it opened. No mail
is ever sent: after the greeting comes a QUIT (or LOGOUT), nothing else.
"""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import os
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, replace

from mailfix.facts import Way
from mailfix.model import Family

LINE_LIMIT = 512
LINES_LIMIT = 50
FAREWELL_S = 0.2
_CHUNK = 4096


@dataclass(frozen=True, slots=True)
class Identity:
    """The user and group as whom a socket is created: what netfilter's owner matches look at."""

    uid: int
    gid: int


@dataclass(frozen=True, slots=True)
class Contact:
    """What one call found out.

    ``detail`` is empty or says why, beginning with the errno's name where there is one.
    ``banner`` is the first reply, lines joined by a newline, each at most 512 bytes and at most
    50 of them, exactly as received (control characters included); None where nothing was read.
    ``silent`` means connected, but no greeting came in time.
    ``elapsed_s`` is the time until the outcome, or until the greeting was complete, in seconds.
    """

    address: str
    port: int
    family: Family
    outcome: Way
    detail: str = ""
    banner: str | None = None
    silent: bool = False
    elapsed_s: float = 0.0


_OUTCOME_OF_ERRNO = {
    errno.ECONNREFUSED: Way.REFUSED,
    errno.ECONNRESET: Way.REFUSED,
    errno.ETIMEDOUT: Way.TIMEOUT,
    errno.ENETUNREACH: Way.UNREACHABLE,
    errno.EHOSTUNREACH: Way.UNREACHABLE,
    errno.ENETDOWN: Way.UNREACHABLE,
    errno.EHOSTDOWN: Way.UNREACHABLE,
    errno.EADDRNOTAVAIL: Way.UNREACHABLE,
    errno.EAFNOSUPPORT: Way.UNREACHABLE,
    errno.EINVAL: Way.UNREACHABLE,
    errno.EPROTO: Way.UNREACHABLE,
    errno.ENOPROTOOPT: Way.UNREACHABLE,
    errno.EACCES: Way.PROHIBITED,
    errno.EPERM: Way.PROHIBITED,
}


def outcome_of(error: OSError) -> Way:
    """The outcome that a failed connect stands for (connect(2), tcp(7), icmp(7))."""
    if isinstance(error, TimeoutError):
        return Way.TIMEOUT
    return _OUTCOME_OF_ERRNO.get(error.errno or 0, Way.ERROR)


def describe(error: OSError) -> str:
    """The errno's name and the system's text for it; empty where there is neither.

    Where a name has no address, what getaddrinfo(3) says, whose numbers are its own.
    """
    if isinstance(error, socket.gaierror):
        return error.strerror or str(error)
    name = errno.errorcode.get(error.errno or 0, "")
    text = error.strerror or str(error)
    if error.errno:
        text = os.strerror(error.errno)
    return ": ".join(part for part in (name, text) if part)


def family_of(address: str) -> Family:
    """The family of an IP literal.

    :raises ValueError: not an IP literal, or one with a scope id.
    """
    parsed = ipaddress.ip_address(address)
    if getattr(parsed, "scope_id", None) is not None:
        raise ValueError(f"an address with a scope id cannot be dialled: {address!r}")
    return Family.IPV4 if parsed.version == 4 else Family.IPV6


@asynccontextmanager
async def connection(
    address: str, port: int, timeout_s: float, identity: Identity | None = None
) -> AsyncIterator[socket.socket]:
    """A connected, non-blocking TCP socket, closed on leaving.

    :raises ValueError: ``address`` is not an IP literal.
    :raises TimeoutError: no answer to the SYN within ``timeout_s`` seconds.
    :raises PermissionError: the system does not let this process act as ``identity``.
    :raises OSError: as connect(2).
    """
    family = socket.AF_INET if family_of(address) is Family.IPV4 else socket.AF_INET6
    sock = _socket_as(family, identity)
    try:
        async with asyncio.timeout(timeout_s):
            await asyncio.get_running_loop().sock_connect(sock, (address, port))
        yield sock
    finally:
        sock.close()


async def reach(
    address: str, port: int, timeout_s: float, identity: Identity | None = None
) -> Contact:
    """Try whether a TCP connection can be opened; nothing is sent or read.

    Never raises for what the network does; ``address`` must be an IP literal.

    :raises ValueError: ``address`` is not an IP literal.
    """
    started = time.monotonic()
    contact = Contact(address, port, family_of(address), Way.OPEN)
    try:
        async with connection(address, port, timeout_s, identity):
            pass
    except OSError as error:
        contact = _failed(contact, error)
    return replace(contact, elapsed_s=time.monotonic() - started)


async def greet(
    address: str,
    port: int,
    timeout_s: float,
    identity: Identity | None = None,
    *,
    connect_s: float | None = None,
) -> Contact:
    """Open a TCP connection, read the server's first reply and take leave.

    ``timeout_s`` bounds the whole call, ``connect_s`` the opening alone. Never raises for what the
    network does.

    :raises ValueError: ``address`` is not an IP literal.
    """
    started = time.monotonic()
    deadline = started + timeout_s
    contact = Contact(address, port, family_of(address), Way.OPEN)
    try:
        patience_s = timeout_s if connect_s is None else min(timeout_s, connect_s)
        async with connection(address, port, patience_s, identity) as sock:
            contact = await _greeted(contact, sock, deadline)
            contact = replace(contact, elapsed_s=time.monotonic() - started)
            await _take_leave(sock, contact.banner, deadline)
    except OSError as error:
        contact = replace(_failed(contact, error), elapsed_s=time.monotonic() - started)
    return contact


def missing_route(address: str) -> str:
    """Why this host cannot send to an address at all, such as ``ENETUNREACH``; empty if it can.

    A connected datagram socket sends nothing, but needs a route and a source address (udp(7)).

    :raises ValueError: ``address`` is not an IP literal.
    """
    family = socket.AF_INET if family_of(address) is Family.IPV4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.connect((address, 9))
    except OSError as error:
        return describe(error)
    return ""


def first_reply(received: bytes) -> bytes | None:
    """The first reply in what was received so far, or None while it is incomplete.

    A reply ends with the first line that does not announce another one (``220-``, RFC 5321,
    section 4.2.1), with a line longer than 512 bytes or with the fiftieth line.
    """
    lines = received.split(b"\n")
    for index, line in enumerate(lines[:-1]):
        last = not _announces_more(line) or len(line) > LINE_LIMIT
        if last or index + 1 == LINES_LIMIT:
            return _bounded(lines[: index + 1])
    if len(lines[-1]) > LINE_LIMIT:
        return _bounded(lines)
    return None


def decoded(reply: bytes) -> str:
    """Text of a reply: UTF-8, and Latin-1 where it is not."""
    try:
        return reply.decode("utf-8")
    except UnicodeDecodeError:
        return reply.decode("latin-1")


def _announces_more(line: bytes) -> bool:
    return line[:3].isdigit() and line[3:4] == b"-"


def _bounded(lines: list[bytes]) -> bytes:
    return b"\n".join(line[:LINE_LIMIT].rstrip(b"\r") for line in lines[:LINES_LIMIT])


async def _greeted(contact: Contact, sock: socket.socket, deadline: float) -> Contact:
    received = bytearray()
    detail = ""
    try:
        async with asyncio.timeout(deadline - time.monotonic()):
            detail = await _receive_reply(sock, received)
    except TimeoutError:
        if not received:
            return replace(contact, silent=True, detail="no greeting in time")
        detail = "the greeting was not complete in time"
    except OSError as error:
        detail = describe(error)
    if not received:
        return replace(contact, detail=detail)
    reply = first_reply(bytes(received)) or _bounded(bytes(received).split(b"\n"))
    return replace(contact, banner=decoded(reply), detail=detail)


async def _receive_reply(sock: socket.socket, received: bytearray) -> str:
    loop = asyncio.get_running_loop()
    while first_reply(bytes(received)) is None:
        chunk = await loop.sock_recv(sock, _CHUNK)
        if not chunk:
            if received:
                return "closed before the greeting was complete"
            return "closed without a greeting"
        received += chunk
    return ""


async def _take_leave(sock: socket.socket, banner: str | None, deadline: float) -> None:
    farewell = farewell_to(banner or "")
    patience_s = min(FAREWELL_S, deadline - time.monotonic())
    if not farewell or patience_s <= 0:
        return
    loop = asyncio.get_running_loop()
    with suppress(OSError):
        async with asyncio.timeout(patience_s):
            await loop.sock_sendall(sock, farewell)
            await loop.sock_recv(sock, _CHUNK)


def farewell_to(banner: str) -> bytes:
    """The command that ends a session with the server that greeted so; empty for a stranger."""
    if banner.startswith("* "):
        return b"a LOGOUT\r\n"
    if banner.startswith("+OK") or banner[:3].isdigit():
        return b"QUIT\r\n"
    return b""


def _failed(contact: Contact, error: OSError) -> Contact:
    if isinstance(error, _IdentityError):
        return replace(contact, outcome=Way.ERROR, detail=error.strerror or "")
    if isinstance(error, TimeoutError) and not error.errno:
        return replace(contact, outcome=Way.TIMEOUT, detail="no answer in time")
    return replace(contact, outcome=outcome_of(error), detail=describe(error))


class _IdentityError(PermissionError):
    pass


def _socket_as(family: socket.AddressFamily, identity: Identity | None) -> socket.socket:
    with _acting_as(identity):
        sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setblocking(False)
    return sock


@contextmanager
def _acting_as(identity: Identity | None) -> Iterator[None]:
    """Create files and sockets as ``identity`` inside the block, which must not await.

    The filesystem ids are what ``-m owner`` and ``meta skuid`` compare (the credentials of the
    socket's file), and unlike the effective ids they are changed for this thread alone, so that
    other threads keep their rights (setfsuid(2)).
    """
    if identity is None or identity == Identity(os.geteuid(), os.getegid()):
        yield
        return
    before = Identity(os.geteuid(), os.getegid())
    try:
        _set_filesystem_ids(identity)
        yield
    finally:
        _set_filesystem_ids(before)


def _set_filesystem_ids(identity: Identity) -> None:
    import ctypes

    libc = ctypes.CDLL(None)
    unchanged = ctypes.c_uint(-1 & 0xFFFFFFFF)
    libc.setfsgid(ctypes.c_uint(identity.gid))
    libc.setfsuid(ctypes.c_uint(identity.uid))
    got = Identity(
        libc.setfsuid(unchanged) & 0xFFFFFFFF,
        libc.setfsgid(unchanged) & 0xFFFFFFFF,
    )
    if got != identity:
        raise _IdentityError(
            errno.EPERM,
            f"this process may not open connections as uid {identity.uid}, gid {identity.gid}",
        )
