"""The process that asks the resolvers for :mod:`mailfix.host.dns.stub`.

``python -m mailfix.host.dns.stub_process UNTIL ADDRESS#PORT…``: its input is the socket at which
the questions come and to which the answers go. ``UNTIL`` is a moment on the monotonic clock.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Sequence

from mailfix.host import event_loop
from mailfix.host.clock import Deadline
from mailfix.host.dns.resolver import SystemDns
from mailfix.host.dns.server import Server
from mailfix.host.dns.stub_link import NOTHING, Item, Link, plain


async def serve(link: Link, dns: SystemDns) -> None:
    """Answer whatever is asked, until nobody asks any longer."""
    asking: set[asyncio.Task[None]] = set()
    while asked := await link.receive():
        for question in asked:
            task = asyncio.create_task(_answer(link, dns, question))
            asking.add(task)
            task.add_done_callback(asking.discard)


async def _answer(link: Link, dns: SystemDns, question: Item) -> None:
    number, name, rdtype = question
    try:
        values = plain(await dns.find(name, rdtype))
    except Exception:
        # Whoever asked finds it out again by itself, and tells what went wrong.
        values = NOTHING
    link.send((number, dns.has_heard, dns.is_dead, values))


async def _run(until: str, *servers: str) -> None:
    link = await Link.over(socket.socket(fileno=sys.stdin.fileno()))
    await serve(link, SystemDns(Deadline(float(until)), _servers(servers)))


def _servers(named: Sequence[str]) -> list[Server]:
    pairs = (each.rpartition("#") for each in named)
    return [Server(address, int(port)) for address, _, port in pairs]


if __name__ == "__main__":
    event_loop.run(_run(*sys.argv[1:]))
