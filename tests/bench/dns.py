"""How many questions a second the DNS client puts, beside dnspython's own, to the same server.

    python3 -m tests.bench.dns [--domains N] [--delay MS] [--loss SHARE]

A BIND on loopback serves a zone for each domain. Nine questions a domain, of which some lead to
nothing, as in an audit. Each client runs in a process of its own: wall and processor time, memory.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import importlib
import json
import random
import resource
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from mailfix.host import Deadline
from mailfix.host.dns import SystemDns
from mailfix.host.dns.server import Server
from mailfix.model import Known

DOMAINS_AT_ONCE = 120
QUESTIONS = (
    *(("", "MX"), ("", "TXT"), ("", "A"), ("mail.", "A"), ("mail.", "AAAA")),
    *(("_dmarc.", "TXT"), ("x._domainkey.", "TXT"), ("_mta-sts.", "TXT"), ("_smtp._tls.", "TXT")),
)
ZONE = """$TTL 3600
@ SOA ns hostmaster 1 7200 3600 1209600 60
@ NS ns
@ A 203.0.113.10
@ MX 10 mail
@ TXT "v=spf1 mx -all"
ns A 127.0.0.1
mail A 203.0.113.10
mail AAAA 2001:db8::10
_dmarc TXT "v=DMARC1; p=none"
x._domainkey TXT "v=DKIM1; k=rsa; p=MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAuG0"
"""
OPTIONS = """options { directory "DIRECTORY"; listen-on port PORT { 127.0.0.1; };
 listen-on-v6 { none; }; pid-file none; session-keyfile none; recursion no; notify no; };
controls { };
zone "test" { type primary; file "zone"; };
"""


@dataclass(frozen=True, slots=True)
class Run:
    """Wall and processor time in seconds, peak memory in MiB, and what the clients heard."""

    client: str
    questions: int
    known: int
    wall_s: float
    cpu_s: float
    peak_mib: float
    grown_mib: float


def names(domains: int) -> list[str]:
    return [f"d{number}.test" for number in range(domains)]


def zone_of_all(domains: int) -> str:
    """One zone holds all domains: BIND loads it in a second."""
    lines = [line.split(" ", 1) for line in ZONE.splitlines()[1:]]
    of_all = ["$TTL 3600", "$ORIGIN test.", "@ SOA ns hostmaster 1 7200 3600 1209600 60", "@ NS ns"]
    of_all.append("ns A 127.0.0.1")
    for number in range(domains):
        for owner, rest in lines:
            if owner == "ns" or rest.startswith(("SOA", "NS")):
                continue
            name = f"d{number}" if owner == "@" else f"{owner}.d{number}"
            of_all.append(f"{name} {rest.replace('MX 10 mail', f'MX 10 mail.d{number}')}")
    return "\n".join(of_all) + "\n"


@contextlib.contextmanager
def bind(domains: int) -> Iterator[int]:
    """Run BIND on a free port of loopback; yields the port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        (folder / "zone").write_text(zone_of_all(domains))
        text = OPTIONS.replace("DIRECTORY", directory).replace("PORT", str(port))
        (folder / "named.conf").write_text(text)
        server = subprocess.Popen(
            ["named", "-g", "-c", str(folder / "named.conf")],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            _await_answer(port)
            yield port
        finally:
            server.terminate()
            server.wait()


def _await_answer(port: int) -> None:
    async def once() -> bool:
        dns = SystemDns(Deadline.after(5), [Server("127.0.0.1", port)])
        return isinstance(await dns.lookup("ns.test", "A"), Known)

    for _ in range(100):
        if asyncio.run(once()):
            return
        time.sleep(0.1)
    raise RuntimeError("BIND does not answer")


class SlowDoor(asyncio.DatagramProtocol):
    """Passes packets on to BIND, late, and loses some of them both ways."""

    def __init__(self, port: int, delay_s: float, loss: float) -> None:
        self._port, self._delay_s, self._loss = port, delay_s, loss
        self._chance = random.Random(1)
        self._passing: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if self._chance.random() < self._loss:
            return
        passing = asyncio.get_running_loop().create_task(self._pass(data, addr))
        self._passing.add(passing)
        passing.add_done_callback(self._passing.discard)

    async def _pass(self, data: bytes, addr: tuple[str, int]) -> None:
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as beyond:
            beyond.connect(("127.0.0.1", self._port))
            await loop.sock_sendall(beyond, data)
            with contextlib.suppress(OSError, TimeoutError):
                answer = await asyncio.wait_for(loop.sock_recv(beyond, 4096), 2)
                await asyncio.sleep(self._delay_s)
                if self._chance.random() >= self._loss:
                    self._transport.sendto(answer, addr)  # type: ignore[attr-defined]


async def of_all(domains: int, ask: Callable[[str, str], Awaitable[bool]]) -> int:
    """Look at as many domains at once as an audit does; returns how many answers were known."""
    waiting = iter(names(domains))

    async def work() -> int:
        known = 0
        for name in waiting:
            told = await asyncio.gather(*(ask(prefix + name, kind) for prefix, kind in QUESTIONS))
            known += sum(told)
        return known

    return sum(await asyncio.gather(*(work() for _ in range(DOMAINS_AT_ONCE))))


async def with_mailfix(port: int, domains: int) -> int:
    dns = SystemDns(Deadline.after(600), [Server("127.0.0.1", port)])

    async def ask(name: str, rdtype: str) -> bool:
        return isinstance(await dns.lookup(name, rdtype), Known)

    return await of_all(domains, ask)


async def with_dnspython(port: int, domains: int) -> int:
    import dns.asyncresolver
    import dns.exception
    import dns.resolver

    resolver = dns.asyncresolver.Resolver(configure=False)
    resolver.nameservers, resolver.port = ["127.0.0.1"], port
    places = asyncio.Semaphore(64)

    async def ask(name: str, rdtype: str) -> bool:
        async with places:
            try:
                await resolver.resolve(name + ".", rdtype, raise_on_no_answer=False, search=False)
            except dns.resolver.NXDOMAIN:
                return True
            except dns.exception.DNSException:
                return False
        return True

    return await of_all(domains, ask)


CLIENTS: dict[str, Callable[[int, int], Coroutine[None, None, int]]] = {
    "mailfix": with_mailfix,
    "dns.asyncresolver": with_dnspython,
}


def measure(client: str, port: int, domains: int) -> Run:
    """Run one client in this process."""
    importlib.import_module("dns.message")

    before, clock = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
    known = asyncio.run(CLIENTS[client](port, domains))
    wall, after = time.monotonic() - clock, resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    peak, grown = after.ru_maxrss / 1024, (after.ru_maxrss - before.ru_maxrss) / 1024
    return Run(client, domains * len(QUESTIONS), known, wall, cpu, peak, grown)


def in_a_process(client: str, port: int, domains: int) -> Run:
    command = [sys.executable, "-m", "tests.bench.dns", "--client", client]
    command += ["--port", str(port), "--domains", str(domains)]
    told = subprocess.run(command, capture_output=True, text=True, check=True)
    return Run(**json.loads(told.stdout))


@contextlib.contextmanager
def door(port: int, delay_s: float, loss: float) -> Iterator[int]:
    """Run the slow door in a process of its own; yields its port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        outer = int(free.getsockname()[1])
    command = [sys.executable, "-m", "tests.bench.dns", "--door", str(outer)]
    command += ["--port", str(port), "--delay", str(delay_s * 1000), "--loss", str(loss)]
    process = subprocess.Popen(command)
    try:
        _await_answer(outer)
        yield outer
    finally:
        process.terminate()
        process.wait()


async def keep_the_door(outer: int, port: int, delay_s: float, loss: float) -> None:
    loop = asyncio.get_running_loop()
    await loop.create_datagram_endpoint(
        lambda: SlowDoor(port, delay_s, loss), local_addr=("127.0.0.1", outer)
    )
    await asyncio.sleep(3600)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--domains", type=int, default=2000)
    parser.add_argument("--delay", type=float, default=0.0, help="milliseconds for each answer")
    parser.add_argument("--loss", type=float, default=0.0, help="share of packets lost each way")
    parser.add_argument("--client", choices=sorted(CLIENTS), help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--door", type=int, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.client:
        sys.stdout.write(json.dumps(asdict(measure(chosen.client, chosen.port, chosen.domains))))
    elif chosen.door:
        asyncio.run(keep_the_door(chosen.door, chosen.port, chosen.delay / 1000, chosen.loss))
    else:
        compare(chosen.domains, chosen.delay / 1000, chosen.loss)


def compare(domains: int, delay_s: float, loss: float) -> None:
    with contextlib.ExitStack() as stack:
        port = stack.enter_context(bind(domains))
        if delay_s or loss:
            port = stack.enter_context(door(port, delay_s, loss))
        sys.stdout.write(f"{domains} domains, {1000 * delay_s:g} ms, {loss:.0%} lost each way\n")
        for client in CLIENTS:
            sys.stdout.write(_told(in_a_process(client, port, domains)) + "\n")
            sys.stdout.flush()


def _told(run: Run) -> str:
    return (
        f"{run.client:18} {run.known}/{run.questions} known,"
        f" {run.wall_s:6.2f} s, {run.questions / run.wall_s:6.0f}/s of wall,"
        f" {run.questions / run.cpu_s:6.0f}/s of processor,"
        f" peak {run.peak_mib:5.1f} MiB (+{run.grown_mib:.1f})"
    )


if __name__ == "__main__":
    main()
