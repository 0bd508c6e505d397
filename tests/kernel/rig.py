"""A network namespace of its own with a TUN device named eth0, and a kernel to be asked.

Another TUN device, docker0, has a network behind it, where every port is open.

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
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from mailfix.firewall import Direction, Question
from mailfix.model import Family
from tests.kernel.packets import (
    ACK,
    DATAGRAM,
    SENTINEL_NUMBER,
    SENTINEL_PORT,
    SENTINEL_SOURCE,
    SYN,
    Segment,
    address_text,
    answer_to,
    datagram,
    int_of,
    number_of,
    segment,
    sentinel,
    sequence_of,
    told,
)

CLONE_NEWNET = 0x40000000
TUNSETIFF = 0x400454CA
IFF_TUN_NO_PI = 0x1001
SO_RCVBUFFORCE = 33
IPV6_HDRINCL = 36
ETH_P_IP = 0x0800

INTERFACE = "eth0"
LOCAL = {Family.IPV4: "203.0.113.10", Family.IPV6: "2001:db8:1::10"}
BEHIND = "docker0"
BRIDGE = {Family.IPV4: "172.17.0.1", Family.IPV6: "fd00:17::1"}
"""The host's own address on the network behind it."""
BEHIND_NETWORK = {Family.IPV4: "172.17.0.0/16", Family.IPV6: "fd00:17::/64"}
MAIL_UID, MAIL_GID = 107, 114
LOG_GROUP = 77
WINDOW = 100
PATIENCE_S = 20.0
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
        self._tun = _tun_device(INTERFACE)
        self._behind = _tun_device(BEHIND)
        self._prepare()
        self._log: socket.socket | None = None

    def __enter__(self) -> Kernel:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._tun)
        os.close(self._behind)
        if self._log is not None:
            self._log.close()

    def _prepare(self) -> None:
        variables = (
            ("ipv4/conf/all/rp_filter", "0"),
            ("ipv4/conf/default/rp_filter", "0"),
            (f"ipv4/conf/{INTERFACE}/rp_filter", "0"),
            (f"ipv4/conf/{BEHIND}/rp_filter", "0"),
            *(
                (f"ipv6/conf/{device}/{name}", value)
                for device in (INTERFACE, BEHIND)
                for name, value in _QUIET_IPV6
            ),
            ("ipv4/ip_forward", "1"),
            ("ipv6/conf/all/forwarding", "1"),
            ("ipv4/tcp_synack_retries", "0"),
        )
        # A proc of its own: in a container the one that is there is read-only.
        lines = [f"echo {value} >/proc/sys/net/{name}" for name, value in variables]
        script = "; ".join(("mount -t proc proc /proc", *lines))
        must_run("unshare", "--mount", "sh", "-ec", script)
        must_run("ip", "-batch", "-", text=_SETUP)
        for device in (INTERFACE, BEHIND):
            must_run("tc", "qdisc", "replace", "dev", device, "root", "pfifo")
        _wait_for_local_route()

    def install_catcher(self) -> None:
        """Put chains behind all others that report first packets that come in and drop them.

        They come in to the host itself or go on to the network behind it.
        """
        self._install(_FIRST + _LAST.format(flags="syn") + _LAST_ON_THE_WAY)

    def install_catcher_of_followers(self) -> None:
        """As install_catcher(), but first packets are let in; later ones are caught."""
        self._install(_FIRST + _FOLLOWERS)

    def remove_catcher(self) -> None:
        """Leave nothing but what was loaded, so that it can be read again."""
        must_run("nft", "delete", "table", "inet", "catcher")
        if self._log is not None:
            self._log.close()
            self._log = None

    def _install(self, chains: str) -> None:
        must_run("nft", "-f", "-", text=f"table inet catcher {{\n{chains}}}\n")
        self._log = _open_log()

    def survivors(self, question: Question, probes: Sequence[Probe]) -> set[int]:
        """The indexes of the probes that get through, asked of the kernel."""
        incoming = question.direction is Direction.IN
        return _in_windows(self._ask_in if incoming else self._ask_out, question, probes)

    def connected(self, question: Question, probes: Sequence[Probe]) -> set[int]:
        """The indexes of the probes that get through and whose answers come back."""
        incoming = question.direction is Direction.IN
        return _in_windows(self._connect_in if incoming else self._connect_out, question, probes)

    def followed(self, question: Question, probes: Sequence[Probe]) -> set[int]:
        """The indexes of the probes of which the packet after the answer gets through, too.

        After a datagram's answer nothing follows.
        """
        if question.protocol != "tcp":
            return self.connected(question, probes)
        incoming = question.direction is Direction.IN
        return _in_windows(self._follow_in if incoming else self._follow_out, question, probes)

    def _follow_in(self, question: Question, start: int, probes: Sequence[Probe]) -> set[int]:
        near = int_of(question.local_address)
        with _listening(question.family):
            self._caught(
                segment(question.family, probe.far, near, probe.far_port, question.port, number)
                for number, probe in enumerate(probes, start)
            )
            self._answer_from_behind()
            answers = {
                what[2]: sequence_of(packet)
                for packet in self._left()
                for flags, what in [told(packet)]
                if flags == SYN | ACK and what[0] == question.port
            }
            caught = self._caught(
                segment(
                    question.family,
                    probe.far,
                    near,
                    probe.far_port,
                    question.port,
                    number + 1,
                    acknowledged=answers[number + 1] + 1 & 0xFFFFFFFF,
                    flags=ACK,
                )
                for number, probe in enumerate(probes, start)
                if number + 1 in answers
            )
        onward = {sequence_of(each) for each in self._sent_behind() if told(each)[0] == ACK}
        return {sequence - 1 for sequence in caught | onward}

    def _follow_out(self, question: Question, start: int, probes: Sequence[Probe]) -> set[int]:
        near = int_of(question.local_address)
        came_back = self._connect_out(question, start, probes)
        with _raw_socket(question) as sender:
            for number in came_back:
                probe = probes[number - start]
                packet = segment(
                    question.family,
                    near,
                    probe.far,
                    probe.far_port,
                    question.port,
                    number + 1,
                    acknowledged=number + 1,
                    flags=ACK,
                )
                with contextlib.suppress(PermissionError):
                    sender.sendto(packet, (address_text(question.family, probe.far), 0))
        return {sequence_of(packet) - 1 for packet in self._left() if told(packet)[0] == ACK}

    def _packet(
        self, question: Question, source: int, target: int, ports: tuple[int, int], number: int
    ) -> bytes:
        make = datagram if question.protocol == "udp" else segment
        return make(question.family, source, target, *ports, number)

    def _ask_in(self, question: Question, start: int, probes: Sequence[Probe]) -> set[int]:
        near = int_of(question.local_address)
        return self._caught(
            self._packet(question, probe.far, near, (probe.far_port, question.port), number)
            for number, probe in enumerate(probes, start)
        )

    def _connect_in(self, question: Question, start: int, probes: Sequence[Probe]) -> set[int]:
        near = int_of(question.local_address)
        with _listening(question.family):
            self._caught(
                segment(question.family, probe.far, near, probe.far_port, question.port, number)
                for number, probe in enumerate(probes, start)
            )
            self._answer_from_behind()
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
            self._answer(question, probe, near, sent[number], number)
            for number, probe in enumerate(probes, start)
            if number in sent
        )

    def _answer(
        self, question: Question, probe: Probe, near: int, near_port: int, number: int
    ) -> bytes:
        ends, ports = (probe.far, near), (question.port, near_port)
        if question.protocol == "udp":
            return datagram(question.family, *ends, *ports, number)
        return segment(question.family, *ends, *ports, number, acknowledged=number + 1)

    def _answer_from_behind(self) -> None:
        """Answer every SYN that has been sent on to the network behind the host."""
        answers = [answer_to(each) for each in self._sent_behind() if told(each)[0] == SYN]
        self._caught(iter(answers), self._behind)

    def _sent_behind(self) -> list[bytes]:
        """The packets that have left for the network behind the host so far."""
        last = sentinel(BRIDGE[Family.IPV4])
        _send_past_the_rules(BEHIND, last)
        return list(iter(lambda: self._read(self._behind), last))

    def _caught(self, packets: Iterator[bytes], device: int | None = None) -> set[int]:
        """Let packets come in, at the TUN or another device; the numbers of those caught."""
        assert self._log is not None, "install_catcher() first"
        device = self._tun if device is None else device
        for packet in packets:
            os.write(device, packet)
        os.write(device, sentinel(LOCAL[Family.IPV4]))
        found: set[int] = set()
        while True:
            for number in _logged(self._log.recv(1 << 17)):
                if number == SENTINEL_NUMBER:
                    return found
                found.add(number)

    def _ask_out(self, question: Question, start: int, probes: Sequence[Probe]) -> set[int]:
        return {sequence for _, _, sequence in self._send(question, start, probes)}

    def _send(self, question: Question, start: int, probes: Sequence[Probe]) -> set[Segment]:
        """Send first packets; those that leave the host."""
        self._forget_what_left()
        near = int_of(question.local_address)
        with _raw_socket(question) as sender:
            for number, probe in enumerate(probes, start):
                ports = (probe.far_port, question.port)
                packet = self._packet(question, near, probe.far, ports, number)
                # EPERM: dropped by OUTPUT or POSTROUTING, which is one of the answers.
                with contextlib.suppress(PermissionError):
                    sender.sendto(packet, (address_text(question.family, probe.far), 0))
        return self._drain_tun()[DATAGRAM if question.protocol == "udp" else SYN]

    def _drain_tun(self) -> Mapping[int, set[Segment]]:
        """Everything that has left so far: SYNs, SYNs with ACK, datagrams, by its flags."""
        found: dict[int, set[Segment]] = {SYN: set(), SYN | ACK: set(), DATAGRAM: set()}
        for packet in self._left():
            flags, what = told(packet)
            if flags in found:
                found[flags].add(what)
        return found

    def _left(self) -> Iterator[bytes]:
        """The packets that have left so far."""
        last = sentinel(LOCAL[Family.IPV4])
        _send_past_the_rules(INTERFACE, last)
        while (packet := self._read(self._tun)) != last:
            yield packet

    def _forget_what_left(self) -> None:
        """Empty the device: the rejections of what came in would leave no room for more."""
        with contextlib.suppress(BlockingIOError):
            while os.read(self._tun, 2048):
                pass
        self._drain_tun()

    def _read(self, device: int) -> bytes:
        ready, _, _ = select.select([device], [], [], PATIENCE_S)
        if not ready:
            raise TimeoutError("the TUN device keeps silent")
        return os.read(device, 2048)


def _tun_device(name: str) -> int:
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK)
    fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN_NO_PI))
    return device


_QUIET_IPV6 = (("accept_ra", "0"), ("router_solicitations", "0"), ("addr_gen_mode", "1"))
Ask: TypeAlias = Callable[[Question, int, Sequence[Probe]], set[int]]


def _in_windows(ask: Ask, question: Question, probes: Sequence[Probe]) -> set[int]:
    """What ``ask`` finds, asked about no more at once than the kernel's queues hold."""
    found: set[int] = set()
    for start in range(0, len(probes), WINDOW):
        found |= ask(question, start, probes[start : start + WINDOW])
    return found


_SETUP = f"""\
link set lo up
addr add {LOCAL[Family.IPV4]}/32 dev {INTERFACE}
addr add {LOCAL[Family.IPV6]}/128 dev {INTERFACE} nodad
link set {INTERFACE} txqueuelen 20000 up
route add default dev {INTERFACE}
route add ::/0 dev {INTERFACE}
addr add {BRIDGE[Family.IPV4]}/16 dev {BEHIND}
addr add {BRIDGE[Family.IPV6]}/64 dev {BEHIND} nodad
link set {BEHIND} txqueuelen 20000 up
"""

_FIRST = f"""\
  chain first {{
    type filter hook prerouting priority -2147483000;
    ip saddr {SENTINEL_SOURCE} udp dport {SENTINEL_PORT} log group {LOG_GROUP} drop
  }}
"""
_LAST = f"""\
  chain last {{{{
    type filter hook input priority 2147483000;
    iifname "{INTERFACE}" tcp flags & (syn | ack) == {{flags}} log group {LOG_GROUP} drop
    iifname "{INTERFACE}" meta l4proto udp log group {LOG_GROUP} drop
  }}}}
"""
_LAST_ON_THE_WAY = f"""\
  chain last_on_the_way {{
    type filter hook postrouting priority 2147483000;
    oifname "{BEHIND}" tcp flags & (syn | ack) == syn log group {LOG_GROUP} drop
  }}
"""
_FOLLOWERS = f"""\
  chain last {{
    type filter hook input priority 2147483000;
    iifname "{INTERFACE}" tcp flags & ack == ack log group {LOG_GROUP} drop
    iifname "{INTERFACE}" meta l4proto udp log group {LOG_GROUP} drop
  }}
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


def _send_past_the_rules(device: str, packet: bytes) -> None:
    """Send from the device itself, behind everything that is queued there."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM) as sender:
        sender.sendto(packet, (device, ETH_P_IP))


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
    """The numbers of the packets in a netlink datagram."""
    at = 0
    while at + 16 <= len(data):
        length, kind = struct.unpack_from("IH", data, at)
        if kind == NFULNL_MSG_PACKET:
            payload = _payload(data[at + 20 : at + length])
            number = number_of(payload) if payload else None
            if number is not None:
                yield number
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
