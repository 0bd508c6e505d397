"""Packets to name servers over UDP, from ports and with IDs that nobody can guess (RFC 5452)."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from typing import TypeAlias

SHARING_A_PORT = 16
_RECEIVED_AT_ONCE = 64
_MAX_PACKET = 4096

Receiver: TypeAlias = Callable[[bytes | OSError], None]


class Place:
    """A question's place at one of our ports: its ID, and who takes what comes for it."""

    __slots__ = ("_port", "number")

    def __init__(self, port: _Port, number: int) -> None:
        self._port = port
        self.number = number

    def send(self, packet: bytes) -> None:
        """Send once more or for the first time; raises :class:`OSError`."""
        self._port.send(packet)

    def leave(self) -> None:
        self._port.release(self.number)


class Line:
    """The way to one server. A port is open while somebody waits at it, then its number is gone."""

    def __init__(self, address: str, port: int) -> None:
        self._peer = (address, port)
        self._port: _Port | None = None

    def place(self, receiver: Receiver) -> Place:
        """Find a place for a question; raises :class:`OSError` where there is no way there."""
        if self._port is None or not self._port.has_room:
            self._port = _Port(self._peer)
        return Place(self._port, self._port.admit(receiver))


class _Port:
    """A connected socket: the kernel hands it nothing but what the server itself sent."""

    def __init__(self, peer: tuple[str, int]) -> None:
        family = socket.AF_INET6 if ":" in peer[0] else socket.AF_INET
        self._loop = asyncio.get_running_loop()
        self._socket = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        try:
            self._socket.connect(peer)
        except OSError:
            self._socket.close()
            raise
        self._waiting: dict[int, Receiver] = {}
        self._admitted = 0
        self._loop.add_reader(self._socket.fileno(), self._receive)

    @property
    def has_room(self) -> bool:
        return bool(self._waiting) and self._admitted < SHARING_A_PORT

    def admit(self, receiver: Receiver) -> int:
        number = _any_number()
        while number in self._waiting:
            number = _any_number()
        self._waiting[number] = receiver
        self._admitted += 1
        return number

    def release(self, number: int) -> None:
        self._waiting.pop(number, None)
        if not self._waiting and self._socket.fileno() >= 0:
            self._loop.remove_reader(self._socket.fileno())
            self._socket.close()

    def send(self, packet: bytes) -> None:
        try:
            self._socket.send(packet)
        except BlockingIOError:
            return

    def _receive(self) -> None:
        for _ in range(_RECEIVED_AT_ONCE):
            try:
                wire = self._socket.recv(_MAX_PACKET)
            except BlockingIOError:
                return
            except OSError as error:
                for receiver in tuple(self._waiting.values()):
                    receiver(error)
                return
            waiting = self._waiting.get(int.from_bytes(wire[:2], "big"))
            if waiting is not None:
                waiting(wire)


def _any_number() -> int:
    return int.from_bytes(os.urandom(2), "big")
