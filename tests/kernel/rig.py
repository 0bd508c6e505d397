"""A network namespace of its own with a TUN device named eth0, and a kernel to be asked.

The namespace has no name: it ends with the thread that entered it, whatever happens to the test.
Packets are raw. Coming in they are written to the TUN; those that get through every rule are
reported by NFLOG from a chain behind all others and dropped there, so that nothing answers and
connection tracking does not fill. Going out they are sent from a raw socket whose owner is the
mail user, and those that get through are read from the TUN. Answers to what comes in are the
kernel's own, from listening sockets; those to what goes out are written to the TUN.

On a busy machine the kernel puts work off. So nothing is asked before the kernel has the routes to
its own addresses, and an answer counts as missing only when a packet sent later has arrived.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import random
import select
import socket
import struct
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from mailfix.firewall import Direction, Question
from mailfix.model import Family

CLONE_NEWNET = 0x40000000
TUNSETIFF = 0x400454CA
IFF_TUN_NO_PI = 0x1001
SO_RCVBUFFORCE = 33
IPV6_HDRINCL = 36
ETH_P_IP = 0x0800

INTERFACE = "eth0"
LOCAL = {Family.IPV4: "203.0.113.10", Family.IPV6: "2001:db8:1::10"}
MAIL_UID, MAIL_GID = 107, 114
LOG_GROUP = 77
WINDOW = 100
SENTINEL_SEQUENCE = 0xFFFFFFFF
PATIENCE_S = 20.0
SYN, ACK = 0x02, 0x10
RTF_LOCAL = 0x80000000
LISTENED = (25, 587, 2525)

_libc = ctypes.CDLL(None, use_errno=True)


def run(*command: str, text: str = "") -> subprocess.CompletedProcess[str]:
    """Run a tool in the current namespace; never raises for its exit code."""
    environment = {"LC_ALL": "C", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    return subprocess.run(
        command,
        input=text,
        capture_output=True,
        text=True,
        env=environment,
        timeout=60,
        check=False,
        errors="replace",
    )


def must_run(*command: str, text: str = "") -> str:
    done = run(*command, text=text)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout


@contextlib.contextmanager
def namespace() -> Iterator[Kernel]:
    """Enter a fresh network namespace with this thread; leave it at the end.

    Raises:
        OSError: not permitted here.
    """
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    affinity = os.sched_getaffinity(0)
    try:
        if _libc.unshare(CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "unshare(CLONE_NEWNET)")
        os.sched_setaffinity(0, {min(affinity)})
        with Kernel() as kernel:
            yield kernel
    finally:
        os.sched_setaffinity(0, affinity)
        _libc.setns(home, CLONE_NEWNET)
        os.close(home)


@dataclass(frozen=True)
class Probe:
    """One packet to be asked about."""

    far: int
    far_port: int


class Kernel:
    """The namespace that the thread is in."""

    def __init__(self) -> None:
        self._tun = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK)
        request = struct.pack("16sH22x", INTERFACE.encode(), IFF_TUN_NO_PI)
        fcntl.ioctl(self._tun, TUNSETIFF, request)
        self._prepare()
        self._log: socket.socket | None = None

    def __enter__(self) -> Kernel:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._tun)
        if self._log is not None:
            self._log.close()

    def _prepare(self) -> None:
        variables = (
            ("ipv4/conf/all/rp_filter", "0"),
            ("ipv4/conf/default/rp_filter", "0"),
            (f"ipv4/conf/{INTERFACE}/rp_filter", "0"),
            (f"ipv6/conf/{INTERFACE}/accept_ra", "0"),
            (f"ipv6/conf/{INTERFACE}/router_solicitations", "0"),
            (f"ipv6/conf/{INTERFACE}/addr_gen_mode", "1"),
            ("ipv4/tcp_synack_retries", "0"),
        )
        # A proc of its own: in a container the one that is there is read-only.
        lines = [f"echo {value} >/proc/sys/net/{name}" for name, value in variables]
        script = "; ".join(("mount -t proc proc /proc", *lines))
        must_run("unshare", "--mount", "sh", "-ec", script)
        must_run("ip", "-batch", "-", text=_SETUP)
        must_run("tc", "qdisc", "replace", "dev", INTERFACE, "root", "pfifo")
        _wait_for_local_route()

    def install_catcher(self) -> None:
        """Put a chain behind all others that reports first packets that come in and drops them."""
        self._install(_FIRST + _LAST.format(flags="syn"))

    def install_catcher_of_answers(self) -> None:
        """As install_catcher(), but first packets are let in, and answers are caught."""
        self._install(_FIRST + _LAST.format(flags="(syn | ack)"))

    def _install(self, chains: str) -> None:
        must_run("nft", "-f", "-", text=f"table inet catcher {{\n{chains}}}\n")
        self._log = _open_log()

    def survivors(self, question: Question, probes: Sequence[Probe]) -> set[int]:
        """The indexes of the probes that get through, asked of the kernel."""
        found: set[int] = set()
        ask = self._ask_in if question.direction is Direction.IN else self._ask_out
        for start in range(0, len(probes), WINDOW):
            found |= ask(question, start, probes[start : start + WINDOW])
        return found

    def connected(self, question: Question, probes: Sequence[Probe]) -> set[int]:
        """The indexes of the probes that get through and whose answers come back."""
        found: set[int] = set()
        ask = self._connect_in if question.direction is Direction.IN else self._connect_out
        for start in range(0, len(probes), WINDOW):
            found |= ask(question, start, probes[start : start + WINDOW])
        return found

    def _ask_in(self, question: Question, start: int, probes: Sequence[Probe]) -> set[int]:
        near = int_of(question.local_address)
        return self._caught(
            segment(question.family, probe.far, near, probe.far_port, question.port, number)
            for number, probe in enumerate(probes, start)
        )

    def _connect_in(self, question: Question, start: int, probes: Sequence[Probe]) -> set[int]:
        near = int_of(question.local_address)
        with _listening(question.family):
            self._caught(
                segment(question.family, probe.far, near, probe.far_port, question.port, number)
                for number, probe in enumerate(probes, start)
            )
            heard = self._drain_tun()
        return {
            number
            for number, probe in enumerate(probes, start)
            if (question.port, probe.far_port, number + 1) in heard[SYN | ACK]
        }

    def _connect_out(self, question: Question, start: int, probes: Sequence[Probe]) -> set[int]:
        near = int_of(question.local_address)
        sent = {
            sequence: source_port
            for source_port, _, sequence in self._send(question, start, probes)
        }
        return self._caught(
            segment(
                question.family,
                probe.far,
                near,
                question.port,
                sent[number],
                number,
                acknowledged=number + 1,
            )
            for number, probe in enumerate(probes, start)
            if number in sent
        )

    def _caught(self, packets: Iterator[bytes]) -> set[int]:
        """Let packets come in; the sequence numbers of those that are caught."""
        assert self._log is not None, "install_catcher() first"
        for packet in packets:
            os.write(self._tun, packet)
        os.write(self._tun, _sentinel())
        found: set[int] = set()
        while True:
            for sequence in _logged(self._log.recv(1 << 17)):
                if sequence == SENTINEL_SEQUENCE:
                    return found
                found.add(sequence)

    def _ask_out(self, question: Question, start: int, probes: Sequence[Probe]) -> set[int]:
        return {sequence for _, _, sequence in self._send(question, start, probes)}

    def _send(self, question: Question, start: int, probes: Sequence[Probe]) -> set[Segment]:
        """Send first packets; those that leave the host."""
        self._forget_what_left()
        near = int_of(question.local_address)
        with _raw_socket(question) as sender:
            for number, probe in enumerate(probes, start):
                packet = segment(
                    question.family, near, probe.far, probe.far_port, question.port, number
                )
                # EPERM: dropped by OUTPUT or POSTROUTING, which is one of the answers.
                with contextlib.suppress(PermissionError):
                    sender.sendto(packet, (address_text(question.family, probe.far), 0))
        return self._drain_tun()[SYN]

    def _drain_tun(self) -> Mapping[int, set[Segment]]:
        """Everything that has left so far: SYNs, and SYNs with ACK, each by its flags."""
        found: dict[int, set[Segment]] = {SYN: set(), SYN | ACK: set()}
        _send_past_the_rules(_sentinel())
        while True:
            packet = self._read_tun()
            if packet == _sentinel():
                return found
            flags, told = _segment_of(packet)
            if flags in found:
                found[flags].add(told)

    def _forget_what_left(self) -> None:
        """Empty the device: the rejections of what came in would leave no room for more."""
        with contextlib.suppress(BlockingIOError):
            while os.read(self._tun, 2048):
                pass
        self._drain_tun()

    def _read_tun(self) -> bytes:
        ready, _, _ = select.select([self._tun], [], [], PATIENCE_S)
        if not ready:
            raise TimeoutError("the TUN device keeps silent")
        return os.read(self._tun, 2048)


_SETUP = f"""\
link set lo up
addr add {LOCAL[Family.IPV4]}/32 dev {INTERFACE}
addr add {LOCAL[Family.IPV6]}/128 dev {INTERFACE} nodad
link set {INTERFACE} txqueuelen 20000 up
route add default dev {INTERFACE}
route add ::/0 dev {INTERFACE}
"""

_SENTINEL_SOURCE = "192.0.2.254"

_FIRST = f"""\
  chain first {{
    type filter hook prerouting priority -2147483000;
    ip saddr {_SENTINEL_SOURCE} udp dport 9 log group {LOG_GROUP} drop
  }}
"""
_LAST = f"""\
  chain last {{{{
    type filter hook input priority 2147483000;
    iifname "{INTERFACE}" tcp flags & (syn | ack) == {{flags}} log group {LOG_GROUP} drop
  }}}}
"""


def _wait_for_local_route() -> None:
    """The kernel makes the route to an own IPv6 address in the background."""
    wanted = socket.inet_pton(socket.AF_INET6, LOCAL[Family.IPV6]).hex()
    deadline = time.monotonic() + PATIENCE_S
    while True:
        for line in Path("/proc/thread-self/net/ipv6_route").read_text("ascii").splitlines():
            address, length, *_, flags, _ = line.split()
            if (address, length) == (wanted, "80") and int(flags, 16) & RTF_LOCAL:
                return
        if time.monotonic() > deadline:
            raise TimeoutError("there is no route to the own IPv6 address")
        time.sleep(0.001)


def int_of(text: str) -> int:
    kind = socket.AF_INET6 if ":" in text else socket.AF_INET
    return int.from_bytes(socket.inet_pton(kind, text))


def address_text(family: Family, number: int) -> str:
    if family is Family.IPV4:
        return socket.inet_ntop(socket.AF_INET, number.to_bytes(4))
    return socket.inet_ntop(socket.AF_INET6, number.to_bytes(16))


def _checksum(data: bytes) -> int:
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF


def segment(
    family: Family,
    source: int,
    target: int,
    source_port: int,
    target_port: int,
    sequence: int,
    acknowledged: int = 0,
) -> bytes:
    """A SYN as a whole IP packet, with ACK where it acknowledges something.

    ``sequence`` is its TCP sequence number.
    """
    width = 4 if family is Family.IPV4 else 16
    ends = source.to_bytes(width) + target.to_bytes(width)
    flags = SYN | ACK if acknowledged else SYN
    tcp = struct.pack(
        "!HHIIBBHHH", source_port, target_port, sequence, acknowledged, 5 << 4, flags, 64240, 0, 0
    )
    checksum = _checksum(ends + struct.pack("!HH", 6, len(tcp)) + tcp)
    tcp = tcp[:16] + struct.pack("!H", checksum) + tcp[18:]
    if family is Family.IPV6:
        return struct.pack("!IHBB", 6 << 28, len(tcp), 6, 64) + ends + tcp
    return _ipv4_header(6, len(tcp), ends) + tcp


def _ipv4_header(protocol: int, length: int, ends: bytes) -> bytes:
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + length, 0, 0x4000, 64, protocol, 0)
    return head[:10] + struct.pack("!H", _checksum(head + ends)) + ends


def _sentinel() -> bytes:
    """A datagram that is reported before any rule: all written before it has been judged."""
    ends = socket.inet_aton(_SENTINEL_SOURCE) + socket.inet_aton(LOCAL[Family.IPV4])
    return _ipv4_header(17, 8, ends) + struct.pack("!HHHH", 9, 9, 8, 0)


def _sequence(packet: bytes) -> int | None:
    """The TCP sequence number of a packet, that of the sentinel for a datagram."""
    if packet[0] >> 4 == 4:
        protocol, header = packet[9], (packet[0] & 0xF) * 4
    else:
        protocol, header = packet[6], 40
    if protocol == 17:
        return SENTINEL_SEQUENCE
    if protocol != 6:
        return None
    return int(struct.unpack_from("!I", packet, header + 4)[0])


Segment: TypeAlias = tuple[int, int, int]
"""Source port, destination port, and the sequence number of the first packet (plus 1: answer)."""


def _segment_of(packet: bytes) -> tuple[int, Segment]:
    """The flags (0 where it is no TCP) and what identifies the probe."""
    header = (packet[0] & 0xF) * 4 if packet[0] >> 4 == 4 else 40
    protocol = packet[9] if packet[0] >> 4 == 4 else packet[6]
    if protocol != 6:
        return 0, (0, 0, 0)
    source, target, sequence, acknowledged = struct.unpack_from("!HHII", packet, header)
    flags = packet[header + 13] & (SYN | ACK)
    return flags, (source, target, acknowledged if flags & ACK else sequence)


def _send_past_the_rules(packet: bytes) -> None:
    """Send from the device itself, behind everything that is queued there."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM) as sender:
        sender.sendto(packet, (INTERFACE, ETH_P_IP))


@contextlib.contextmanager
def _listening(family: Family) -> Iterator[None]:
    """Sockets that answer on every port of LISTENED; their half-open connections end with them."""
    kind = socket.AF_INET if family is Family.IPV4 else socket.AF_INET6
    with contextlib.ExitStack() as stack:
        for port in LISTENED:
            listener = stack.enter_context(socket.socket(kind, socket.SOCK_STREAM))
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("", port))
            listener.listen(4 * WINDOW)
        yield


@contextlib.contextmanager
def _raw_socket(question: Question) -> Iterator[socket.socket]:
    """A raw socket that belongs to the question's user: the owner is who opened it."""
    _libc.setfsgid(question.gid or 0)
    _libc.setfsuid(question.uid or 0)
    try:
        if question.family is Family.IPV4:
            sender = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
        else:
            sender = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW)
            sender.setsockopt(socket.IPPROTO_IPV6, IPV6_HDRINCL, 1)
    finally:
        _libc.setfsuid(0)
        _libc.setfsgid(0)
    with sender:
        yield sender


NETLINK_NETFILTER = 12
NFNL_SUBSYS_ULOG = 4
NFULNL_MSG_PACKET = NFNL_SUBSYS_ULOG << 8
NFULNL_MSG_CONFIG = NFNL_SUBSYS_ULOG << 8 | 1
NFULA_PAYLOAD = 9


def _open_log() -> socket.socket:
    """Subscribe to LOG_GROUP: whole packets, each reported at once (linux/nfnetlink_log.h)."""
    log = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
    log.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 16 << 20)
    log.settimeout(20)
    log.bind((0, 0))
    bind = struct.pack("HHBxxx", 5, 1, 1)
    copy_packet = struct.pack("HH", 10, 2) + struct.pack("!IBxxx", 0xFFFF, 2)
    at_once = struct.pack("HH", 8, 5) + struct.pack("!I", 1)
    for attribute in (bind, copy_packet, at_once):
        body = struct.pack("!BBH", socket.AF_UNSPEC, 0, LOG_GROUP) + attribute
        log.send(struct.pack("IHHII", 16 + len(body), NFULNL_MSG_CONFIG, 5, 1, 0) + body)
        reply = log.recv(4096)
        error = struct.unpack_from("i", reply, 16)[0]
        if error:
            raise OSError(-error, "NFLOG")
    return log


def _logged(data: bytes) -> Iterator[int]:
    """The sequence numbers of the packets in a netlink datagram."""
    at = 0
    while at + 16 <= len(data):
        length, kind = struct.unpack_from("IH", data, at)
        if kind == NFULNL_MSG_PACKET:
            payload = _payload(data[at + 20 : at + length])
            sequence = _sequence(payload) if payload else None
            if sequence is not None:
                yield sequence
        at += (length + 3) & ~3


def _payload(attributes: bytes) -> bytes | None:
    at = 0
    while at + 4 <= len(attributes):
        length, kind = struct.unpack_from("HH", attributes, at)
        if kind & 0x7FFF == NFULA_PAYLOAD:
            return attributes[at + 4 : at + length]
        at += (max(length, 4) + 3) & ~3
    return None


def ephemeral_port(question: Question, chance: random.Random) -> int:
    return chance.randint(*question.ephemeral)
