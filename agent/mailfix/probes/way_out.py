"""Whether mail gets out: connections to the mail servers of others, as the mail user.

No mail is sent: the connection is opened, the greeting read, and QUIT said (RFC 5321, 4.1.1.10).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass

from mailfix.facts import Attempt, MailUser, WayOut
from mailfix.host import Host, dial
from mailfix.host.dial import Contact, Identity
from mailfix.model import Fact, Family, Known, Unknown
from mailfix.record_set import RecordSet
from mailfix.settings import Settings

CONNECT_S = 3.0
GRACE_S = 0.3
MX_PER_DOMAIN = 2


@dataclass(frozen=True, slots=True)
class Target:
    """A name to dial, and an address of it."""

    name: str
    address: str


@dataclass(frozen=True, slots=True)
class Targets:
    """Where to dial for one family; ``silent`` says why names had no known addresses."""

    smtp: tuple[Target, ...]
    control: tuple[Target, ...]
    silent: str = ""


async def read(
    host: Host, settings: Settings, family: Family, user: MailUser | None
) -> Fact[WayOut | None]:
    """Dial the targets over one family, all at once, until one has been reached.

    Unknown where no target's address could be found out.
    """
    targets = await _resolve(host, settings, family)
    if not targets.smtp:
        return Unknown(
            targets.silent or f"none of the configured targets has an {family.label} address"
        )
    identity = Identity(user.uid, user.gid) if user and host.is_root else None
    wait = host.deadline.within(CONNECT_S)
    smtp = [dial_smtp(target, wait, identity) for target in targets.smtp]
    control = [dial_control(target, wait, identity) for target in targets.control]
    attempts = await _until_reached(smtp, control)
    return Known(
        WayOut(
            tuple(each for each in attempts if each.port == 25),
            tuple(each for each in attempts if each.port == 443),
        )
    )


async def _resolve(host: Host, settings: Settings, family: Family) -> Targets:
    named, exchanged, (control, _) = await asyncio.gather(
        _addresses(host, settings.target_hosts, family),
        _exchanger_addresses(host, settings.target_domains, family),
        _addresses(host, settings.control_hosts, family),
    )
    smtp = tuple(dict.fromkeys((*named[0], *exchanged[0])))
    return Targets(smtp, tuple(dict.fromkeys((*control, *smtp))), named[1] or exchanged[1])


async def _exchanger_addresses(
    host: Host, domains: tuple[str, ...], family: Family
) -> tuple[tuple[Target, ...], str]:
    answers = await asyncio.gather(*(host.dns.lookup(name, "MX") for name in domains))
    names = [
        name
        for answer in answers
        if isinstance(answer, Known)
        for name in mx_hosts(answer.value)[:MX_PER_DOMAIN]
    ]
    silent = next((answer.reason for answer in answers if isinstance(answer, Unknown)), "")
    targets, silent_addresses = await _addresses(host, tuple(names), family)
    return targets, silent or silent_addresses


def mx_hosts(answer: RecordSet) -> list[str]:
    """Return the hosts of an MX set, the most preferred first; a null MX (RFC 7505) has none."""
    pairs = (record.split(None, 1) for record in answer.records)
    hosts = sorted(
        (int(pair[0]), pair[1]) for pair in pairs if len(pair) == 2 and pair[0].isdecimal()
    )
    return [name.rstrip(".") for _, name in hosts if name.rstrip(".")]


async def _addresses(
    host: Host, names: tuple[str, ...], family: Family
) -> tuple[tuple[Target, ...], str]:
    rdtype = "A" if family is Family.IPV4 else "AAAA"
    answers = await asyncio.gather(*(host.dns.lookup(name, rdtype) for name in names))
    targets, silent = [], ""
    for name, answer in zip(names, answers, strict=True):
        if isinstance(answer, Unknown):
            silent = silent or answer.reason
        elif answer.value.records:
            targets.append(Target(name, answer.value.records[0]))
    return tuple(dict.fromkeys(targets)), silent


async def dial_smtp(target: Target, wait_s: float, identity: Identity | None) -> Attempt:
    """Dial port 25 and read the greeting."""
    return _attempt(target, await dial.greet(target.address, 25, wait_s, identity))


async def dial_control(target: Target, wait_s: float, identity: Identity | None) -> Attempt:
    """Dial port 443, which hardly any network blocks."""
    return _attempt(target, await dial.reach(target.address, 443, wait_s, identity))


def _attempt(target: Target, contact: Contact) -> Attempt:
    return Attempt(
        target=target.name,
        address=target.address,
        port=contact.port,
        way=contact.outcome,
        detail=contact.detail,
        banner=(contact.banner or "").split("\n")[0],
    )


async def _until_reached(
    smtp: Sequence[Awaitable[Attempt]], control: Sequence[Awaitable[Attempt]]
) -> list[Attempt]:
    """Run all calls at once; once a mail server has answered, the others get a short grace."""
    mail_calls = [asyncio.ensure_future(call) for call in smtp]
    calls = mail_calls + [asyncio.ensure_future(call) for call in control]
    pending = set(mail_calls)
    while pending and not any(each.result().greeted for each in mail_calls if each.done()):
        _, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
    left = {call for call in calls if not call.done()}
    if left:
        await asyncio.wait(left, timeout=GRACE_S if pending else None)
    for call in calls:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)
    return [call.result() for call in calls if not call.cancelled()]
