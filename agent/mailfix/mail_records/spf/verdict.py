"""What receivers make of mail from this host, by SPF."""

from __future__ import annotations

from dataclasses import dataclass

from mailfix.mail_records.mail_host import MailHost
from mailfix.mail_records.spf.evaluation import Mail, Result, check_host
from mailfix.model import Fact, Family, Known, PerFamily, Unknown
from mailfix.record_set import Lookup


@dataclass(frozen=True, slots=True)
class SpfVerdict:
    """What ``check_host()`` says of mail from one address of this host (RFC 7208 section 4).

    ``mechanism`` is what decided, with the way to it; "" where no mechanism matched. ``problem``
    says why the result is "permerror". ``lookups`` and ``voids`` are those that count against the
    limits (section 4.6.4). The result is never "temperror": that is Unknown.
    """

    address: str
    result: Result
    mechanism: str = ""
    problem: str = ""
    lookups: int = 0
    voids: int = 0


async def examine_verdicts(
    lookup: Lookup, domain: str, host: MailHost
) -> PerFamily[SpfVerdict | None]:
    """Judge each address of this host; None where it does not send over the family."""
    helo = _helo(host, domain)
    return PerFamily(
        await _verdict(lookup, domain, host.senders.of(Family.IPV4), helo),
        await _verdict(lookup, domain, host.senders.of(Family.IPV6), helo),
    )


async def examine_helo(lookup: Lookup, host: MailHost) -> PerFamily[SpfVerdict | None]:
    """Judge mail without a return path (bounces), for which the HELO name answers (section 2.4)."""
    if isinstance(host.helo, Unknown):
        return PerFamily(host.helo, host.helo)
    return await examine_verdicts(lookup, host.helo.value, host)


def _helo(host: MailHost, domain: str) -> str:
    names = [fact.value for fact in (host.helo, host.hostname) if isinstance(fact, Known)]
    return names[0] if names else domain


async def _verdict(
    lookup: Lookup, domain: str, sender: Fact[str | None], helo: str
) -> Fact[SpfVerdict | None]:
    if isinstance(sender, Unknown):
        return sender
    if sender.value is None:
        return Known(None)
    told = await check_host(lookup, Mail(sender.value, f"postmaster@{domain}", helo), domain)
    if told.result is Result.TEMPERROR:
        return Unknown(told.problem)
    return Known(
        SpfVerdict(
            sender.value, told.result, told.mechanism, told.problem, told.lookups, told.voids
        )
    )
