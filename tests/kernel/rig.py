"""A network namespace of its own with a TUN device named eth0, and a kernel to be asked.

The namespace has no name: it ends with the thread that entered it, whatever happens to the test.
Packets are raw. Coming in they are written to the TUN; those that get through every rule are
reported by NFLOG from a chain behind all others and dropped there, so that nothing answers and
connection tracking does not fill. Going out they are sent from a raw socket whose owner is the
mail user, and those that get through are read from the TUN.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import random
import socket
import struct
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mailfix.firewall import Direction, Question
from mailfix.model import Family

CLONE_NEWNET = 0x40000000
TUNSETIFF = 0x400454CA
IFF_TUN_NO_PI = 0x1001
SO_RCVBUFFORCE = 33
IPV6_HDRINCL = 36

INTERFACE = "eth0"
LOCAL = {Family.IPV4: "203.0.113.10", Family.IPV6: "2001:db8:1::10"}
MAIL_UID, MAIL_GID = 107, 114
LOG_GROUP = 77
WINDOW = 100
SENTINEL_SEQUENCE = 0xFFFFFFFF

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
        for name, value in (
            ("ipv4/conf/all/rp_filter", "0"),
            ("ipv4/conf/default/rp_filter", "0"),
            (f"ipv4/conf/{INTERFACE}/rp_filter", "0"),
            (f"ipv6/conf/{INTERFACE}/accept_ra", "0"),
            (f"ipv6/conf/{INTERFACE}/router_solicitations", "0"),
            (f"ipv6/conf/{INTERFACE}/addr_gen_mode", "1"),
        ):
            Path("/proc/sys/net", name).write_text(value, encoding="ascii")
        must_run("ip", "-batch", "-", text=_SETUP)

    def install_catcher(self) -> None:
        """Put a chain behind all others that reports what comes in and drops it."""
        must_run("nft", "-f", "-", text=_CATCHER)
        self._log = _open_log()

    def survivors(self, question: Question, probes: Sequence[Probe]) -> set[int]:
        """The indexes of the probes that get through, asked of the kernel."""
        found: set[int] = set()
        ask = self._ask_in if question.direction is Direction.IN else self._ask_out
        for start in range(0, len(probes), WINDOW):
            found |= ask(question, start, probes[start : start + WINDOW])
        return found

    def _ask_in(self, question: Question, start: int, probes: Sequence[Probe]) -> set[int]:
        assert self._log is not None, "install_catcher() first"
        near = int_of(question.local_address)
        for number, probe in enumerate(probes, start):
            os.write(
                self._tun,
                segment(question.family, probe.far, near, probe.far_port, question.port, number),
            )
        os.write(self._tun, _sentinel())
        found: set[int] = set()
        while True:
            for sequence in _logged(self._log.recv(1 << 17)):
                if sequence == SENTINEL_SEQUENCE:
                    self._drain_tun()
                    return found
                found.add(sequence)

    def _ask_out(self, question: Question, start: int, probes: Sequence[Probe]) -> set[int]:
        self._drain_tun()
        near = int_of(question.local_address)
        with _raw_socket(question) as sender:
            for number, probe in enumerate(probes, start):
                packet = segment(
                    question.family, near, probe.far, probe.far_port, question.port, number
                )
                # EPERM: dropped by OUTPUT or POSTROUTING, which is one of the answers.
                with contextlib.suppress(PermissionError):
                    sender.sendto(packet, (address_text(question.family, probe.far), 0))
        return {
            sequence for sequence in self._drain_tun() if start <= sequence < start + len(probes)
        }

    def _drain_tun(self) -> set[int]:
        found: set[int] = set()
        with contextlib.suppress(BlockingIOError):
            while True:
                sequence = _syn_sequence(os.read(self._tun, 2048))
                if sequence is not None:
                    found.add(sequence)
        return found


_SETUP = f"""\
link set lo up
addr add {LOCAL[Family.IPV4]}/32 dev {INTERFACE}
addr add {LOCAL[Family.IPV6]}/128 dev {INTERFACE} nodad
link set {INTERFACE} txqueuelen 1000 up
route add default dev {INTERFACE}
route add ::/0 dev {INTERFACE}
"""

_SENTINEL_SOURCE = "192.0.2.254"

_CATCHER = f"""\
table inet catcher {{
  chain first {{
    type filter hook prerouting priority -2147483000;
    ip saddr {_SENTINEL_SOURCE} udp dport 9 log group {LOG_GROUP} drop
  }}
  chain last {{
    type filter hook input priority 2147483000;
    iifname "{INTERFACE}" tcp flags & (syn | ack) == syn log group {LOG_GROUP} drop
  }}
}}
"""


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
    family: Family, source: int, target: int, source_port: int, target_port: int, sequence: int
) -> bytes:
    """A SYN as a whole IP packet; ``sequence`` is its TCP sequence number."""
    width = 4 if family is Family.IPV4 else 16
    ends = source.to_bytes(width) + target.to_bytes(width)
    tcp = struct.pack(
        "!HHIIBBHHH", source_port, target_port, sequence, 0, 5 << 4, 0x02, 64240, 0, 0
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


def _syn_sequence(packet: bytes) -> int | None:
    header = (packet[0] & 0xF) * 4 if packet[0] >> 4 == 4 else 40
    protocol = packet[9] if packet[0] >> 4 == 4 else packet[6]
    if protocol != 6 or packet[header + 13] & 0x12 != 0x02:
        return None
    return _sequence(packet)


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
