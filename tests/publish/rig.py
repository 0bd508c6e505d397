"""A zone on real name servers, BIND or Knot, in a network namespace of its own."""

from __future__ import annotations

import ctypes
import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdatatype
import dns.tsig
import dns.update

from mailfix.host.dns_update import Primary
from tests.lab.children import start, stop

ZONE = "example.com"
PORT = 53
START_S = 15.0
KEY_NAME = "mailfix"
SECRET = "bWFpbGZpeC10ZXN0LXNlY3JldC1vZi0zMi1ieXRlcyE="
OTHER_SECRET = "YW5vdGhlci1zZWNyZXQtdGhhdC1uby1zZXJ2ZXItaGFz"
KEY = 'key "{name}" {{\n\talgorithm hmac-sha256;\n\tsecret "{secret}";\n}};\n'
RECORDS = (
    '@ 3600 TXT "v=spf1 mx -all"',
    '@ 3600 TXT "site-verification=" "in-two-strings"',
    'short 300 TXT "v=spf1 -all"',
    "alias CNAME @",
    '*.wild 3600 TXT "v=spf1 -all"',
    "child NS ns1.child",
    "ns1.child A 192.0.2.1",
)
ONE, TWO, NOBODY = "127.0.0.2", "127.0.0.3", "127.0.0.4"
"""The primary, the secondary, and an address where nothing answers."""

_CLONE_NEWNET = 0x40000000


@contextmanager
def alone() -> Iterator[None]:
    """Have this thread, and what it starts, in a network with nothing but these addresses."""
    libc = ctypes.CDLL(None, use_errno=True)
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        if libc.unshare(_CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "unshare(CLONE_NEWNET)")
        yield
    finally:
        libc.setns(home, _CLONE_NEWNET)
        os.close(home)


def loopback_up() -> None:
    """Bring the namespace's only interface up."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    for each in (ONE, TWO, NOBODY):
        subprocess.run(["ip", "address", "add", f"{each}/8", "dev", "lo"], check=True)


@dataclass
class Server:
    """One name server, running or not."""

    kind: str
    folder: Path
    address: str
    process: subprocess.Popen[bytes] | None = field(default=None)

    def run(self, command: Sequence[str]) -> None:
        self.process = start(command, self.folder / "log")

    def stop(self) -> None:
        if self.process is not None:
            stop(self.process)
            self.process = None

    def texts(self, name: str) -> list[tuple[int, str]] | None:
        """TTL and text of the TXT records there, in order; None for no answer."""
        question = dns.message.make_query(name, "TXT")
        question.flags &= ~dns.flags.RD
        try:
            response = dns.query.tcp(question, self.address, 2.0, PORT)
        except (OSError, EOFError, dns.exception.DNSException):
            return None
        if response.rcode() not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
            return None
        return sorted(
            (rrset.ttl, each.to_text())
            for rrset in response.answer
            if rrset.rdtype == dns.rdatatype.TXT
            for each in rrset
        )

    def wait(self) -> None:
        until = time.monotonic() + START_S
        while self.texts(ZONE) in (None, []):
            if time.monotonic() > until:
                raise RuntimeError((self.folder / "log").read_text(errors="replace")[-2000:])
            time.sleep(0.05)


@dataclass
class Served:
    """A zone with its servers, and the file of a key that its primary takes."""

    primary: Server
    secondary: Server
    key_file: Path

    @property
    def account(self) -> Primary:
        return Primary(ZONE, self.primary.address, PORT, str(self.key_file))

    def change(self, name: str, *texts: str, secret: str = SECRET) -> int:
        """Somebody else changes the record set; the response code."""
        update = dns.update.UpdateMessage(ZONE)
        owner = dns.name.from_text(f"{name}.")
        update.delete(owner, "TXT")
        for text in texts:
            update.add(owner, 600, "TXT", text)
        update.use_tsig(dns.tsig.Key(KEY_NAME, secret, "hmac-sha256"))
        return int(dns.query.tcp(update, self.primary.address, 5.0, PORT).rcode())


def write_key(path: Path, name: str = KEY_NAME, secret: str = SECRET) -> Path:
    path.write_text(KEY.format(name=name, secret=secret))
    path.chmod(0o600)
    return path


@contextmanager
def served(
    kind: str, folder: Path, *, follows: bool = True, signed: bool = False
) -> Iterator[Served]:
    """A zone on two servers of a kind.

    ``follows``: the second one is told of changes. ``signed``: the first one signs it (DNSSEC).
    """
    one, two = (Server(kind, folder / each, each) for each in (ONE, TWO))
    for each in (one, two):
        each.folder.mkdir(parents=True)
        (each.folder / "zone").write_text(_zone(one.address, two.address))
    found = Served(one, two, write_key(folder / "key"))
    try:
        for each, far, is_primary in ((one, two, True), (two, one, not follows)):
            _start(each, far, is_primary, takes_updates=each is one, signed=signed)
        for each in (one, two):
            each.wait()
        yield found
    finally:
        one.stop()
        two.stop()


def _zone(one: str, two: str) -> str:
    lines = (
        f"$ORIGIN {ZONE}.",
        "$TTL 3600",
        "@ SOA ns1 hostmaster 1 3600 600 86400 60",
        "@ NS ns1",
        "@ NS ns2",
        f"ns1 A {one}",
        f"ns2 A {two}",
        *RECORDS,
    )
    return "\n".join(lines) + "\n"


def _start(
    server: Server, far: Server, is_primary: bool, *, takes_updates: bool, signed: bool
) -> None:
    write = _bind if server.kind == "bind" else _knot
    configuration = server.folder / "configuration"
    configuration.write_text(
        write(server, far, is_primary, takes_updates=takes_updates, signed=signed)
    )
    if server.kind == "bind":
        server.run(("named", "-g", "-n", "1", "-c", str(configuration)))
    else:
        server.run(("knotd", "-c", str(configuration)))


def _bind(
    server: Server, far: Server, is_primary: bool, *, takes_updates: bool, signed: bool
) -> str:
    if takes_updates:
        role = (
            f'type primary; file "zone"; allow-update {{ key "{KEY_NAME}"; }}; '
            f"allow-transfer {{ any; }}; notify explicit; "
            f"also-notify {{ {far.address} port {PORT}; }};"
        )
        if signed:
            role += f' dnssec-policy default; inline-signing yes; key-directory "{server.folder}";'
    elif is_primary:
        role = 'type primary; file "zone"; notify no;'
    else:
        role = (
            f'type secondary; file "copy"; primaries {{ {far.address} port {PORT}; }}; notify no;'
        )
    keys = (KEY_NAME, SECRET), ("stranger", SECRET)
    return "\n".join(
        (
            *(KEY.format(name=name, secret=secret) for name, secret in keys),
            f'options {{ directory "{server.folder}";',
            f"listen-on port {PORT} {{ {server.address}; }};",
            "listen-on-v6 { none; }; pid-file none; session-keyfile none; recursion no;",
            "dnssec-validation no;",
            f"notify-source {server.address}; transfer-source {server.address};",
            "empty-zones-enable no; notify-delay 0; notify-rate 100; startup-notify-rate 100; };",
            "controls { };",
            f'zone "{ZONE}" {{ {role} }};',
        )
    )


def _knot(
    server: Server, far: Server, is_primary: bool, *, takes_updates: bool, signed: bool
) -> str:
    zone = [f"  - domain: {ZONE}", "    file: zone", f"    storage: {server.folder}"]
    if takes_updates:
        zone += ["    notify: far", "    acl: [update, transfer]"]
        zone += ["    dnssec-signing: on"] if signed else []
    elif not is_primary:
        zone += ["    file: copy", "    master: far", "    acl: [notify]"]
        zone.remove("    file: zone")
    return "\n".join(
        (
            "server:",
            f"    listen: {server.address}@{PORT}",
            f"    rundir: {server.folder}",
            "    udp-workers: 1",
            "    tcp-workers: 1",
            "    background-workers: 1",
            "log:",
            "  - target: stderr",
            "    any: info",
            "database:",
            f"    storage: {server.folder}",
            "    journal-db-max-size: 16M",
            "key:",
            *(
                line
                for name in (KEY_NAME, "stranger")
                for line in (
                    f"  - id: {name}",
                    "    algorithm: hmac-sha256",
                    f"    secret: {SECRET}",
                )
            ),
            "remote:",
            "  - id: far",
            f"    address: {far.address}@{PORT}",
            f"    via: {server.address}",
            "acl:",
            *("  - id: update", f"    key: {KEY_NAME}", "    action: update"),
            *("  - id: transfer", "    address: 127.0.0.0/8", "    action: transfer"),
            *("  - id: notify", "    address: 127.0.0.0/8", "    action: notify"),
            "zone:",
            *zone,
            "",
        )
    )
