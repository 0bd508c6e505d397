"""Checks of the SPF records of mail domains, and of what they say about this host."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from mailfix.facts import Mta
from mailfix.mail_records.spf import SpfPolicy, SpfVerdict
from mailfix.mail_records.spf.evaluation import MAX_LOOKUPS, Result
from mailfix.model import Family, Known
from mailfix.predicates.answer import Answer, Evidence, failed, passed, unknown

WITHOUT_ADDRESS = (
    "Publish a TXT record at {domain} that begins with v=spf1, names whoever sends for the domain "
    "(ip4:ADDRESS, ip6:ADDRESS, or the include: that the provider of the smart host names) and "
    "ends in ~all."
)
BY_HAND = (
    "Correct the SPF record of {domain} by hand; which of its terms are still wanted only the "
    "owner of the domain knows."
)
REDUCE = (
    "Bring the record to 10 lookups or fewer: drop what no longer sends for the domain; give "
    "newsletters and other services a subdomain of their own; write ip4: and ip6: in place of a, "
    "mx and includes whose addresses do not change. {costs}."
)
HELO_BY_HAND = "Correct the SPF record of {helo}: {reason}."
BOUNCES_ALIKE = ("fail", "softfail", "permerror")


def spf_published(in_dns: bool, spf: SpfPolicy, domain: str) -> Iterator[Answer]:
    """The domain has an SPF record."""
    if not in_dns:
        return
    if spf.count:
        yield passed({"domain": domain}, _words(spf, domain), _evidence(spf, domain))
    else:
        yield _failed(spf, domain, (f"DNS: no v=spf1 in TXT {domain}",), WITHOUT_ADDRESS)


def spf_single(in_dns: bool, spf: SpfPolicy, domain: str) -> Iterator[Answer]:
    """The domain has one SPF record only: several are an error (RFC 7208 section 4.5)."""
    if not in_dns or not spf.count:
        return
    if spf.count == 1:
        yield passed({"domain": domain}, _words(spf, domain))
    else:
        yield _failed(spf, domain, _evidence(spf, domain), BY_HAND)


def spf_evaluable(in_dns: bool, spf: SpfPolicy, domain: str) -> Iterator[Answer]:
    """The record, and each that it leads to, can be evaluated."""
    if not in_dns or spf.count != 1:
        return
    if spf.problem:
        yield _failed(spf, domain, _evidence(spf, domain), BY_HAND)
    elif spf.doubt:
        yield unknown({"domain": domain}, spf.doubt)
    else:
        yield passed({"domain": domain}, _words(spf, domain))


def spf_within_lookups(in_dns: bool, spf: SpfPolicy, domain: str) -> Iterator[Answer]:
    """An evaluation to the end costs ten lookups at most (RFC 7208 section 4.6.4)."""
    if not in_dns or spf.count != 1 or spf.problem:
        return
    if spf.lookups > MAX_LOOKUPS:
        yield _failed(spf, domain, (*_evidence(spf, domain), *spf.costs), REDUCE)
    elif not spf.doubt:
        yield passed({"domain": domain}, _words(spf, domain))


def spf_closed(in_dns: bool, spf: SpfPolicy, domain: str) -> Iterator[Answer]:
    """The record does not let the whole Internet send for the domain."""
    if not in_dns or spf.count != 1 or spf.problem:
        return
    if spf.opens:
        yield _failed(spf, domain, _evidence(spf, domain), BY_HAND)
    elif not spf.doubt:
        yield passed({"domain": domain}, _words(spf, domain))


def spf_without_ptr(in_dns: bool, spf: SpfPolicy, domain: str) -> Iterator[Answer]:
    """The record does without ``ptr`` (RFC 7208 section 5.5)."""
    if not in_dns or spf.count != 1 or spf.problem:
        return
    answer = failed if spf.uses_ptr else passed
    yield answer({"domain": domain}, _words(spf, domain), _evidence(spf, domain))


def spf_admits_host(
    in_dns: bool,
    mta: Mta | None,
    spf: SpfPolicy,
    spf_verdict: SpfVerdict | None,
    results: list[str],
    domain: str,
    family: Family,
) -> Iterator[Answer]:
    """Mail from this host passes; ``results`` are those that the rule is about.

    Silent where the record as a whole is the cause, and for a host that hands its mail to another.
    """
    if not in_dns or mta is None or not mta.sends_directly or spf_verdict is None:
        return
    if spf.count != 1 or spf.is_mute:
        return
    subject = {"domain": domain, "family": family.value}
    words = _words(spf, domain) | _told(spf_verdict) | {"family": family.label}
    evidence = _evidence(spf, domain)
    if spf_verdict.result is Result.PASS:
        yield passed(subject, words, evidence)
    elif spf_verdict.result in results and not _is_told_of_all(spf, spf_verdict):
        yield failed(
            subject,
            words,
            evidence,
            advice=None if spf.proposal else BY_HAND,
            fixable=_can_be_published(spf),
        )


def spf_admits_helo(
    mta: Mta | None, helo_spf: SpfVerdict | None, family: Family
) -> Iterator[Answer]:
    """The HELO name lets mail from this host pass, where it says anything about it.

    It answers for mail without a return path, as all bounces are (RFC 7208 section 2.4).
    """
    if mta is None or not mta.sends_directly or helo_spf is None:
        return
    if not isinstance(mta.helo, Known) or helo_spf.result in (Result.NONE, Result.NEUTRAL):
        return
    helo = mta.helo.value
    subject = {"family": family.value}
    version = ipaddress.ip_address(helo_spf.address).version
    words = _told(helo_spf) | {"helo": helo, "term": f"ip{version}:{helo_spf.address}"}
    if helo_spf.result in BOUNCES_ALIKE:
        is_error = helo_spf.result is Result.PERMERROR
        yield failed(subject, words, advice=HELO_BY_HAND if is_error else None)
    else:
        yield passed(subject, words)


def _is_told_of_all(spf: SpfPolicy, verdict: SpfVerdict) -> bool:
    """Tell whether another rule names the cause of a "permerror"."""
    if verdict.result is not Result.PERMERROR:
        return False
    return bool(spf.problem) or spf.lookups > MAX_LOOKUPS


def _can_be_published(spf: SpfPolicy) -> bool:
    return spf.proposal is not None and not spf.proposal.alias_of


def _failed(spf: SpfPolicy, domain: str, evidence: Evidence, by_hand: str) -> Answer:
    return failed(
        {"domain": domain},
        _words(spf, domain),
        evidence,
        advice=None if spf.proposal else by_hand,
        fixable=_can_be_published(spf),
    )


def _words(spf: SpfPolicy, domain: str) -> dict[str, str | int]:
    return {
        "domain": domain,
        "count": spf.count,
        "problem": spf.problem,
        "lookups": spf.lookups,
        "costs": "; ".join(spf.costs),
        "opens": spf.opens,
        "record": spf.proposal.told() if spf.proposal else "",
    }


def _told(verdict: SpfVerdict) -> dict[str, str | int]:
    reason = verdict.problem or verdict.mechanism or "no term names it"
    return {"address": verdict.address, "result": verdict.result.value, "reason": reason}


def _evidence(spf: SpfPolicy, domain: str) -> Evidence:
    return tuple(f"{domain} TXT {text}" for text in spf.texts)
