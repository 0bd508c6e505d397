"""The Internet of one lab: routes, names, big providers' mail servers, the look from outside."""

from __future__ import annotations

import asyncio
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

import dns.rcode

from .backstage import Backstage
from .bad_dns import BadDns, Front, TcpFront, Trouble
from .machine import LabError
from .names import (
    BAD_DNS_IPV4,
    BAD_DNS_IPV6,
    DNS_IPV4,
    DNS_IPV6,
    GATEWAY_IPV4,
    GATEWAY_IPV6,
    OUTSIDE_IPV4,
    OUTSIDE_IPV6,
    SECOND_DNS_IPV4,
    SECOND_DNS_IPV6,
    SERVERS,
    Names,
    healthy_names,
)
from .nameserver import NameServer, ask
from .namespace import Namespace
from .sink import Sink

HOST_DEVICE = "host0"
GREETING_PORTS = frozenset({25, 110, 143, 587})
BANNER_BYTES = 512
CONNECT_SECONDS = 2.0
BANNER_SECONDS = 10.0
BAD_DNS_TABLE = f"""
table inet bad_dns {{
    chain turn {{
        type nat hook prerouting priority dstnat
        iifname != {HOST_DEVICE} accept
        meta l4proto {{ tcp, udp }} ip daddr {DNS_IPV4} th dport 53 dnat ip to {BAD_DNS_IPV4}
        meta l4proto {{ tcp, udp }} ip6 daddr {DNS_IPV6} th dport 53 dnat ip6 to {BAD_DNS_IPV6}
    }}
}}
"""


class State(Enum):
    """What a connection attempt from outside met."""

    OPEN = "open"
    REFUSED = "refused"
    SILENT = "silent"
    UNREACHABLE = "unreachable"


def at_once(address: str) -> str:
    """The option of ``ip address add`` by which an IPv6 address can be bound to immediately."""
    return " nodad" if ":" in address else ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The state of a port and the first line that came from it, if any came."""

    state: State
    banner: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """A DNS answer as an outsider got it: the rcode's name, the records' data sorted."""

    rcode: str
    data: tuple[str, ...] = ()


@dataclass(slots=True)
class Internet:
    """Everything beyond the mail host's own cable."""

    namespace: Namespace
    directory: Path
    sink: Sink = field(default_factory=Sink)
    names: Names = field(default_factory=healthy_names)
    _backstage: Backstage | None = None
    _name_server: NameServer | None = None
    _bad_dns: ExitStack | None = None
    _closed_ports: set[tuple[int, int]] = field(default_factory=set)

    def start(self, stack: ExitStack, names: Names | None = None) -> None:
        """Bring it all up, to be taken down with the stack."""
        self.names = names or self.names
        self.namespace.create()
        stack.callback(self.namespace.delete)
        self._configure()
        self._backstage = Backstage()
        stack.callback(self._backstage.stop)
        stack.callback(self.mend_dns)
        stack.callback(self.sink.close)
        self._backstage.run(self.sink.serve(self._listeners(25), self._listeners(443)))
        self._name_server = NameServer(self.directory / "bind", self.namespace)
        self._name_server.start(self.names, stack)

    def _configure(self) -> None:
        own = [OUTSIDE_IPV4, OUTSIDE_IPV6, DNS_IPV4, DNS_IPV6, BAD_DNS_IPV4, BAD_DNS_IPV6]
        own += [SECOND_DNS_IPV4, SECOND_DNS_IPV6]
        own += [address for pair in SERVERS.values() for address in pair]
        self.namespace.ip_batch(*(f"address add {each} dev lo{at_once(each)}" for each in own))
        self.namespace.write_sysctls(
            {"net/ipv4/ip_forward": "1", "net/ipv6/conf/all/forwarding": "1"}
        )

    def plug_in_host(self) -> None:
        """Give the provider's end of the host's cable its addresses."""
        self.namespace.ip_batch(
            f"address add {GATEWAY_IPV4}/24 dev {HOST_DEVICE}",
            f"address add {GATEWAY_IPV6}/64 dev {HOST_DEVICE} nodad",
        )

    def _listeners(self, port: int) -> list[socket.socket]:
        return [self._listener(address, port) for pair in SERVERS.values() for address in pair]

    def _listener(self, address: str, port: int) -> socket.socket:
        sock = self.namespace.socket(family_of(address))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((address, port))
        return sock

    # Names

    def publish(self, names: Names) -> None:
        """Change what BIND answers; returns when it does."""
        if self._name_server is None:
            raise LabError("the Internet was not started")
        self._name_server.publish(names)
        self.names = names

    def add_zones(self, configuration: str) -> None:
        """Have BIND serve more zones, as its configuration names them."""
        if self._name_server is None:
            raise LabError("the Internet was not started")
        self._name_server.more_zones = configuration
        self.publish(self.names)

    @contextmanager
    def second_name_server(self, names: Names) -> Iterator[None]:
        """In the block a second server answers from these names, under SECOND_DNS."""
        addresses = (SECOND_DNS_IPV4, SECOND_DNS_IPV6)
        server = NameServer(self.directory / "bind2", self.namespace, addresses)
        with ExitStack() as stack:
            server.start(names, stack)
            stack.callback(shutil.rmtree, server.directory)
            yield

    def set_records(self, name: str, type_: str, *data: str) -> None:
        """Replace one record set; without data it is gone."""
        self.publish(self.names.with_set(name, type_, *data))

    def set_ptr(self, address: str, *names: str) -> None:
        """Replace the reverse names of an address; without names it has none."""
        self.publish(self.names.with_ptr(address, *names))

    def break_dns(self, bad: BadDns) -> list[bytes]:
        """From now on the host's name server is this one; the list grows by each UDP question."""
        self.mend_dns()
        if self._backstage is None:
            raise LabError("the Internet was not started")
        with ExitStack() as stack:
            questions = self._backstage.run(self._open_bad_dns(bad, stack))
            self.namespace.nft(BAD_DNS_TABLE)
            stack.callback(self.namespace.nft, "delete table inet bad_dns\n")
            self._bad_dns = stack.pop_all()
        return questions

    def mend_dns(self) -> None:
        """Take the bad name server away again."""
        if self._bad_dns is not None:
            self._bad_dns.close()
            self._bad_dns = None

    async def _open_bad_dns(self, bad: BadDns, stack: ExitStack) -> list[bytes]:
        loop = asyncio.get_running_loop()
        questions: list[bytes] = []
        for address in (BAD_DNS_IPV4, BAD_DNS_IPV6):
            sock = self.namespace.socket(family_of(address), socket.SOCK_DGRAM)
            sock.bind((address, 53))
            front = Front(bad, lambda: self._upstream(socket.SOCK_DGRAM), questions)
            transport, _ = await loop.create_datagram_endpoint(front.itself, sock=sock)
            stack.callback(loop.call_soon_threadsafe, transport.close)
            if bad.trouble is not Trouble.TRUNCATED:
                tcp = TcpFront(bad, lambda: self._upstream(socket.SOCK_STREAM))
                server = await asyncio.start_server(tcp.talk, sock=self._listener(address, 53))
                stack.callback(loop.call_soon_threadsafe, server.close)
        return questions

    def _upstream(self, kind: socket.SocketKind) -> socket.socket:
        sock = self.namespace.socket(socket.AF_INET, kind)
        sock.settimeout(CONNECT_SECONDS)
        sock.connect((DNS_IPV4, 53))
        sock.setblocking(False)
        return sock

    # The provider

    def block_outgoing(self, port: int, family: int) -> None:
        """Drop what the host sends to this TCP port, as providers do; family is 4 or 6."""
        self._closed_ports.add((port, family))
        rules = "\n".join(
            f'iifname "{HOST_DEVICE}" meta nfproto ipv{each} tcp dport {number} drop'
            for number, each in sorted(self._closed_ports)
        )
        self.namespace.nft(
            "table inet provider\ndelete table inet provider\n"
            "table inet provider { chain out { type filter hook prerouting priority raw;\n"
            f"{rules}\n}}\n}}\n"
        )

    def hide_behind_nat(self, private: str, public: str) -> None:
        """The host keeps only a private IPv4 address; the provider translates it one to one."""
        gateway = private.rsplit(".", 1)[0] + ".1"
        self.namespace.ip_batch(
            f"address del {GATEWAY_IPV4}/24 dev {HOST_DEVICE}",
            f"address add {gateway}/24 dev {HOST_DEVICE}",
        )
        self.namespace.nft(
            f"""
            table ip nat {{
                chain towards {{
                    type nat hook output priority -100
                    ip daddr {public} dnat to {private}
                }}
                chain away {{
                    type nat hook input priority 100
                    ip saddr {private} snat to {public}
                }}
            }}
            """
        )
        self.namespace.ip("route", "add", public, "dev", HOST_DEVICE)

    # The look from outside

    def socket(self, address: str, port: int, timeout: float = CONNECT_SECONDS) -> socket.socket:
        """A connection from a stranger on the Internet; raises OSError as connect(2) does."""
        family = family_of(address)
        sock = self.namespace.socket(family)
        try:
            sock.settimeout(timeout)
            sock.bind((OUTSIDE_IPV6 if family is socket.AF_INET6 else OUTSIDE_IPV4, 0))
            sock.connect((address, port))
        except BaseException:
            sock.close()
            raise
        return sock

    def connect(self, address: str, port: int, timeout: float = CONNECT_SECONDS) -> Outcome:
        """Try a port from outside and, where servers greet first, wait for the greeting."""
        return self._try(address, port, timeout, greets=port in GREETING_PORTS)

    def knock(self, address: str, port: int, timeout: float = CONNECT_SECONDS) -> State:
        """Try a port from outside and leave at once, whatever it would say."""
        return self._try(address, port, timeout, greets=False).state

    def _try(self, address: str, port: int, timeout: float, *, greets: bool) -> Outcome:
        try:
            sock = self.socket(address, port, timeout)
        except ConnectionRefusedError:
            return Outcome(State.REFUSED)
        except TimeoutError:
            return Outcome(State.SILENT)
        except OSError:
            return Outcome(State.UNREACHABLE)
        with sock:
            return Outcome(State.OPEN, read_banner(sock) if greets else "")

    def certificate(self, address: str, port: int) -> bytes:
        """The certificate, in DER, of a port that speaks TLS from its first byte."""
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        with self.socket(address, port, BANNER_SECONDS) as sock, context.wrap_socket(sock) as tls:
            return tls.getpeercert(binary_form=True) or b""

    def dig(self, name: str, type_: str, server: str = DNS_IPV4) -> Answer:
        """Ask the good name server; raises LabError when it stays silent."""
        message = ask(self.namespace, server, name, type_, timeout=2.0)
        if message is None:
            raise LabError(f"no answer for {name} {type_}")
        data = sorted(record.to_text() for answer_set in message.answer for record in answer_set)
        return Answer(dns.rcode.to_text(message.rcode()), tuple(data))

    def run(
        self, command: Sequence[str], timeout: float = 30.0
    ) -> subprocess.CompletedProcess[str]:
        """Run a program of this machine out there, with the lab's names."""
        resolver = self.directory / "resolv.conf"
        resolver.write_text(f"nameserver {DNS_IPV4}\n", encoding="utf-8")
        return self.namespace.run(command, resolver, timeout=timeout)


def family_of(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def read_banner(sock: socket.socket) -> str:
    """The first line, control characters replaced; empty when none comes in time."""
    sock.settimeout(BANNER_SECONDS)
    received = b""
    try:
        while b"\n" not in received and len(received) < BANNER_BYTES:
            piece = sock.recv(BANNER_BYTES)
            if not piece:
                break
            received += piece
    except OSError:
        return ""
    line = received.split(b"\n")[0].decode("utf-8", "replace").rstrip("\r")
    return "".join(sign if sign.isprintable() else "?" for sign in line)
