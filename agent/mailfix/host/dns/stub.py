"""A stub resolver that leaves the asking to a process of its own (RFC 1034 section 5.3.1).

To ask thousands of questions takes as long as to judge the answers; two processors do both at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
from collections.abc import AsyncIterator, Sequence

from mailfix.host import itself
from mailfix.host.clock import Deadline
from mailfix.host.dns.server import Server
from mailfix.host.dns.stub_link import Link, fact
from mailfix.model import Fact
from mailfix.record_set import RecordSet

PROCESS = "mailfix.host.dns.stub_process"
_END_S = 2.0


class Stub:
    """``has_heard``: a resolver has answered the process. ``is_dead``: none ever did, for long."""

    def __init__(self, link: Link) -> None:
        self.has_heard = False
        self.is_dead = False
        self._link = link
        self._numbers = itertools.count()
        self._waiting: dict[int, asyncio.Future[Fact[RecordSet] | None]] = {}
        self._is_over = False

    async def find(self, name: str, rdtype: str) -> Fact[RecordSet] | None:
        """Have the question asked; None where the process has failed or ended before it was."""
        if self._is_over:
            return None
        number = next(self._numbers)
        answer: asyncio.Future[Fact[RecordSet] | None]
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        self._link.send((number, name, rdtype))
        try:
            return await answer
        finally:
            del self._waiting[number]

    async def hear(self) -> None:
        """Hand on what the process tells, until it ends."""
        while told := await self._link.receive():
            for number, heard, dead, values in told:
                self.has_heard, self.is_dead = heard, dead
                self._settle(number, fact(values))
        self.end()

    def end(self) -> None:
        """Nobody waits for the process any longer."""
        self._is_over = True
        for number in self._waiting:
            self._settle(number, None)

    def _settle(self, number: int, told: Fact[RecordSet] | None) -> None:
        answer = self._waiting.get(number)
        if answer is not None and not answer.done():
            answer.set_result(told)


@contextlib.asynccontextmanager
async def running(servers: Sequence[Server], deadline: Deadline) -> AsyncIterator[Stub]:
    """Start the process, which ends with this block; raises :class:`OSError`."""
    ours, theirs = socket.socketpair()
    try:
        process = await _started(theirs, servers, deadline)
    except BaseException:
        ours.close()
        raise
    finally:
        theirs.close()
    link = await Link.over(ours)
    stub = Stub(link)
    hearing = asyncio.create_task(stub.hear())
    try:
        yield stub
    finally:
        stub.end()
        link.close()
        hearing.cancel()
        await _gone(process)


async def _started(
    at: socket.socket, servers: Sequence[Server], deadline: Deadline
) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *itself.module(PROCESS, str(deadline.at)),
        *(f"{each.address}#{each.port}" for each in servers),
        stdin=at.fileno(),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        env={"PYTHONPATH": itself.IMPORTS, "LC_ALL": "C"},
        start_new_session=True,
    )


async def _gone(process: asyncio.subprocess.Process) -> None:
    """It ends by itself once nobody is at the other end of its link."""
    try:
        await asyncio.wait_for(process.wait(), _END_S)
    except TimeoutError:
        process.kill()
        await process.wait()
