"""The look from outside: what the mail ports of a host look like from another machine."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime

from mailfix.host import event_loop
from mailfix.host.clock import Deadline
from mailfix.host.dns import SystemDns
from mailfix.outside.conversation import look, tls_contexts
from mailfix.outside.judge import (
    Question,
    addresses,
    complaints,
    exit_code,
    required_ports,
    results_of,
)
from mailfix.outside.model import DEFAULT_PORTS, ProbeReport, Target
from mailfix.outside.target import TargetError, addresses_of, read_target
from mailfix.record_set import Lookup

DNS_S = 4.5
HIGHEST_PORT = 65535

__all__ = ["DEFAULT_PORTS", "ProbeReport", "TargetError", "exit_code", "look_at", "run"]


def run(target: str, ports: tuple[int, ...] | None, timeout_s: float) -> ProbeReport:
    """Look at the mail ports of a host, all addresses and ports at once.

    ``ports`` that are named must all be open; with None the usual mail ports are looked at, of
    which only 25 must be. ``timeout_s`` bounds each contact; finding the addresses may take 4.5 s
    more.

    :raises TargetError: ``target`` is neither a host name nor an address, or a port is none.
    """
    if any(not 0 < port <= HIGHEST_PORT for port in ports or ()):
        raise TargetError(f"a port is a number from 1 to {HIGHEST_PORT}")
    wanted = read_target(target)

    async def looking() -> ProbeReport:
        dns = SystemDns(Deadline.after(DNS_S))
        return await look_at(wanted, ports or None, timeout_s, dns)

    return event_loop.run(looking())


async def look_at(
    target: Target, ports: tuple[int, ...] | None, timeout_s: float, dns: Lookup
) -> ProbeReport:
    """As ``run``, for a target that was understood and with a DNS to ask for its addresses."""
    started, clock = datetime.now(UTC), time.monotonic()
    families = await addresses_of(target, dns)
    contexts = tls_contexts()
    dialogues = await asyncio.gather(
        *(
            look(target, address, port, timeout_s, contexts)
            for family in families
            for address in addresses(family)
            for port in dict.fromkeys(ports or DEFAULT_PORTS)
        )
    )
    question = Question(target, required_ports(ports), started)
    return ProbeReport(
        target=target,
        started=started,
        duration_s=time.monotonic() - clock,
        families=families,
        results=results_of(question, dialogues),
        complaints=complaints(target, families),
    )
