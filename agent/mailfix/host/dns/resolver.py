"""Asking the host's own resolvers, so that silence, refusal and "no such name" stay apart."""

from __future__ import annotations

import contextlib
import copy
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence

from mailfix.host.clock import Deadline
from mailfix.host.dns import answer, stub
from mailfix.host.dns.answer import Alias, Bogus
from mailfix.host.dns.asking import Asked, Failure, Heard, ask
from mailfix.host.dns.places import Places
from mailfix.host.dns.question import NotAName, Question, Wish
from mailfix.host.dns.resolv_conf import FILE, nameservers
from mailfix.host.dns.server import Server
from mailfix.host.dns.shared import Shared
from mailfix.host.dns.silence import Silence
from mailfix.host.dns.stub import Stub
from mailfix.model import Fact, Known, Unknown
from mailfix.record_set import RecordSet

PATIENCE = (0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.5, 0.55, 0.6, 0.6)
"""Waits after each try, in seconds: ten tries, of which one in a million fails at 10 % loss."""
PER_QUESTION_S = sum(PATIENCE)
MAX_REPLIES = 8
"""A chain of CNAMEs may need as many replies, each beginning where the last one ended."""
_ORDINARY = Wish.RECURSION | Wish.VOUCHING
_UNCHECKED = Wish.RECURSION | Wish.NO_CHECKING


class SystemDns:
    """The resolvers of ``/etc/resolv.conf``, or those that are given.

    Each question is put once; its answer is kept and shared by all who ask.
    """

    def __init__(self, deadline: Deadline, servers: Sequence[Server] | None = None) -> None:
        self._deadline = deadline
        self._servers: Fact[Sequence[Server]] | None = Known(servers) if servers else None
        self._answers: defaultdict[str, Shared[str, Fact[RecordSet]]] = defaultdict(Shared)
        self._places = Places()
        self._silence = silence = Silence(PER_QUESTION_S)
        self._stub: Stub | None = None
        self._asked = {
            wish: Asked(wish, PATIENCE, goes_on=lambda: not silence.is_lasting)
            for wish in (_ORDINARY, _UNCHECKED)
        }

    def until(self, deadline: Deadline) -> SystemDns:
        """The same, answers and all, for who has more time."""
        other = copy.copy(self)
        other._deadline = deadline
        return other

    @contextlib.asynccontextmanager
    async def in_another_process(self) -> AsyncIterator[None]:
        """Meanwhile a process of its own does the asking, where one can be started."""
        servers = self._configured()
        if isinstance(servers, Unknown):
            yield
            return
        async with contextlib.AsyncExitStack() as stack:
            with contextlib.suppress(OSError):
                started = stub.running(servers.value, self._deadline)
                self._stub = await stack.enter_async_context(started)
            yield

    @property
    def has_heard(self) -> bool:
        """A resolver has answered something."""
        return self._silence.has_heard or (self._stub is not None and self._stub.has_heard)

    @property
    def is_dead(self) -> bool:
        """No resolver ever answered anything, though they were asked often and for long."""
        lasting = self._silence.was_never_broken or (self._stub is not None and self._stub.is_dead)
        return lasting and not self.has_heard

    async def lookup(self, name: str, rdtype: str) -> Fact[RecordSet]:
        """Return the record set; Unknown for silence, SERVFAIL, REFUSED, referrals and garbage.

        :class:`Bogus` where DNSSEC validation fails.
        """
        plain = name.rstrip(".").lower()
        return await self._answers[rdtype].get(plain, lambda: self._find(plain, rdtype))

    async def _find(self, name: str, rdtype: str) -> Fact[RecordSet]:
        told = await self._stub.find(name, rdtype) if self._stub is not None else None
        return await self.find(name, rdtype) if told is None else told

    async def find(self, name: str, rdtype: str) -> Fact[RecordSet]:
        """Ask as :meth:`lookup` does, but keep nothing and share nothing."""
        try:
            question = Question.about(name, rdtype)
        except NotAName:
            return answer.NO_SUCH_NAME
        servers = self._configured()
        if isinstance(servers, Unknown):
            return servers
        return await self._resolve(servers.value, question, MAX_REPLIES)

    def _configured(self) -> Fact[Sequence[Server]]:
        if self._servers is None:
            named = nameservers()
            if isinstance(named, Known) and not named.value:
                named = Unknown(f"no DNS resolver is configured: {FILE} names none")
            self._servers = (
                named if isinstance(named, Unknown) else Known([Server(a) for a in named.value])
            )
        return self._servers

    async def _resolve(
        self, servers: Sequence[Server], question: Question, replies: int
    ) -> Fact[RecordSet]:
        """Go to the end of a chain of CNAMEs, for which one reply may not be enough."""
        told = await self._answer(servers, question)
        if not isinstance(told, Alias):
            return told
        if replies == 1:
            return Unknown(f"DNS answered {question} with CNAMEs that lead nowhere")
        further = Question.about(told.target, question.rdtype)
        return answer.through(told, await self._resolve(servers, further, replies - 1))

    async def _answer(
        self, servers: Sequence[Server], question: Question
    ) -> Fact[RecordSet] | Alias:
        heard = await self._ask(servers, question, _ORDINARY)
        if isinstance(heard, Failure) and heard.is_servfail:
            return await self._unvalidated(servers, question, heard)
        return _read(heard, question)

    async def _unvalidated(
        self, servers: Sequence[Server], question: Question, failure: Failure
    ) -> Fact[RecordSet] | Alias:
        """Tell failed validation from any other failure, and from one that has passed."""
        unchecked = await self._ask(servers, question, _UNCHECKED)
        if not isinstance(unchecked, Heard):
            return failure.of(question)
        again = await self._ask(servers, question, _ORDINARY)
        if isinstance(again, Failure) and again.is_servfail:
            reason = again.of(question).reason
            return Bogus(f"{reason}; DNSSEC validation fails for {question.name}")
        return _read(again, question)

    async def _ask(
        self, servers: Sequence[Server], question: Question, wish: Wish
    ) -> Heard | Failure | Unknown:
        async with self._places:
            seconds = self._deadline.within(PER_QUESTION_S)
            if seconds <= 0:
                return Unknown(f"DNS was not asked for {question}: the time was over")
            self._silence.asked()
            heard = await ask(question, servers, self._asked[wish], seconds)
            self._learn(heard)
        return heard

    def _learn(self, heard: Heard | Failure) -> None:
        if isinstance(heard, Failure) and heard.is_deaf:
            self._silence.went_on()
            return
        self._silence.ended()
        if isinstance(heard, Heard):
            self._places.learn(heard.tries)


def _read(heard: Heard | Failure | Unknown, question: Question) -> Fact[RecordSet] | Alias:
    if isinstance(heard, Heard):
        return answer.of_reply(heard.reply, question)
    return heard.of(question) if isinstance(heard, Failure) else heard
