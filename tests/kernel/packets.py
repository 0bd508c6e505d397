"""Whole IP packets as bytes: SYNs, their answers, datagrams, and what tells them apart.

Each probe has a number: the sequence number of its SYN, or what its datagram says. Its answer
acknowledges that number plus 1.
"""

from __future__ import annotations

import socket
import struct
from typing import TypeAlias

from mailfix.model import Family

SYN, ACK = 0x02, 0x10
DATAGRAM = 0x100
"""Stands for the flags of what has none."""
SENTINEL_NUMBER = 0xFFFFFFFF
SENTINEL_SOURCE = "192.0.2.254"
SENTINEL_PORT = 9
TCP, UDP = 6, 17


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
    flags: int = 0,
) -> bytes:
    """A SYN as a whole IP packet, with ACK where it acknowledges something, or other ``flags``.

    ``sequence`` is its TCP sequence number.
    """
    ends = _ends(family, source, target)
    flags = flags or (SYN | ACK if acknowledged else SYN)
    tcp = struct.pack(
        "!HHIIBBHHH", source_port, target_port, sequence, acknowledged, 5 << 4, flags, 64240, 0, 0
    )
    checksum = _checksum(ends + struct.pack("!HH", TCP, len(tcp)) + tcp)
    return _with_header(family, TCP, ends, tcp[:16] + struct.pack("!H", checksum) + tcp[18:])


def datagram(
    family: Family, source: int, target: int, source_port: int, target_port: int, number: int
) -> bytes:
    """A UDP packet that says ``number``."""
    ends = _ends(family, source, target)
    udp = struct.pack("!HHHHI", source_port, target_port, 12, 0, number)
    checksum = _checksum(ends + struct.pack("!HH", UDP, len(udp)) + udp) or 0xFFFF
    return _with_header(family, UDP, ends, udp[:6] + struct.pack("!H", checksum) + udp[8:])


def _ends(family: Family, source: int, target: int) -> bytes:
    width = 4 if family is Family.IPV4 else 16
    return source.to_bytes(width) + target.to_bytes(width)


def _with_header(family: Family, protocol: int, ends: bytes, body: bytes) -> bytes:
    if family is Family.IPV6:
        return struct.pack("!IHBB", 6 << 28, len(body), protocol, 64) + ends + body
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(body), 0, 0x4000, 64, protocol, 0)
    return head[:10] + struct.pack("!H", _checksum(head + ends)) + ends + body


def sentinel(target: str) -> bytes:
    """A datagram that is reported before any rule: all written before it has been judged."""
    ends = int_of(SENTINEL_SOURCE), int_of(target)
    return datagram(Family.IPV4, *ends, SENTINEL_PORT, SENTINEL_PORT, SENTINEL_NUMBER)


Segment: TypeAlias = tuple[int, int, int]
"""Source port, destination port, and the number of the probe (plus 1 in an answer of TCP)."""


def told(packet: bytes) -> tuple[int, Segment]:
    """The flags of TCP, DATAGRAM, or 0 for anything else; and what identifies the probe."""
    header = (packet[0] & 0xF) * 4 if packet[0] >> 4 == 4 else 40
    protocol = packet[9] if packet[0] >> 4 == 4 else packet[6]
    if protocol == UDP:
        source, target, _, _, number = struct.unpack_from("!HHHHI", packet, header)
        return DATAGRAM, (source, target, number)
    if protocol != TCP:
        return 0, (0, 0, 0)
    source, target, sequence, acknowledged = struct.unpack_from("!HHII", packet, header)
    flags = packet[header + 13] & (SYN | ACK)
    return flags, (source, target, acknowledged if flags & ACK else sequence)


def sequence_of(packet: bytes) -> int:
    """The sequence number of a segment."""
    header = (packet[0] & 0xF) * 4 if packet[0] >> 4 == 4 else 40
    return int(struct.unpack_from("!I", packet, header + 4)[0])


def number_of(packet: bytes) -> int | None:
    """The sequence number of a segment, what a datagram says; None for what is neither."""
    flags, (_, _, number) = told(packet)
    if flags == DATAGRAM:
        return number
    return sequence_of(packet) if flags else None


def answer_to(packet: bytes) -> bytes:
    """The SYN with ACK, from the far end, for a SYN."""
    family = Family.IPV4 if packet[0] >> 4 == 4 else Family.IPV6
    header, width = ((packet[0] & 0xF) * 4, 4) if family is Family.IPV4 else (40, 16)
    ends = packet[header - 2 * width : header]
    source, target = int.from_bytes(ends[:width]), int.from_bytes(ends[width:])
    _, (source_port, target_port, number) = told(packet)
    return segment(family, target, source, target_port, source_port, number, number + 1)
