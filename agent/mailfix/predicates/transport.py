"""Checks of what a domain tells senders about TLS: MTA-STS, TLS-RPT, DANE."""

from __future__ import annotations

from collections.abc import Iterator

from mailfix.mail_records.transport import Dane, MtaSts, TransportPolicy
from mailfix.model import Known, Unknown
from mailfix.predicates.answer import Answer, failed, passed, unknown

MAX_TOLD = 6
MAX_AGE_S = 604_800
ENFORCE = "enforce"


def sts_followed(in_dns: bool, transport: TransportPolicy, domain: str) -> Iterator[Answer]:
    """Where a domain announces MTA-STS, senders find a policy that they can follow."""
    if not in_dns:
        return
    match transport.sts:
        case Unknown(reason):
            yield unknown({"domain": domain}, reason)
        case Known(MtaSts() as sts):
            words = {"domain": domain, "fault": sts.fault, "mode": "", "record": _policy(sts)}
            if sts.policy:
                yield passed({"domain": domain}, words | {"mode": sts.policy.mode})
            else:
                yield failed({"domain": domain}, words)


def _policy(sts: MtaSts) -> str:
    if sts.proposal:
        return sts.proposal.told()
    lines = ("version: STSv1", "mode: testing", "mx: NAME (a line for each mail server)")
    return "\n".join(f"  {line}" for line in (*lines, f"max_age: {MAX_AGE_S}"))


def sts_covers_mx(in_dns: bool, transport: TransportPolicy, domain: str) -> Iterator[Answer]:
    """The MTA-STS policy names all mail servers of the domain.

    Others are not used by senders that follow it, where its mode is enforce.
    """
    match transport.sts:
        case Known(MtaSts(policy=policy, uncovered=uncovered)) if policy and in_dns:
            words = {
                "domain": domain,
                "mode": policy.mode,
                "names": ", ".join(uncovered[:MAX_TOLD]),
            }
            bad = bool(uncovered) and policy.mode == ENFORCE
            evidence = tuple(f"the policy has mx: {each}" for each in policy.patterns[:MAX_TOLD])
            answer = failed if bad else passed
            yield answer({"domain": domain}, words, evidence)


def tls_reports_sent(in_dns: bool, transport: TransportPolicy, domain: str) -> Iterator[Answer]:
    """Where a domain asks for reports about TLS, senders can follow its record."""
    if not in_dns:
        return
    match transport.reporting:
        case Unknown(reason):
            yield unknown({"domain": domain}, reason)
        case Known(reporting) if reporting:
            words = {
                "name": reporting.name,
                "fault": reporting.fault,
                "record": reporting.proposal.told() if reporting.proposal else "",
            }
            answer = failed if reporting.fault else passed
            yield answer({"domain": domain}, words, (f"{reporting.name} TXT {reporting.text}",))


def tlsa_matches(in_dns: bool, transport: TransportPolicy, domain: str) -> Iterator[Answer]:
    """TLSA records of an own mail server, as far as senders heed them, mean its certificate."""
    if not in_dns:
        return
    for fact in transport.dane:
        if isinstance(fact, Unknown):
            yield unknown({"domain": domain}, fact.reason)
        elif fact.value.secure != Known(False):
            yield _compared(fact.value, {"domain": domain, "mx": fact.value.mx})


def _compared(dane: Dane, subject: dict[str, str]) -> Answer:
    evidence = tuple(f"_25._tcp.{dane.mx} TLSA {each}" for each in dane.records[:MAX_TOLD])
    record = dane.proposal.told() if dane.proposal else ""
    words = {"mx": dane.mx, "record": record}
    match dane.matches, dane.secure:
        case Unknown(reason), _:
            return unknown(subject, reason, evidence)
        case Known(False), Unknown(reason):
            reason = f"no TLSA record of {dane.mx} is that of the certificate shown here; {reason}"
            return unknown(subject, reason, evidence)
        case Known(False), _:
            return failed(subject, words, evidence)
        case _:
            return passed(subject, words, evidence)


def tlsa_heeded(in_dns: bool, transport: TransportPolicy, domain: str) -> Iterator[Answer]:
    """TLSA records of an own mail server are vouched for by DNSSEC: others are not heeded."""
    for fact in transport.dane if in_dns else ():
        if isinstance(fact, Unknown):
            continue
        subject = {"domain": domain, "mx": fact.value.mx}
        words = {"domain": domain, "mx": fact.value.mx}
        match fact.value.secure:
            case Unknown(reason):
                yield unknown(subject, reason)
            case Known(secure):
                yield passed(subject, words) if secure else failed(subject, words)
