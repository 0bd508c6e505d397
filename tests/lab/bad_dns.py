"""A name server that is slow, dead, refusing or lying, in front of the lab's good one."""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import cast

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rrset

HEADER_BYTES = 12
UPSTREAM_SECONDS = 5.0
GARBAGE = b"\xc0\x0c" * 40
ANSWERS = itertools.count()


class Trouble(Enum):
    """What the server does to the questions that it is meant for."""

    SLOW = "answers rightly, only late"
    SILENT = "never answers"
    SERVFAIL = "answers SERVFAIL"
    REFUSED = "answers REFUSED"
    TRUNCATED = "sets TC on every UDP answer and refuses TCP"
    TRUNCATED_UDP = "sets TC on every UDP answer and serves TCP"
    POISONED = "adds records that nobody asked for"
    LOSSY = "loses every tenth answer over UDP"
    GARBAGE = "answers with the right id and then bytes that are no message"
    WRONG_ID = "answers rightly under another question's id"


@dataclass(frozen=True, slots=True)
class BadDns:
    """A trouble for the given names and all below them, or for every name when none is given.

    ``delay`` in seconds is added to each answer. Names outside get a right answer.
    """

    trouble: Trouble
    names: tuple[str, ...] = ()
    delay: float = 0.0

    @property
    def only_udp(self) -> bool:
        """Whether TCP tells the truth."""
        return self.trouble is Trouble.TRUNCATED_UDP

    def concerns(self, question: bytes) -> bool:
        """Whether the trouble is meant for this question."""
        if not self.names:
            return True
        try:
            asked = dns.message.from_wire(question).question[0].name.to_text(omit_final_dot=True)
        except (dns.exception.DNSException, IndexError):
            return False
        return any(asked == name or asked.endswith(f".{name}") for name in self.names)

    def reply(self, question: bytes, answer: bytes) -> bytes | None:
        """What is sent over UDP instead of the right answer; None for silence."""
        if not self.concerns(question):
            return answer
        return WIRE[self.trouble](question, answer)


def with_rcode(question: bytes, rcode: dns.rcode.Rcode) -> bytes:
    response = dns.message.make_response(dns.message.from_wire(question))
    response.set_rcode(rcode)
    return response.to_wire()


def truncated(question: bytes) -> bytes:
    response = dns.message.make_response(dns.message.from_wire(question))
    response.flags |= dns.flags.TC
    return response.to_wire()


def poisoned(answer: bytes) -> bytes:
    """The right answer, with lies about other names in every section."""
    response = dns.message.from_wire(answer)
    lies = [
        dns.rrset.from_text("mail.example.com.", 300, "IN", "A", "192.0.2.66"),
        dns.rrset.from_text("example.com.", 300, "IN", "TXT", '"v=spf1 +all"'),
        dns.rrset.from_text("example.com.", 300, "IN", "MX", "1 evil.example.net."),
    ]
    asked = response.question[0]
    others = [each for each in lies if (each.name, each.rdtype) != (asked.name, asked.rdtype)]
    response.answer.extend(others)
    response.additional.extend(others)
    return response.to_wire(max_size=65535)


WIRE: dict[Trouble, Callable[[bytes, bytes], bytes | None]] = {
    Trouble.SLOW: lambda question, answer: answer,
    Trouble.SILENT: lambda question, answer: None,
    Trouble.SERVFAIL: lambda question, answer: with_rcode(question, dns.rcode.SERVFAIL),
    Trouble.REFUSED: lambda question, answer: with_rcode(question, dns.rcode.REFUSED),
    Trouble.TRUNCATED: lambda question, answer: truncated(question),
    Trouble.TRUNCATED_UDP: lambda question, answer: truncated(question),
    Trouble.POISONED: lambda question, answer: poisoned(answer),
    Trouble.LOSSY: lambda question, answer: None if next(ANSWERS) % 10 == 0 else answer,
    Trouble.GARBAGE: lambda question, answer: question[:2] + GARBAGE,
    Trouble.WRONG_ID: lambda question, answer: bytes([answer[0] ^ 0xFF]) + answer[1:],
}


@dataclass(slots=True)
class Front(asyncio.DatagramProtocol):
    """One UDP socket that passes questions on to the good server."""

    bad: BadDns
    upstream: Callable[[], socket.socket]
    questions: list[bytes]
    transport: asyncio.DatagramTransport | None = None
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def itself(self) -> Front:
        """For the event loop, which wants a maker of protocols."""
        return self

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.questions.append(data)
        task = asyncio.get_running_loop().create_task(self._answer(data, addr))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _answer(self, question: bytes, peer: tuple[str, int]) -> None:
        if len(question) < HEADER_BYTES or self.transport is None:
            return
        loop = asyncio.get_running_loop()
        due = loop.time() + self.bad.delay
        try:
            reply = self.bad.reply(question, await self._right_answer(question))
        except (OSError, TimeoutError, dns.exception.DNSException):
            return
        await asyncio.sleep(due - loop.time())
        if reply is not None:
            self.transport.sendto(reply, peer)

    async def _right_answer(self, question: bytes) -> bytes:
        loop = asyncio.get_running_loop()
        with self.upstream() as sock:
            await loop.sock_sendall(sock, question)
            return await asyncio.wait_for(loop.sock_recv(sock, 65535), UPSTREAM_SECONDS)


@dataclass(slots=True)
class TcpFront:
    """The same over TCP, where only the delay and the truth are to be had."""

    bad: BadDns
    upstream: Callable[[], socket.socket]

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        try:
            with self.upstream() as sock:
                while True:
                    question = await reader.readexactly(
                        int.from_bytes(await reader.readexactly(2), "big")
                    )
                    due = loop.time() + self.bad.delay
                    await loop.sock_sendall(sock, len(question).to_bytes(2, "big") + question)
                    size = await receive_exactly(sock, 2)
                    answer = await receive_exactly(sock, int.from_bytes(size, "big"))
                    reply = answer if self.bad.only_udp else self.bad.reply(question, answer)
                    await asyncio.sleep(due - loop.time())
                    if reply is not None:
                        writer.write(len(reply).to_bytes(2, "big") + reply)
        except (OSError, asyncio.IncompleteReadError, dns.exception.DNSException):
            return
        finally:
            writer.close()


async def receive_exactly(sock: socket.socket, size: int) -> bytes:
    loop = asyncio.get_running_loop()
    received = b""
    while len(received) < size:
        piece = await loop.sock_recv(sock, size - len(received))
        if not piece:
            raise ConnectionError("the good server closed")
        received += piece
    return received
