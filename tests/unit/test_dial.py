"""What a dialler tells about a mail server that answers, refuses, drops, drips or lies."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from mailfix.facts import Way
from mailfix.host import dial
from mailfix.model import Family

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
SOURCES = Path(dial.__file__).parents[2]
NOBODY = dial.Identity(65534, 65534)


def call(handler: Handler, timeout_s: float = 5.0) -> dial.Contact:
    """The contact that a caller gets from a real server on loopback which behaves so."""

    async def session() -> dial.Contact:
        served = asyncio.Event()

        async def closing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(ConnectionError):
                await handler(reader, writer)
            writer.close()
            served.set()

        server = await asyncio.start_server(closing, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            contact = await dial.greet("127.0.0.1", port, timeout_s)
            await asyncio.wait_for(served.wait(), 5)
        return contact

    return asyncio.run(session())


def closed_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@pytest.mark.parametrize(
    ("greeting", "banner", "farewell"),
    [
        (b"220 mail.example.com ESMTP\r\n", "220 mail.example.com ESMTP", b"QUIT\r\n"),
        (b"220-one\r\n220-two\r\n220 three\r\n", "220-one\n220-two\n220 three", b"QUIT\r\n"),
        (b"+OK Dovecot ready.\r\n", "+OK Dovecot ready.", b"QUIT\r\n"),
        (
            b"* OK [CAPABILITY IMAP4rev1] ready\r\n",
            "* OK [CAPABILITY IMAP4rev1] ready",
            b"a LOGOUT\r\n",
        ),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "SSH-2.0-OpenSSH_9.2", b""),
    ],
)
def test_the_banner_is_read_and_leave_is_taken(
    greeting: bytes, banner: str, farewell: bytes
) -> None:
    heard: list[bytes] = []

    async def polite(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        heard.append(await asyncio.wait_for(reader.read(100), 2))

    contact = call(polite)
    assert contact.outcome is Way.OPEN
    assert contact.banner == banner
    assert contact.detail == ""
    assert contact.family is Family.IPV4
    assert heard == [farewell]


def test_a_greeting_in_two_pieces_is_one_banner() -> None:
    async def halting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220-first\r\n22")
        await asyncio.sleep(0.1)
        writer.write(b"0 last\r\n")
        await reader.read(100)

    assert call(halting).banner == "220-first\n220 last"


def test_a_server_that_says_nothing_is_silent_not_closed() -> None:
    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)

    contact = call(mute, timeout_s=0.3)
    assert (contact.outcome, contact.silent, contact.banner) == (Way.OPEN, True, None)


def test_an_instant_close_is_open_without_a_greeting() -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        return

    contact = call(hang_up)
    assert (contact.outcome, contact.silent, contact.banner) == (Way.OPEN, False, None)
    assert contact.detail == "closed without a greeting"


def test_an_endless_line_is_cut_and_ends_the_call() -> None:
    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(b"2" * 65536)
            await writer.drain()

    contact = call(endless)
    assert contact.banner == "2" * dial.LINE_LIMIT
    assert contact.elapsed_s < 2


def test_endless_lines_are_cut_at_fifty() -> None:
    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(b"220-more\r\n" * 1000)
            await writer.drain()

    banner = call(endless).banner
    assert banner is not None
    assert banner.split("\n") == ["220-more"] * dial.LINES_LIMIT


def test_a_dripping_server_cannot_hold_the_caller() -> None:
    async def dripping(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(b"2")
            await writer.drain()
            await asyncio.sleep(0.05)

    started = time.monotonic()
    contact = call(dripping, timeout_s=0.5)
    assert time.monotonic() - started < 1.5
    assert contact.banner is not None
    assert set(contact.banner) == {"2"}
    assert contact.detail == "the greeting was not complete in time"


def test_bytes_that_are_no_text_do_not_raise() -> None:
    async def garbage(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(bytes(range(256)) + b"\r\n")
        await reader.read(100)

    assert call(garbage).banner is not None


def test_a_closed_port_is_refused() -> None:
    contact = asyncio.run(dial.reach("127.0.0.1", closed_port(), 2))
    assert contact.outcome is Way.REFUSED
    assert contact.detail.startswith("ECONNREFUSED")


@pytest.mark.parametrize("address", ["localhost", "fe80::1%lo", "", "127.1", "::1 "])
def test_only_address_literals_are_dialled(address: str) -> None:
    with pytest.raises(ValueError, match="address"):
        asyncio.run(dial.reach(address, 25, 1))


def test_a_cancelled_call_leaves_no_socket() -> None:
    async def cancelled() -> int:
        before = len(list(Path("/proc/self/fd").iterdir()))
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
            task = asyncio.create_task(dial.greet("127.0.0.1", port, 30))
            await asyncio.sleep(0.1)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        return len(list(Path("/proc/self/fd").iterdir())) - before

    assert asyncio.run(cancelled()) == 0


NAMESPACE_PROGRAM = """
import asyncio, json, subprocess, sys
from mailfix.host import dial

async def main() -> None:
    async def greeter(reader, writer):
        writer.write(b"220 mail\\r\\n")
        await reader.read(100)
        writer.close()
    await asyncio.start_server(greeter, None, 25)
    seen = {}
    for name, commands, address in json.load(sys.stdin):
        for command in commands:
            subprocess.run(command, check=True)
        for who, identity in (("root", None), ("nobody", dial.Identity(65534, 65534))):
            contact = await dial.greet(address, 25, 2.0, identity)
            seen[f"{name} {who}"] = [contact.outcome, contact.detail.partition(":")[0]]
    json.dump(seen, sys.stdout)

asyncio.run(main())
"""
OUTPUT_RULE = ["-A", "OUTPUT", "-p", "tcp", "--dport", "25"]
OWNER = ["-m", "owner", "--uid-owner", "65534"]


def seen_in_namespace(cases: list[tuple[str, list[list[str]], str]]) -> dict[str, list[str]]:
    """Outcomes, as root and as nobody, of calls in a namespace of its own with these rules."""
    if os.geteuid() != 0 or not all(map(shutil.which, ("unshare", "iptables", "ip"))):
        pytest.skip("needs root, unshare, iptables and ip")
    start = [["ip", "link", "set", "lo", "up"]]
    program = subprocess.run(
        ["unshare", "--net", sys.executable, "-c", NAMESPACE_PROGRAM],
        input=json.dumps([("nothing", start, "127.0.0.1"), *cases]),
        env={**os.environ, "PYTHONPATH": str(SOURCES)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    seen: dict[str, list[str]] = json.loads(program.stdout)
    assert seen.pop("nothing root") == ["open", ""]
    assert seen.pop("nothing nobody") == ["open", ""]
    return seen


def test_a_rule_against_one_user_hits_calls_made_as_that_user_alone() -> None:
    rule = ["iptables", *OUTPUT_RULE, *OWNER, "-j", "REJECT"]
    assert seen_in_namespace([("owner", [rule], "127.0.0.1")]) == {
        "owner root": ["open", ""],
        "owner nobody": ["refused", "ECONNREFUSED"],
    }


@pytest.mark.parametrize(
    ("verdict", "outcome"),
    [
        (["DROP"], ["timeout", "no answer in time"]),
        (["REJECT", "--reject-with", "tcp-reset"], ["refused", "ECONNREFUSED"]),
        (["REJECT", "--reject-with", "icmp-port-unreachable"], ["refused", "ECONNREFUSED"]),
        (["REJECT", "--reject-with", "icmp-admin-prohibited"], ["unreachable", "EHOSTUNREACH"]),
        (["REJECT", "--reject-with", "icmp-net-unreachable"], ["unreachable", "ENETUNREACH"]),
    ],
)
def test_each_way_of_blocking_is_told_apart(verdict: list[str], outcome: list[str]) -> None:
    rule = ["iptables", *OUTPUT_RULE, "-j", *verdict]
    seen = seen_in_namespace([("all", [rule], "127.0.0.1")])
    assert seen == {"all root": outcome, "all nobody": outcome}


@pytest.mark.parametrize(
    ("kind", "outcome"),
    [
        ("unreachable", ["unreachable", "EHOSTUNREACH"]),
        ("prohibit", ["prohibited", "EACCES"]),
        ("blackhole", ["unreachable", "EINVAL"]),
    ],
)
def test_routes_that_lead_nowhere_are_told_apart(kind: str, outcome: list[str]) -> None:
    route = ["ip", "route", "add", kind, "198.51.100.0/24"]
    seen = seen_in_namespace([("route", [route], "198.51.100.1")])
    assert seen == {"route root": outcome, "route nobody": outcome}


def test_no_route_is_unreachable() -> None:
    assert seen_in_namespace([("v6", [], "2001:db8::1")])["v6 root"] == [
        "unreachable",
        "ENETUNREACH",
    ]


def test_an_identity_that_the_system_forbids_is_an_error_with_its_reason() -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root to become somebody else")
    program = (
        "import asyncio, ctypes, os; from mailfix.host import dial; "
        "os.setgroups([]); os.setgid(65534); os.setuid(65534); "
        "c = asyncio.run(dial.reach('127.0.0.1', 9, 1, dial.Identity(0, 0))); "
        "print(c.outcome, c.detail)"
    )
    answer = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(SOURCES)},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert answer.stdout.startswith("error this process may not open connections as uid 0")


def test_the_caller_is_itself_again_after_a_call() -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    asyncio.run(dial.reach("127.0.0.1", closed_port(), 1, NOBODY))
    status = Path("/proc/self/status").read_text()
    ids = [line.split()[1:] for line in status.splitlines() if line[:4] in ("Uid:", "Gid:")]
    assert ids == [["0"] * 4] * 2


def test_a_name_without_an_address_is_told_in_words() -> None:
    error = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    assert dial.describe(error) == "Name or service not known"
