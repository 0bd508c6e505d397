"""Asking the kernel itself whether nftables holds anything, where no tool is installed to ask."""

from __future__ import annotations

import socket
import struct

from mailfix.model import Fact, Known, Unknown

NETLINK_NETFILTER = 12
NFT_MSG_GETTABLE = (10 << 8) | 1
NFTA_TABLE_NAME = 1
NLM_F_REQUEST, NLM_F_DUMP = 1, 0x300
NLMSG_ERROR, NLMSG_DONE = 2, 3
_HEADER = struct.Struct("=IHHII")
_TIMEOUT_S = 2.0


def nft_tables() -> Fact[tuple[str, ...]]:
    """Return the names of all nftables tables (nfnetlink, NFT_MSG_GETTABLE; netlink(7))."""
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER) as kernel:
            kernel.settimeout(_TIMEOUT_S)
            family_version_resource = b"\0\0\0\0"
            kernel.send(
                _HEADER.pack(20, NFT_MSG_GETTABLE, NLM_F_REQUEST | NLM_F_DUMP, 1, 0)
                + family_version_resource
            )
            return _read_dump(kernel)
    except OSError as error:
        return Unknown(f"the kernel does not tell its nftables tables: {error.strerror or error}")


def _read_dump(kernel: socket.socket) -> Fact[tuple[str, ...]]:
    names: list[str] = []
    while True:
        received = kernel.recv(1 << 16)
        for kind, payload in messages(received):
            if kind == NLMSG_DONE:
                return Known(tuple(names))
            if kind == NLMSG_ERROR:
                code = -struct.unpack_from("=i", payload)[0]
                return Unknown(f"the kernel refuses to list its nftables tables (errno {code})")
            names.append(table_name(payload))


def messages(received: bytes) -> list[tuple[int, bytes]]:
    """Split what the kernel sent into pairs of message type and payload (netlink(7))."""
    found, offset = [], 0
    while offset + _HEADER.size <= len(received):
        length, kind, *_ = _HEADER.unpack_from(received, offset)
        if length < _HEADER.size:
            break
        found.append((kind, received[offset + _HEADER.size : offset + length]))
        offset += (length + 3) & ~3
    return found


def table_name(payload: bytes) -> str:
    """Return the table's name from the attributes behind the 4-byte nfgenmsg header."""
    offset = 4
    while offset + 4 <= len(payload):
        length, kind = struct.unpack_from("=HH", payload, offset)
        if kind & 0x3FFF == NFTA_TABLE_NAME:
            return payload[offset + 4 : offset + length].rstrip(b"\0").decode("utf-8", "replace")
        offset += (max(length, 4) + 3) & ~3
    return "?"
