"""BIND in the Internet's namespace, authoritative for the whole lab, the root included."""

from __future__ import annotations

import signal
import socket
import subprocess
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import dns.exception
import dns.message
import dns.query

from .children import start, stop
from .machine import LabError
from .names import (
    DNS_IPV4,
    DNS_IPV6,
    ORIGINS,
    SECOND_DNS,
    SECOND_DNS_IPV4,
    SECOND_DNS_IPV6,
    Names,
)
from .namespace import Namespace

START_SECONDS = 10.0
TTL_SECONDS = 300
CONFIGURATION = """
options {{
    directory "{directory}";
    listen-on {{ {ipv4}; }};
    listen-on-v6 {{ {ipv6}; }};
    pid-file none;
    session-keyfile none;
    dnssec-validation no;
    recursion yes;
    allow-recursion {{ any; }};
    notify no;
    empty-zones-enable no;
    max-records-per-type 0;
    check-names primary ignore;
}};
controls {{ }};
{zones}
"""


@dataclass(slots=True)
class NameServer:
    """One running ``named``; ``publish`` changes what it answers.

    ``more_zones`` is added to its configuration as it is.
    """

    directory: Path
    namespace: Namespace
    addresses: tuple[str, str] = (DNS_IPV4, DNS_IPV6)
    more_zones: str = ""
    serial: int = 0
    process: subprocess.Popen[bytes] | None = field(default=None)

    def start(self, names: Names, stack: ExitStack) -> None:
        """Start BIND and wait until it answers; it stops with the stack."""
        self.directory.mkdir()
        self._write(names)
        command = ("named", "-g", "-n", "1", "-c", str(self.directory / "named.conf"))
        log = self.directory / "named.log"
        self.process = start((*self.namespace.prefix(), *command), log)
        stack.callback(stop, self.process)
        self._wait()

    def publish(self, names: Names) -> None:
        """Answer from these names; returns when every zone does."""
        if self.process is None:
            raise LabError("the name server was not started")
        self._write(names)
        self.process.send_signal(signal.SIGHUP)
        self._wait()

    def _write(self, names: Names) -> None:
        self.serial += 1
        for origin in ORIGINS:
            zone_file(self.directory, origin).write_text(self._zone_text(names, origin))
        zones = "\n".join(
            f'zone "{origin}" {{ type primary; file "{zone_file(self.directory, origin)}"; }};'
            for origin in ORIGINS
        )
        ipv4, ipv6 = self.addresses
        text = CONFIGURATION.format(
            directory=self.directory, ipv4=ipv4, ipv6=ipv6, zones=zones + self.more_zones
        )
        (self.directory / "named.conf").write_text(text)

    def _zone_text(self, names: Names, origin: str) -> str:
        owner = origin if origin == "." else f"{origin}."
        lines = [
            "$ORIGIN .",
            f"$TTL {TTL_SECONDS}",
            f"{owner} SOA ns.lab hostmaster.lab {self.serial} 3600 600 86400 60",
        ]
        if not any((each.name, each.type) == (origin, "NS") for each in names.records):
            lines.append(f"{owner} NS ns.lab")
        if origin == ".":
            lines += [f"ns.lab A {DNS_IPV4}", f"ns.lab AAAA {DNS_IPV6}"]
            lines += [f"{SECOND_DNS} A {SECOND_DNS_IPV4}", f"{SECOND_DNS} AAAA {SECOND_DNS_IPV6}"]
        lines += [f"{each.name} {each.type} {each.data}" for each in names.zone(origin)]
        return "\n".join(lines) + "\n"

    def _wait(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        waiting = list(ORIGINS)
        while waiting:
            if self._serial_of(waiting[-1]) == self.serial:
                waiting.pop()
            elif time.monotonic() > deadline:
                log = (self.directory / "named.log").read_text(errors="replace")[-2000:]
                raise LabError(f"BIND does not serve the zone {waiting[-1]}:\n{log}")
            else:
                time.sleep(0.02)

    def _serial_of(self, origin: str) -> int | None:
        answer = ask(self.namespace, self.addresses[0], origin, "SOA", timeout=0.5)
        if answer is None or not answer.answer:
            return None
        return int(getattr(answer.answer[0][0], "serial", -1))


def zone_file(directory: Path, origin: str) -> Path:
    return directory / f"zone.{'root' if origin == '.' else origin}"


def ask(
    namespace: Namespace, server: str, name: str, type_: str, timeout: float
) -> dns.message.Message | None:
    """One question over UDP from inside a namespace; None is silence or a closed port."""
    question = dns.message.make_query(name, type_)
    family = socket.AF_INET6 if ":" in server else socket.AF_INET
    with namespace.socket(family, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        try:
            return dns.query.udp(question, server, timeout=timeout, sock=sock)
        except (dns.exception.DNSException, OSError):
            return None
