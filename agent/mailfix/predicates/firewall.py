"""Checks of the firewall's verdicts on mail ports."""

from __future__ import annotations

from collections.abc import Iterator

from mailfix.facts import (
    Arrival,
    Blocker,
    Flow,
    HostAddress,
    Listener,
    Mta,
    PortVerdict,
)
from mailfix.model import WHOLE, Family, of_the_internet, percent
from mailfix.predicates.answer import Answer, failed, passed, unknown
from mailfix.predicates.listening import serves

MAX_TOLD = 10
PLAIN_AND_TLS = {143: 993, 110: 995}


def inbound_open(
    listeners: tuple[Listener, ...],
    addresses: tuple[HostAddress, ...],
    firewall: tuple[PortVerdict, ...],
    family: Family,
    ports: list[int],
) -> Iterator[Answer]:
    """The firewall lets the Internet in to the mail ports that the host serves."""
    verdicts = {each.port: each for each in firewall if each.flow is Flow.IN}
    served = {each.port for each in listeners if serves(each, family, addresses)}
    if family is Family.IPV4:
        served.add(25)
    for port in ports:
        if port not in verdicts or port not in served:
            continue
        if not _left_to_its_tls_sibling(verdicts, served, port):
            yield _judged(verdicts[port])


def _left_to_its_tls_sibling(verdicts: dict[int, PortVerdict], served: set[int], port: int) -> bool:
    """A firewall that opens 993 and nothing by the number 143 keeps plain text out on purpose."""
    sibling = verdicts.get(PLAIN_AND_TLS.get(port, 0))
    return (
        sibling is not None
        and sibling.port in served
        and sibling.passes > WHOLE
        and verdicts[port].passes < WHOLE
        and not verdicts[port].doubts
        and all(blocker.general or blocker.ban for blocker in verdicts[port].blockers)
    )


def outbound_open(
    mta: Mta | None, firewall: tuple[PortVerdict, ...], family: Family
) -> Iterator[Answer]:
    """The firewall lets the mail user out to tcp/25."""
    if mta is not None and not mta.sends_directly:
        return
    if family is Family.IPV6 and (mta is None or not mta.speaks_ipv6):
        return
    for verdict in firewall:
        if verdict.flow is Flow.OUT and verdict.port == 25:
            yield _judged(verdict)


def resolvers_reachable(dns_out: tuple[PortVerdict, ...], family: Family) -> Iterator[Answer]:
    """The firewall lets the mail user ask each resolver, by UDP and by TCP."""
    for verdict in dns_out:
        subject: dict[str, str | int] = {
            "resolver": verdict.far,
            "protocol": verdict.protocol,
            "family": family.value,
        }
        words: dict[str, str | int] = {**subject, "family": family.label, "cause": ""}
        if verdict.blockers:
            yield failed(subject, words | {"cause": _cause(verdict.blockers[0])})
        elif verdict.doubts:
            reason = f"whether the firewall lets {verdict.protocol}/53 out to {verdict.far} is "
            yield unknown(subject, f"{reason}undecided: {verdict.doubts[0].reason}")
        else:
            yield passed(subject, words)


def redirects_served(
    all_listeners: tuple[Listener, ...],
    addresses: tuple[HostAddress, ...],
    firewall: tuple[PortVerdict, ...],
    family: Family,
) -> Iterator[Answer]:
    """Where the firewall sends a mail port on to another port of the host, something listens."""
    served = {each.port for each in all_listeners if serves(each, family, addresses)}
    for verdict in firewall:
        dead_ends = [each for each in verdict.arrivals if each.port not in served]
        if dead_ends:
            yield failed(_subject(verdict), _way(verdict, dead_ends[0]))
        elif verdict.arrivals:
            yield passed(_subject(verdict), _way(verdict, verdict.arrivals[0]))


def _way(verdict: PortVerdict, arrival: Arrival) -> dict[str, str | int]:
    return {
        "port": verdict.port,
        "family": verdict.family.label,
        "share": of_the_internet(arrival.share),
        "arrival": arrival.port,
        "rule": arrival.rule,
    }


def _subject(verdict: PortVerdict) -> dict[str, str | int]:
    return {"port": verdict.port, "family": verdict.family.value}


def _judged(verdict: PortVerdict) -> Answer:
    faults = [blocker for blocker in verdict.blockers if not blocker.ban]
    doubt = sum(each.share for each in verdict.doubts)
    evidence = (*_blocks(faults), *_doubts(verdict))
    if faults:
        return failed(_subject(verdict), _words(verdict), evidence)
    if doubt > 1 - WHOLE:
        reason = f"the firewall's verdict on {_port(verdict)} is undecided for {percent(doubt)} of "
        return unknown(
            _subject(verdict), f"{reason}the Internet: {verdict.doubts[0].reason}", evidence
        )
    return passed(_subject(verdict), _words(verdict), evidence)


def _blocks(faults: list[Blocker]) -> Iterator[str]:
    """Tell each blocker's share; one that blocks everything is told by the message already."""
    if len(faults) > 1 or any(each.share < WHOLE for each in faults):
        for each in faults[:MAX_TOLD]:
            yield f"{percent(each.share)} {each.action}: {each.rule}"


def _doubts(verdict: PortVerdict) -> Iterator[str]:
    for each in verdict.doubts[:MAX_TOLD]:
        yield f"{percent(each.share)} undecided: {each.reason}"


def _port(verdict: PortVerdict) -> str:
    return f"tcp/{verdict.port} over {verdict.family.label}"


def _words(verdict: PortVerdict) -> dict[str, str | int]:
    faults = [blocker for blocker in verdict.blockers if not blocker.ban]
    bans = [blocker for blocker in verdict.blockers if blocker.ban]
    return {
        "port": verdict.port,
        "family": verdict.family.label,
        "share": of_the_internet(sum(each.share for each in faults)),
        "cause": _cause(faults[0]) if faults else "",
        "others": f" and {len(faults) - 1} more" if len(faults) > 1 else "",
        "bans": f" ({sum(each.rules for each in bans)} bans left alone)" if bans else "",
    }


def _cause(fault: Blocker) -> str:
    if fault.answer:
        return f"because the answers are stopped by {fault.rule}"
    if fault.later:
        return f"because all but the first packets are stopped by {fault.rule}"
    return f"by {fault.rule}"
