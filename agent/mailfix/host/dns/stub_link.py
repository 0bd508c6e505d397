"""What passes between an audit and the process that asks the resolvers for it.

Both are this very program on this very host, so it is Python's own values (marshal).
"""

from __future__ import annotations

import asyncio
import marshal
import socket
import struct
from typing import Any, TypeAlias

from mailfix.host.dns.answer import Bogus, nothing
from mailfix.model import Fact, Known, Unknown
from mailfix.record_set import RecordSet

Item: TypeAlias = tuple[Any, ...]
_LENGTH = struct.Struct("!I")
_KNOWN, _UNKNOWN, _BOGUS = range(3)
NOTHING: Item = ()
"""In the place of an answer that was not found out."""


class Link:
    """One end: items go out together that are sent in one turn of the event loop."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._unsent: list[Item] = []

    @classmethod
    async def over(cls, connected: socket.socket) -> Link:
        """The end that is this socket."""
        return cls(*await asyncio.open_connection(sock=connected))

    def send(self, item: Item) -> None:
        """Send it to the other end, if that is still there."""
        if not self._unsent:
            asyncio.get_running_loop().call_soon(self._flush)
        self._unsent.append(item)

    async def receive(self) -> list[Item]:
        """Wait for the next items; none once the other end is gone."""
        try:
            (length,) = _LENGTH.unpack(await self._reader.readexactly(_LENGTH.size))
            items: list[Item] = marshal.loads(await self._reader.readexactly(length))
        except (EOFError, OSError):
            return []
        return items

    def close(self) -> None:
        self._writer.close()

    def _flush(self) -> None:
        wire = marshal.dumps(self._unsent)
        self._unsent = []
        self._writer.write(_LENGTH.pack(len(wire)) + wire)


def plain(told: Fact[RecordSet]) -> Item:
    """The values that an answer of a resolver consists of."""
    if isinstance(told, Unknown):
        return (_BOGUS if isinstance(told, Bogus) else _UNKNOWN, told.reason)
    found = told.value
    return (_KNOWN, found.records, found.exists, found.ttl, found.owner, found.secure)


def fact(values: Item) -> Fact[RecordSet] | None:
    """The answer that consists of these values; None where they are :data:`NOTHING`."""
    match values:
        case ():
            return None
        case (kind, reason):
            return Bogus(reason) if kind == _BOGUS else Unknown(reason)
        case (_, (), exists, 0, owner, secure):
            return nothing(exists, owner, secure)
    return Known(RecordSet(*values[1:]))
