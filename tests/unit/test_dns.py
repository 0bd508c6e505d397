"""Whatever a resolver does, "no such name", "no such record" and "not told" stay apart.

The resolver is a small server on loopback whose answers dnspython makes.
"""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from pathlib import Path

import dns.message
import dns.rrset
import pytest

from mailfix.host import Deadline
from mailfix.host.dns import SystemDns, reverse_name
from mailfix.host.dns.server import Server
from mailfix.model import Fact, Known, Unknown
from mailfix.record_set import RecordSet
from tests.unit.nameserver import SOA, Behaviour, answering, failing, nameserver, truncated

NAME = "mail.example.com"
AGENT = Path(__file__).resolve().parents[2] / "agent"


def ask(port: str, name: str = NAME, rdtype: str = "A", seconds: float = 8.0) -> Fact[RecordSet]:
    async def once() -> Fact[RecordSet]:
        return await system_dns(port, seconds).lookup(name, rdtype)

    return asyncio.run(once())


def system_dns(port: str, seconds: float = 8.0) -> SystemDns:
    """Ask our server in the place of those of /etc/resolv.conf."""
    return SystemDns(Deadline.after(seconds), [Server("127.0.0.1", int(port))])


def with_authority(owner: str, rdtype: str, text: str) -> Behaviour:
    def behave(query: dns.message.Message) -> dns.message.Message:
        reply = dns.message.make_response(query)
        reply.authority.append(dns.rrset.from_text(owner, 60, "IN", rdtype, text))
        return reply

    return behave


def test_addresses_are_known() -> None:
    with nameserver(answering("203.0.113.10", "198.51.100.7")) as (port, *_):
        assert ask(port) == Known(RecordSet(("198.51.100.7", "203.0.113.10"), exists=True))


def test_host_names_come_in_small_letters_without_their_last_dot() -> None:
    with nameserver(answering("Mail.Example.COM.", rdtype="PTR")) as (port, *_):
        told = ask(port, reverse_name("203.0.113.10"), "PTR")
    assert told == Known(RecordSet(("mail.example.com",), exists=True))


def test_no_such_name_is_known() -> None:
    with nameserver(failing("NXDOMAIN")) as (port, *_):
        assert ask(port) == Known(RecordSet((), exists=False))


def test_no_such_record_is_known_and_the_name_exists() -> None:
    with nameserver(with_authority("example.com.", "SOA", SOA)) as (port, *_):
        assert ask(port) == Known(RecordSet((), exists=True))


def test_a_referral_is_not_no_such_record() -> None:
    with nameserver(with_authority("com.", "NS", "a.gtld-servers.net.")) as (port, *_):
        told = ask(port)
    assert isinstance(told, Unknown)
    assert "referral" in told.reason


@pytest.mark.parametrize("rcode", ["SERVFAIL", "REFUSED", "NOTIMP", "FORMERR"])
def test_a_failure_is_unknown_and_named(rcode: str) -> None:
    with nameserver(failing(rcode)) as (port, *_):
        told = ask(port)
    assert isinstance(told, Unknown)
    assert f"A {NAME}" in told.reason
    assert rcode in told.reason or rcode in ("NOTIMP", "FORMERR")


def test_silence_is_unknown_and_says_who_kept_silent() -> None:
    with nameserver(lambda query: None) as (port, *_):
        told = ask(port, seconds=1.0)
    assert isinstance(told, Unknown)
    assert "gave no answer" in told.reason
    assert "127.0.0.1" in told.reason


def test_a_resolver_that_is_not_there_is_unknown() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    assert isinstance(ask(port, seconds=1.0), Unknown)


@pytest.mark.parametrize(
    "garbage",
    [b"", b"\x00", b"\xff" * 600, b"HTTP/1.0 400 Bad Request\r\n\r\n"],
    ids=["nothing", "one byte", "all ones", "http"],
)
def test_garbage_is_unknown(garbage: bytes) -> None:
    with nameserver(lambda query: garbage) as (port, *_):
        assert isinstance(ask(port, seconds=1.5), Unknown)


def test_a_reply_with_garbage_behind_its_header_is_unknown() -> None:
    def behave(query: dns.message.Message) -> bytes:
        return dns.message.make_response(query).to_wire()[:12] + b"\xc0\xff\xc0\xff" * 9

    with nameserver(behave) as (port, *_):
        assert isinstance(ask(port, seconds=1.5), Unknown)


def test_the_answer_to_another_question_is_not_taken() -> None:
    def behave(query: dns.message.Message) -> dns.message.Message:
        other = dns.message.make_query("bank.example.net", "A", id=query.id)
        return answering("198.51.100.66")(other)  # type: ignore[return-value]

    with nameserver(behave) as (port, *_):
        assert isinstance(ask(port, seconds=1.5), Unknown)


def test_a_truncated_answer_is_asked_again_over_tcp() -> None:
    with nameserver(truncated, answering("203.0.113.10")) as (port, *_):
        assert ask(port) == Known(RecordSet(("203.0.113.10",), exists=True))


def test_a_truncated_answer_without_tcp_is_unknown() -> None:
    with nameserver(truncated) as (port, *_):
        assert isinstance(ask(port, seconds=1.5), Unknown)


def test_more_records_than_a_host_can_have_are_unknown() -> None:
    def behave(query: dns.message.Message) -> dns.message.Message:
        many = [f"198.51.{number // 250}.{number % 250}" for number in range(200)]
        return answering(*many)(query)  # type: ignore[return-value]

    with nameserver(truncated, behave) as (port, *_):
        told = ask(port)
    assert isinstance(told, Unknown)
    assert "200 records" in told.reason


def test_the_same_question_is_put_once() -> None:
    async def twice(port: str) -> list[Fact[RecordSet]]:
        asking = system_dns(port)
        return await asyncio.gather(*(asking.lookup(each, "A") for each in (NAME, f"{NAME}.")))

    with nameserver(answering("203.0.113.10")) as asked:
        first, second = asyncio.run(twice(asked[0]))
        assert first == second == Known(RecordSet(("203.0.113.10",), exists=True))
        assert asked[1:] == [f"{NAME}. IN A"]


@pytest.mark.parametrize("name", ["a" * 64 + ".example.com", "a..b", "x." * 200 + "com"])
def test_what_is_no_name_does_not_exist_and_nobody_is_asked(name: str) -> None:
    with nameserver(answering("203.0.113.10")) as asked:
        assert ask(asked[0], name) == Known(RecordSet((), exists=False))
        assert asked[1:] == []


WITHOUT_RESOLVERS = """
import asyncio
from mailfix.host import Deadline
from mailfix.host.dns import SystemDns

async def once():
    return await SystemDns(Deadline.after(1)).lookup("mail.example.com", "A")

print(asyncio.run(once()).reason)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root for a mount namespace of its own")
@pytest.mark.parametrize("content", ["", "# nothing\n", "garbage \x00\n", "nameserver\n"])
def test_no_resolver_configured_is_unknown(tmp_path: Path, content: str) -> None:
    file = tmp_path / "resolv.conf"
    file.write_text(content)
    script = f'mount --bind {file} /etc/resolv.conf && exec {sys.executable} -c "$0"'
    done = subprocess.run(
        ["unshare", "-m", "-n", "sh", "-c", script, WITHOUT_RESOLVERS],
        env={"PYTHONPATH": str(AGENT), "PATH": "/usr/bin:/bin:/usr/sbin:/sbin"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "/etc/resolv.conf" in done.stdout or "DNS" in done.stdout, done.stderr
    assert done.returncode == 0
