"""Entries for systemd-journald(8), by its native protocol.

https://systemd.io/JOURNAL_NATIVE_PROTOCOL/
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Mapping

SOCKET = "/run/systemd/journal/socket"
PATIENCE_S = 2.0
"""For one entry: a journal that is busy lets us wait."""


def send(entries: Iterable[Mapping[str, str]], path: str = SOCKET) -> None:
    """Hand over each entry as one datagram; raises OSError where the journal takes none.

    An entry must fit the system's limit for a datagram, about 200 KiB (net.core.wmem_max).
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
        channel.settimeout(PATIENCE_S)
        channel.connect(path)
        for entry in entries:
            channel.send(encoded(entry))


def encoded(entry: Mapping[str, str]) -> bytes:
    """Every value with its length before it, so that nothing in it can begin another field."""
    return b"".join(_field(name, value) for name, value in entry.items())


def _field(name: str, value: str) -> bytes:
    data = value.encode("utf-8", "backslashreplace")
    return b"%b\n%b%b\n" % (name.encode("ascii"), len(data).to_bytes(8, "little"), data)
