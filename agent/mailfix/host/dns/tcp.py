"""The same question over TCP, for answers that no datagram holds (RFC 7766)."""

from __future__ import annotations

import asyncio
import contextlib
import secrets

from mailfix.host.dns.question import Question, Wish
from mailfix.host.dns.reply import NotOurs, Reply, read


async def ask(address: str, port: int, question: Question, wish: Wish, seconds: float) -> Reply:
    """Ask one server, in ``seconds`` at most.

    :raises OSError: it cannot be reached, or not in time.
    :raises EOFError: it hangs up before its answer is complete.
    :raises ValueError: as :func:`mailfix.host.dns.reply.read`.
    """
    async with asyncio.timeout(seconds):
        reader, writer = await asyncio.open_connection(address, port)
        try:
            number = secrets.randbelow(1 << 16)
            packet = question.packet(number, wish, edns=False)
            writer.write(len(packet).to_bytes(2, "big") + packet)
            size = int.from_bytes(await reader.readexactly(2), "big")
            wire = await reader.readexactly(size)
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
    if wire[:2] != number.to_bytes(2, "big"):
        raise NotOurs("another ID")
    return read(wire, question)
