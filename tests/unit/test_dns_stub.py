"""A process of its own asks the resolvers, and nobody can tell by the answers."""

from __future__ import annotations

import asyncio
import socket
import sys
import time

import dns.message
import psutil
import pytest

from mailfix.host import Deadline
from mailfix.host.dns import SystemDns
from mailfix.host.dns.server import Server
from mailfix.host.dns.stub import PROCESS, Stub
from mailfix.host.dns.stub_link import Link, fact, plain
from mailfix.host.dns.stub_process import serve
from mailfix.model import Fact, Known, Unknown
from mailfix.record_set import RecordSet
from tests.unit.nameserver import (
    SOA,
    Behaviour,
    answering,
    failing,
    nameserver,
    replying,
    silent,
)

NAME = "www.example.com"


def breaking_off(query: dns.message.Message) -> bytes:
    """A reply that promises a record and ends before it."""
    wire = dns.message.make_response(query).to_wire()
    return wire[:6] + b"\0\1" + wire[8:]


BEHAVIOURS = {
    "an address": answering("203.0.113.1"),
    "an alias": replying("@ 600 CNAME b.example.net.", "b.example.net. 30 A 203.0.113.9"),
    "vouched for": replying("@ 600 A 203.0.113.9", flags="QR RD RA AD"),
    "no such name": replying(authority=(f"example.com. 60 SOA {SOA}",), rcode="NXDOMAIN"),
    "no such record": replying(authority=(f"example.com. 60 SOA {SOA}",)),
    "no such record, vouched for": replying(
        authority=(f"example.com. 60 SOA {SOA}",), flags="QR RD RA AD"
    ),
    "failure": failing("SERVFAIL"),
    "refusal": failing("REFUSED"),
    "garbage": breaking_off,
    "bytes": replying(r'@ 300 TXT "v=spf1 " "a\"b\\ \233\000\010" " -all"'),
}


def client(port: str, seconds: float = 20.0) -> SystemDns:
    return SystemDns(Deadline.after(seconds), [Server("127.0.0.1", int(port))])


def helpers() -> list[psutil.Process]:
    return [each for each in psutil.Process().children() if PROCESS in each.cmdline()]


async def helper() -> psutil.Process:
    """The process that has been started; its command line shows a moment after its birth."""
    async with asyncio.timeout(5):
        while not (found := helpers()):
            await asyncio.sleep(0.001)
    return found[0]


def everything(told: Fact[RecordSet]) -> object:
    """With the fields that do not count when record sets are compared."""
    if isinstance(told, Unknown):
        return type(told).__name__, told.reason
    found = told.value
    return found, found.ttl, found.owner, found.secure, found.servers


@pytest.mark.parametrize("behave", BEHAVIOURS.values(), ids=BEHAVIOURS.keys())
def test_the_answer_is_the_same(behave: Behaviour) -> None:
    async def both(port: str, rdtype: str) -> tuple[Fact[RecordSet], Fact[RecordSet]]:
        helped = client(port)
        async with helped.in_another_process():
            assert await helper()
            told = await helped.lookup(NAME, rdtype)
        return told, await client(port).lookup(NAME, rdtype)

    for rdtype in ("A", "TXT"):
        with nameserver(behave, behave) as (port, *_):
            helped, alone = asyncio.run(both(port, rdtype))
        assert everything(helped) == everything(alone)
    assert helpers() == []


def test_each_question_is_asked_once_whoever_asks_it() -> None:
    async def often(port: str) -> None:
        own = client(port)
        other = own.until(Deadline.after(20))
        await own.lookup("before.example.com", "A")
        names = ["before.example.com", *(f"n{n}.example.com" for n in range(40))] * 3
        async with other.in_another_process():
            await asyncio.gather(*(each.lookup(n, "A") for n in names for each in (other, own)))
        await own.lookup("n7.example.com", "A")

    with nameserver(answering("203.0.113.1")) as asked:
        asyncio.run(often(asked[0]))
    assert len(asked) - 1 == len(set(asked)) - 1 == 41


@pytest.mark.parametrize("answered_before", [False, True])
def test_where_the_process_is_killed_the_questions_are_asked_all_the_same(
    answered_before: bool,
) -> None:
    async def killed(port: str) -> list[Fact[RecordSet]]:
        resolver = client(port)
        async with resolver.in_another_process():
            if answered_before:
                await resolver.lookup("first.example.com", "A")
            names = [f"n{number}.example.com" for number in range(200)]
            asking = [asyncio.create_task(resolver.lookup(name, "A")) for name in names]
            (await helper()).kill()
            return [*await asyncio.gather(*asking), await resolver.lookup("last.example.com", "A")]

    with nameserver(answering("203.0.113.1")) as (port, *_):
        told = asyncio.run(killed(port))
    assert {each.value.records for each in told if isinstance(each, Known)} == {("203.0.113.1",)}
    assert all(isinstance(each, Known) for each in told)


def test_a_question_on_which_the_process_fails_is_asked_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Failing(SystemDns):
        async def find(self, name: str, rdtype: str) -> Fact[RecordSet]:
            raise RuntimeError(name)

    async def asked(port: str) -> Fact[RecordSet]:
        ours, theirs = socket.socketpair()
        near, far = await Link.over(ours), await Link.over(theirs)
        process = asyncio.create_task(serve(far, Failing(Deadline.after(5))))
        stub = Stub(near)
        hearing = asyncio.create_task(stub.hear())
        resolver = client(port)
        monkeypatch.setattr(resolver, "_stub", stub)
        told = await resolver.lookup(NAME, "A")
        near.close()
        await asyncio.gather(process, hearing)
        far.close()
        return told

    with nameserver(answering("203.0.113.1")) as (port, *_):
        assert isinstance(asyncio.run(asked(port)), Known)


def test_where_no_process_can_be_started_the_audit_asks_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def alone(port: str) -> Fact[RecordSet]:
        resolver = client(port)
        async with resolver.in_another_process():
            return await resolver.lookup(NAME, "A")

    monkeypatch.setattr(sys, "executable", "/nonexistent/python3")
    with nameserver(answering("203.0.113.1")) as (port, *_):
        assert isinstance(asyncio.run(alone(port)), Known)


def test_whoever_gives_up_leaves_no_process_and_no_question_behind() -> None:
    async def hasty(port: str) -> None:
        resolver = client(port)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1), resolver.in_another_process():
                await resolver.lookup(NAME, "A")

    with nameserver(silent) as (port, *_):
        asyncio.run(hasty(port))
    assert helpers() == []


def test_a_dead_resolver_is_known_to_be_dead() -> None:
    async def crowd(port: str) -> tuple[bool, list[Fact[RecordSet]]]:
        resolver = client(port, seconds=60)
        async with resolver.in_another_process():
            names = [f"n{number}.example.com" for number in range(1000)]
            told = await asyncio.gather(*(resolver.lookup(name, "A") for name in names))
        return resolver.is_dead, told

    clock = time.monotonic()
    with nameserver(silent) as (port, *_):
        dead, told = asyncio.run(crowd(port))
    assert dead
    assert time.monotonic() - clock < 8
    assert all(isinstance(each, Unknown) for each in told)


def test_a_resolver_that_answered_before_is_not_dead() -> None:
    async def heard(port: str) -> bool:
        resolver = client(port)
        async with resolver.in_another_process():
            await resolver.lookup(NAME, "A")
            return resolver.has_heard and not resolver.is_dead

    with nameserver(answering("203.0.113.1")) as (port, *_):
        assert asyncio.run(heard(port))


def test_no_resolver_configured_is_told_as_without_a_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def lonely() -> Fact[RecordSet]:
        resolver = SystemDns(Deadline.after(5))
        async with resolver.in_another_process():
            return await resolver.lookup(NAME, "A")

    monkeypatch.setattr("mailfix.host.dns.resolver.nameservers", lambda: Known(()))
    told = asyncio.run(lonely())
    assert isinstance(told, Unknown)
    assert "no DNS resolver is configured" in told.reason


@pytest.mark.parametrize(
    "told",
    [
        Known(RecordSet(("a", "\xff\x00"), True, 60, "b.example", True)),
        Known(RecordSet((), False)),
        Known(RecordSet((), True)),
        Known(RecordSet((), True, 0, "b.example", False)),
        Known(RecordSet((), False, 0, "", True)),
        Unknown("because"),
    ],
)
def test_what_passes_between_loses_nothing(told: Fact[RecordSet]) -> None:
    back = fact(plain(told))
    assert back is not None
    assert everything(back) == everything(told)
