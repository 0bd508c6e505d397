"""Asking the name servers of zones, each by its address and none too often at once."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter

from mailfix.host.clock import Deadline
from mailfix.host.dns.asking import SILENCE, Asked, Failure, Heard, ask
from mailfix.host.dns.question import Question, Wish
from mailfix.host.dns.server import DNS_PORT, Server

PATIENCE = (0.6, 1.0, 1.4)
OVER_TCP_S = 2.0
AT_ONE_SERVER = 20
AT_ALL_SERVERS = 100
GIVEN_UP_AFTER = 3
"""Questions that a server lets pass one after the other, before it is asked no more."""
ALL_GIVEN_UP_AFTER = 10
"""The same for all servers of a family of which none was ever heard: the fault may be ours."""
_ASKED = Asked(Wish.NONE, PATIENCE, OVER_TCP_S)


class NameServers:
    """The name servers of the world, as far as they were asked."""

    def __init__(self, deadline: Deadline, port: int = DNS_PORT) -> None:
        self._deadline = deadline
        self._port = port
        self._servers: dict[str, Server] = {}
        self._places: dict[str, asyncio.Semaphore] = {}
        self._all_places = asyncio.Semaphore(AT_ALL_SERVERS)
        self._silences: Counter[str] = Counter()
        self._unheard: Counter[socket.AddressFamily] = Counter()
        self._heard: set[socket.AddressFamily] = set()
        self._reachable: dict[str, bool] = {}

    def is_reachable(self, address: str) -> bool:
        """Whether this host has any route there; asks the kernel and sends nothing."""
        if address not in self._reachable:
            self._reachable[address] = _has_route(address)
        return self._reachable[address]

    async def ask(self, address: str, question: Question) -> Heard | Failure:
        """Ask for what the server itself holds (RD is not set)."""
        server = self._servers.setdefault(address, Server(address, self._port))
        places = self._places.setdefault(address, asyncio.Semaphore(AT_ONE_SERVER))
        async with places, self._all_places:
            seconds = self._deadline.within(sum(PATIENCE) + OVER_TCP_S)
            if seconds <= 0 or self._is_given_up(address):
                return Failure(((server, SILENCE),))
            heard = await ask(question, [server], _ASKED, seconds)
        self._learn(address, silent=isinstance(heard, Failure) and heard.is_unheard)
        return heard

    def was_heard(self, address: str) -> bool:
        """Whether anything ever came from any server of the address's family.

        Where nothing did, silence says more about this host than about the server.
        """
        return _family(address) in self._heard

    def _is_given_up(self, address: str) -> bool:
        if self._silences[address] >= GIVEN_UP_AFTER:
            return True
        family = _family(address)
        return family not in self._heard and self._unheard[family] >= ALL_GIVEN_UP_AFTER

    def _learn(self, address: str, silent: bool) -> None:
        if silent:
            self._silences[address] += 1
            self._unheard[_family(address)] += 1
        else:
            self._silences[address] = 0
            self._heard.add(_family(address))


def _family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def _has_route(address: str) -> bool:
    try:
        with socket.socket(_family(address), socket.SOCK_DGRAM) as probe:
            probe.connect((address, DNS_PORT))
    except OSError:
        return False
    return True
