"""Checks of the DMARC policies of mail domains."""

from __future__ import annotations

from collections.abc import Iterator

from mailfix.facts import Mta
from mailfix.mail_records.dkim import PublishedKey, PublishedKeys, Signing
from mailfix.mail_records.dmarc import DmarcPolicy
from mailfix.mail_records.dmarc_record import Request
from mailfix.mail_records.spf import SpfVerdict
from mailfix.mail_records.spf.evaluation import Result
from mailfix.model import Fact, Family, Known, Unknown
from mailfix.predicates.answer import Answer, Evidence, Words, failed, passed, unknown

MAX_TOLD = 6
_CONSEQUENCE = {Request.REJECT: "refused", Request.QUARANTINE: "taken for spam"}


def dmarc_published(in_dns: bool, dmarc: DmarcPolicy, domain: str) -> Iterator[Answer]:
    """Receivers find a DMARC record for the domain, at itself or above it."""
    if not in_dns:
        return
    alias = dmarc.proposal.alias_of if dmarc.proposal else ""
    at = f"_dmarc.{domain} (a CNAME to {alias})" if alias else f"_dmarc.{domain}"
    nothing = (f"DNS: no DMARC record at {at}",)
    yield from _told(dmarc, domain, bool(dmarc.name), _words(dmarc), _evidence(dmarc) or nothing)


def dmarc_single(in_dns: bool, dmarc: DmarcPolicy, domain: str) -> Iterator[Answer]:
    """There is one DMARC record only: of several, receivers follow none."""
    if not in_dns or not dmarc.name:
        return
    yield from _told(dmarc, domain, not dmarc.several, _words(dmarc), _evidence(dmarc))


def dmarc_readable(in_dns: bool, dmarc: DmarcPolicy, domain: str) -> Iterator[Answer]:
    """Receivers make a policy of the DMARC record."""
    if not in_dns or not dmarc.name or dmarc.several:
        return
    yield from _told(dmarc, domain, dmarc.record is not None, _words(dmarc), _evidence(dmarc))


def dmarc_understood(in_dns: bool, dmarc: DmarcPolicy, domain: str) -> Iterator[Answer]:
    """Receivers understand every part of the DMARC record that they know a tag for."""
    if not in_dns or dmarc.record is None:
        return
    overlooked = dmarc.record.overlooked
    words = _words(dmarc) | {"overlooked": "; ".join(overlooked)}
    yield from _told(dmarc, domain, not overlooked, words, _evidence(dmarc))


def _told(
    dmarc: DmarcPolicy, domain: str, good: bool, words: Words, evidence: Evidence
) -> Iterator[Answer]:
    """A fault of the organisational domain is told once, and not of each domain below it."""
    if good:
        yield passed({"domain": domain}, words, evidence)
    elif not dmarc.is_told_above:
        aliased = dmarc.proposal is not None and bool(dmarc.proposal.alias_of)
        yield failed({"domain": domain}, words, evidence, fixable=not aliased)


def dmarc_reports_authorised(in_dns: bool, dmarc: DmarcPolicy, domain: str) -> Iterator[Answer]:
    """Whoever is to get the reports has agreed to that (RFC 7489 section 7.1)."""
    if not in_dns or dmarc.record is None or dmarc.inherited:
        return
    for reporter in dmarc.reporters:
        subject = {"domain": domain, "mailbox": reporter.mailbox}
        words = {"domain": domain, "mailbox": reporter.mailbox, "question": reporter.question}
        match reporter.authorised:
            case Unknown(reason):
                yield unknown(subject, reason)
            case Known(agreed):
                evidence = () if agreed else (f"DNS: no v=DMARC1 at {reporter.question}",)
                yield passed(subject, words) if agreed else failed(subject, words, evidence)


def dmarc_passed(
    in_dns: bool,
    mta: Mta | None,
    dmarc: DmarcPolicy,
    spf_verdict: SpfVerdict | None,
    signing: Signing | None,
    dkim_key: PublishedKeys | None,
    domain: str,
    family: Family,
) -> Iterator[Answer]:
    """Where a domain asks receivers to act, mail of it from this host passes DMARC.

    The return path is taken to be of the same domain as From, as the MTA sends it. It passes by
    SPF or by an aligned signature (RFC 7489 section 4.2).
    """
    if not in_dns or mta is None or not mta.sends_directly or spf_verdict is None:
        return
    if dmarc.effect not in _CONSEQUENCE:
        return
    subject = {"domain": domain, "family": family.value}
    signed = _signed(dmarc, signing, dkim_key)
    by_spf = spf_verdict.result is Result.PASS
    words = _words(dmarc) | {
        "family": family.label,
        "address": spf_verdict.address,
        "consequence": _CONSEQUENCE[dmarc.effect],
        "ways": " and ".join(["SPF"] * by_spf + ["DKIM"] * (signed == Known(""))),
        "result": spf_verdict.result.value,
        "why": signed.value if isinstance(signed, Known) else "",
    }
    if by_spf or signed == Known(""):
        yield passed(subject, words)
    elif isinstance(signed, Unknown):
        yield unknown(subject, f"SPF says {spf_verdict.result.value}, and {signed.reason}")
    else:
        yield failed(subject, words, _evidence(dmarc))


def _signed(
    dmarc: DmarcPolicy, signing: Signing | None, dkim_key: PublishedKeys | None
) -> Fact[str]:
    """Say why no signature passes for this domain, "" where one does."""
    if signing is None or dkim_key is None:
        return Known("it carries no signature")
    if signing.trouble:
        return Known(f"it cannot be signed: {signing.trouble}")
    found = [_passes(dmarc, key) for key in dkim_key.keys]
    if Known("") in found:
        return Known("")
    doubts = [each for each in found if isinstance(each, Unknown)]
    return doubts[0] if doubts else next(iter(found), Known("it carries no signature"))


def _passes(dmarc: DmarcPolicy, key: PublishedKey) -> Fact[str]:
    signature = key.signature
    told = f"its signature d={signature.domain} s={signature.selector}"
    aligned = dmarc.aligned(
        signature.domain, strict=dmarc.record is not None and dmarc.record.strict_dkim
    )
    if aligned == Known(False):
        return Known(f"{told} is not aligned with {dmarc.domain}")
    if signature.trouble:
        return Known(f"{told} cannot be made: {signature.trouble}")
    match key.verdict, aligned:
        case (Unknown(), _):
            return key.verdict
        case (Known(verdict), _) if verdict.fault:
            return Known(f"{told} does not pass: {verdict.detail}")
        case (_, Unknown()):
            return aligned
        case (Known(verdict), _) if verdict.uncompared:
            return Unknown(verdict.uncompared)
    return Known("")


def _words(dmarc: DmarcPolicy) -> dict[str, str | int]:
    where = f"inherited from {dmarc.name}" if dmarc.inherited else f"at {dmarc.name}"
    return {
        "domain": dmarc.domain,
        "where": where,
        "name": dmarc.name,
        "count": len(dmarc.texts),
        "request": dmarc.request.value if dmarc.request else "",
        "fault": dmarc.fault,
        "record": dmarc.proposal.told() if dmarc.proposal else "",
    }


def _evidence(dmarc: DmarcPolicy) -> Evidence:
    return tuple(f"{dmarc.name} TXT {text}" for text in dmarc.texts[:MAX_TOLD])
