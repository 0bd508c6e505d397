"""One question put to one or several servers until one of them answers it."""

from __future__ import annotations

import asyncio
import errno
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from mailfix.host.dns import tcp
from mailfix.host.dns.question import Question, Wish
from mailfix.host.dns.reply import Garbled, NotOurs, Reply, TooMany, rcode_text, read
from mailfix.host.dns.server import Server
from mailfix.host.dns.udp import Place
from mailfix.model import Unknown

SILENCE = "kept silent"
GARBAGE = "garbage"
NOT_OVER_TCP = "a truncated answer, and none over TCP,"
MAX_TCP_S = 3.0
_PLAIN_FROM = 2 / 3
"""The last third of the tries goes without EDNS: some firewalls swallow every packet with it."""

Patience: TypeAlias = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Asked:
    """What is wished and how long to wait after each try, in seconds.

    ``at_last_over_tcp`` is how long silence over UDP is followed up over TCP, 0 for not at all.
    ``goes_on`` is looked at before each further try.
    """

    wish: Wish
    patience: Patience
    at_last_over_tcp: float = 0.0
    goes_on: Callable[[], bool] = lambda: True


@dataclass(frozen=True, slots=True)
class Heard:
    """A reply that says what there is; ``tries`` is how often the question had to be sent."""

    server: Server
    reply: Reply
    tries: int


@dataclass(frozen=True, slots=True)
class Failure:
    """No server answered: each with what it did, such as ``SERVFAIL`` or ``kept silent``."""

    troubles: tuple[tuple[Server, str], ...]

    @property
    def is_silence(self) -> bool:
        return all(trouble == SILENCE for _, trouble in self.troubles)

    @property
    def is_unheard(self) -> bool:
        """No server sent anything, be it that the packets to it do not even leave this host."""
        errors = errno.errorcode.values()
        return all(trouble == SILENCE or trouble in errors for _, trouble in self.troubles)

    @property
    def is_deaf(self) -> bool:
        """Nothing came that could be read."""
        return all(trouble in (SILENCE, GARBAGE) for _, trouble in self.troubles)

    @property
    def is_servfail(self) -> bool:
        return bool(self.troubles) and all(trouble == "SERVFAIL" for _, trouble in self.troubles)

    def of(self, question: Question) -> Unknown:
        """The failure in words."""
        if self.is_silence:
            servers = ", ".join(str(server) for server, _ in self.troubles)
            return Unknown(f"DNS gave no answer to {question}: {servers} {SILENCE}")
        told = "; ".join(_told(server, trouble) for server, trouble in self.troubles)
        return Unknown(f"DNS failed on {question}: {told}")


def _told(server: Server, trouble: str) -> str:
    return f"{server} {SILENCE}" if trouble == SILENCE else f"{trouble} from {server}"


async def ask(
    question: Question, servers: Sequence[Server], asked: Asked, seconds: float
) -> Heard | Failure:
    """Ask for ``seconds`` at most, each try at another server where there are several."""
    loop = asyncio.get_running_loop()
    asking = _Asking(question, servers, asked, loop, loop.time() + seconds)
    try:
        return await asking.run()
    finally:
        asking.end()


@dataclass(slots=True, eq=False)
class _Asking:
    question: Question
    servers: Sequence[Server]
    asked: Asked
    loop: asyncio.AbstractEventLoop
    ends: float
    tries: int = 0
    _troubles: dict[Server, str] = field(default_factory=dict)
    _odd: set[Server] = field(default_factory=set)
    _plain: set[Server] = field(default_factory=set)
    _with_edns: set[Server] = field(default_factory=set)
    _places: dict[Server, Place] = field(default_factory=dict)
    _arrived: deque[tuple[Server, bytes | OSError]] = field(default_factory=deque)
    _waiter: asyncio.Future[None] | None = None

    async def run(self) -> Heard | Failure:
        for number, wait in enumerate(self.asked.patience):
            server = self._candidate(number)
            if server is None or self._left() <= 0 or not self.asked.goes_on():
                break
            self.tries += 1
            self._send(server)
            reply = await self._listen(server, wait)
            if reply is not None:
                return reply
        return await self._at_last()

    def end(self) -> None:
        for place in self._places.values():
            place.leave()

    def _candidate(self, number: int) -> Server | None:
        """The server for this try: those that seem dead come after the others."""
        left = [server for server in self.servers if server not in self._troubles]
        if len(left) > 1:
            left.sort(key=lambda server: server.seems_dead)
        return left[number % len(left)] if left else None

    def _left(self) -> float:
        return self.ends - self.loop.time()

    def _send(self, server: Server) -> None:
        if self.tries > len(self.asked.patience) * _PLAIN_FROM:
            self._plain.add(server)
        edns = server.takes_edns and server not in self._plain
        if edns:
            self._with_edns.add(server)
        try:
            if server not in self._places:
                self._places[server] = server.line.place(lambda came: self._take(server, came))
            place = self._places[server]
            place.send(self.question.packet(place.number, self.asked.wish, edns))
        except OSError as error:
            self._take(server, error)

    def _take(self, server: Server, came: bytes | OSError) -> None:
        self._arrived.append((server, came))
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def _listen(self, server: Server, wait: float) -> Heard | None:
        """Wait for what ends the question, or for this server's refusal."""
        until = min(self.ends, self.loop.time() + wait)
        while server not in self._troubles:
            if not self._arrived and not await self._something_comes(until):
                server.kept_silent()
                return None
            heard = await self._judge(*self._arrived.popleft())
            if heard is not None:
                return heard
        return None

    async def _something_comes(self, until: float) -> bool:
        self._waiter = self.loop.create_future()
        timer = self.loop.call_at(until, _wake, self._waiter)
        try:
            await self._waiter
        finally:
            timer.cancel()
        return bool(self._arrived)

    async def _judge(self, server: Server, came: bytes | OSError) -> Heard | None:
        if isinstance(came, OSError):
            self._troubles[server] = _os_error(came)
            return None
        try:
            reply = read(came, self.question)
        except NotOurs:
            self._odd.add(server)
            return None
        except ValueError as error:
            self._troubles[server] = _reading_error(error)
            return None
        server.heard()
        return await self._weigh(server, reply)

    async def _weigh(self, server: Server, reply: Reply) -> Heard | None:
        if reply.truncated:
            return await self._over_tcp(server, MAX_TCP_S, NOT_OVER_TCP)
        if reply.answers:
            server.takes_edns = server.takes_edns and server not in self._plain
            return Heard(server, reply, self.tries)
        if reply.refuses_edns and server in self._with_edns and server not in self._plain:
            self._plain.add(server)
            self._send(server)
            return None
        self._troubles[server] = rcode_text(reply.rcode)
        return None

    async def _over_tcp(self, server: Server, seconds: float, failed: str) -> Heard | None:
        seconds = min(seconds, max(0.0, self._left()))
        try:
            reply = await tcp.ask(
                server.address, server.port, self.question, self.asked.wish, seconds
            )
        except (OSError, EOFError):
            self._troubles[server] = failed
            return None
        except ValueError as error:
            self._troubles[server] = _reading_error(error)
            return None
        if reply.answers and not reply.truncated:
            return Heard(server, reply, self.tries)
        self._troubles[server] = rcode_text(reply.rcode) if reply.rcode else GARBAGE
        return None

    async def _at_last(self) -> Heard | Failure:
        for server in self.servers if self.asked.at_last_over_tcp else ():
            if server in self._troubles:
                continue
            heard = await self._over_tcp(server, self.asked.at_last_over_tcp, SILENCE)
            if heard is not None:
                return heard
        return Failure(tuple((server, self._trouble(server)) for server in self.servers))

    def _trouble(self, server: Server) -> str:
        silent = GARBAGE if server in self._odd else SILENCE
        return self._troubles.get(server, silent)


def _wake(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)


def _os_error(error: OSError) -> str:
    return errno.errorcode.get(error.errno or 0, type(error).__name__)


def _reading_error(error: ValueError) -> str:
    if isinstance(error, TooMany):
        return f"{error} records"
    return GARBAGE if isinstance(error, Garbled | NotOurs) else type(error).__name__
