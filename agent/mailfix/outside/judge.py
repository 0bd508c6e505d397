"""What the dialogues mean: a state and a verdict per address and port. Pure.

A SYN without an answer proves nothing by itself: the packet may have been dropped by the target's
firewall or by the network of the machine that looks. Port 25 counts as proven only where port 25
of another address of the family answered, other ports where any port of the family did.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from mailfix.facts import Way
from mailfix.model import Family, Known, Status, Unknown
from mailfix.outside import names, protocols
from mailfix.outside.model import (
    SERVICES,
    Dialogue,
    FamilyAddresses,
    PortResult,
    ProbeReport,
    Speech,
    State,
    Target,
    Tls,
)

RELAY_PORT = 25
_OLD_TLS = ("SSLv3", "TLSv1", "TLSv1.1")
_MAIL = (Speech.SMTP, Speech.IMAP, Speech.POP3)
_WORST_FIRST = (Status.FAIL, Status.UNKNOWN, Status.PASS)


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: which ports of which host must be open, at which time (UTC)."""

    target: Target
    required: frozenset[int]
    now: datetime


def required_ports(asked: Collection[int] | None) -> frozenset[int]:
    """The ports that must be open: those that were named, or port 25 where none was."""
    return frozenset({RELAY_PORT} if asked is None else asked)


def results_of(question: Question, dialogues: Sequence[Dialogue]) -> tuple[PortResult, ...]:
    """The verdict on every dialogue, worst first."""
    results = [_result(question, dialogue, dialogues) for dialogue in dialogues]
    return tuple(sorted(results, key=_badness))


def complaints(
    target: Target, families: Sequence[FamilyAddresses]
) -> tuple[tuple[Status, str], ...]:
    """What is wrong with, or unknown about, the target's addresses."""
    unknown = [
        (Status.UNKNOWN, f"{family.family.label} addresses: {family.addresses.reason}")
        for family in families
        if isinstance(family.addresses, Unknown)
    ]
    if not unknown and not any(addresses(family) for family in families):
        return ((Status.FAIL, f"{target.host} has no address: neither an A nor an AAAA record"),)
    return tuple(unknown)


def addresses(family: FamilyAddresses) -> tuple[str, ...]:
    """The addresses of a family that are known."""
    return family.addresses.value if isinstance(family.addresses, Known) else ()


def exit_code(report: ProbeReport) -> int:
    """0 all asked ports are open and sane, 1 something is wrong, 2 something is unknown only."""
    seen = {result.status for result in report.results}
    seen |= {status for status, _ in report.complaints}
    if Status.FAIL in seen:
        return 1
    return 2 if Status.UNKNOWN in seen else 0


def _badness(result: PortResult) -> tuple[int, bool, int, str, str]:
    dialogue = result.dialogue
    return (
        _WORST_FIRST.index(result.status),
        not result.warnings,
        dialogue.port,
        dialogue.family,
        dialogue.address,
    )


def _result(question: Question, dialogue: Dialogue, all_of_them: Sequence[Dialogue]) -> PortResult:
    if dialogue.outcome is Way.OPEN:
        return _connected(question, dialogue)
    if dialogue.no_route:
        why = f"this machine has no {dialogue.family.label} route: {dialogue.detail}"
        return PortResult(dialogue, State.UNKNOWN, Status.UNKNOWN, why)
    required = dialogue.port in question.required
    if dialogue.outcome is Way.REFUSED:
        return _refused(dialogue, required)
    if dialogue.outcome is Way.ERROR:
        return PortResult(dialogue, State.UNKNOWN, Status.UNKNOWN, f"not tried: {dialogue.detail}")
    return _unanswered(dialogue, required, all_of_them)


def _refused(dialogue: Dialogue, required: bool) -> PortResult:
    if not required:
        return PortResult(dialogue, State.REFUSED, Status.PASS, "not offered")
    meaning = "nothing listens there, or a firewall rejects it"
    return PortResult(dialogue, State.REFUSED, Status.FAIL, meaning)


def _unanswered(dialogue: Dialogue, required: bool, all_of_them: Sequence[Dialogue]) -> PortResult:
    timed_out = dialogue.outcome is Way.TIMEOUT
    state = State.FILTERED if timed_out else State.UNREACHABLE
    seen = "no answer" if timed_out else f"unreachable ({dialogue.detail})"
    doubt = _doubt(dialogue, all_of_them)
    if doubt and (required or not _answers(dialogue.family, all_of_them)):
        return PortResult(dialogue, state, Status.UNKNOWN, f"{seen}: {doubt}")
    if required:
        meaning = f"{seen}: a firewall in front of the host, or its own, blocks it"
        return PortResult(dialogue, state, Status.FAIL, meaning)
    return PortResult(
        dialogue, state, Status.PASS, f"{seen}: not offered, or kept closed by a firewall"
    )


def _doubt(dialogue: Dialogue, all_of_them: Sequence[Dialogue]) -> str:
    """Why silence on this port may be the fault of this machine's network; empty if it is not."""
    answering = _answers(dialogue.family, all_of_them)
    if not answering:
        return (
            f"nothing that was tried over {dialogue.family.label} answered; the host is down, "
            "drops everything, or cannot be reached from this machine's network"
        )
    if dialogue.port != RELAY_PORT or RELAY_PORT in answering:
        return ""
    return (
        "other ports answer; either a firewall blocks port 25 there, or this machine's own "
        "network lets nothing out on port 25, as most home and many hosting networks do; "
        "look again from another network"
    )


def _answers(family: Family, dialogues: Sequence[Dialogue]) -> frozenset[int]:
    answered = (Way.OPEN, Way.REFUSED)
    return frozenset(
        dialogue.port
        for dialogue in dialogues
        if dialogue.family is family and dialogue.outcome in answered
    )


def _connected(question: Question, dialogue: Dialogue) -> PortResult:
    for answer in (_speechless(dialogue), _out_of_place(dialogue), _unwilling(dialogue)):
        if answer is not None:
            return answer
    return _open(question, dialogue)


def _speechless(dialogue: Dialogue) -> PortResult | None:
    if dialogue.banner is not None or dialogue.speech is Speech.TLS:
        return None
    if dialogue.tls is not None:
        meaning = "starts TLS, but says nothing inside"
    elif dialogue.tls_complaint:
        meaning = f"accepts the connection, but not TLS: {dialogue.tls_complaint}"
        return PortResult(dialogue, State.UNEXPECTED, Status.FAIL, meaning)
    elif dialogue.detail:
        meaning = f"accepts the connection and greets nobody: {dialogue.detail}"
        return PortResult(dialogue, State.UNEXPECTED, Status.FAIL, meaning)
    else:
        meaning = "accepts the connection, but says nothing"
    return PortResult(dialogue, State.SILENT, Status.FAIL, meaning)


def _out_of_place(dialogue: Dialogue) -> PortResult | None:
    service = SERVICES.get(dialogue.port)
    speech = dialogue.speech or Speech.UNKNOWN
    if service is None:
        if speech in _MAIL:
            return None
        meaning = f"no mail server: {speech.label} answers"
    elif speech is Speech.TLS:
        meaning = f"expects TLS from the first byte, where {service.speech.label} begins in clear"
    elif speech is not service.speech:
        meaning = f"{speech.label} answers, where {service.speech.label} belongs"
    elif service.implicit_tls and dialogue.tls is None:
        meaning = f"{speech.label} in clear, where TLS is expected from the first byte"
    else:
        return None
    return PortResult(dialogue, State.UNEXPECTED, Status.FAIL, meaning)


def _unwilling(dialogue: Dialogue) -> PortResult | None:
    label = (dialogue.speech or Speech.UNKNOWN).label
    refusal = protocols.refuses(dialogue.banner or "")
    first_line = (dialogue.banner or "").split("\n")[0]
    if refusal == "later":
        meaning = f"{label} refuses for now, everybody or only this machine: {first_line}"
        return PortResult(dialogue, State.UNEXPECTED, Status.UNKNOWN, meaning)
    if refusal:
        meaning = f"{label} refuses service, to everybody or only to this machine: {first_line}"
        return PortResult(dialogue, State.UNEXPECTED, Status.FAIL, meaning)
    if dialogue.detail and dialogue.starttls_offered is None:
        meaning = f"begins as {label}, but breaks off: {dialogue.detail}"
        return PortResult(dialogue, State.UNEXPECTED, Status.FAIL, meaning)
    return None


def _open(question: Question, dialogue: Dialogue) -> PortResult:
    label = (dialogue.speech or Speech.UNKNOWN).label
    if dialogue.tls_complaint:
        meaning = f"{label}, but STARTTLS fails: {dialogue.tls_complaint}"
        return PortResult(dialogue, State.OPEN, Status.FAIL, meaning)
    notes, warnings = _greeting_notes(question.target, dialogue), list[str]()
    if dialogue.tls is None:
        warnings.append("no TLS: what is sent there can be read on the way")
        meaning = f"{label}, in clear only"
    else:
        notes += _certificate_notes(dialogue.tls)
        doubts = _certificate_doubts(question, dialogue.tls)
        (notes if dialogue.port == RELAY_PORT else warnings).extend(doubts)
        meaning = f"{label}, {dialogue.tls.version}"
    return PortResult(dialogue, State.OPEN, Status.PASS, meaning, tuple(notes), tuple(warnings))


def _greeting_notes(target: Target, dialogue: Dialogue) -> list[str]:
    name = protocols.greeted_name(dialogue.banner or "")
    differs = name and not target.is_address and name.lower().rstrip(".") != target.host
    return [f"greets as {name}"] if differs else []


def _certificate_notes(tls: Tls) -> list[str]:
    certificate = tls.certificate
    if certificate is None:
        return []
    whose = ", ".join(certificate.names) or certificate.common_name or "nobody"
    until = certificate.not_after.date().isoformat()
    signer = "self-signed" if certificate.self_signed else f"by {certificate.issuer or 'nobody'}"
    return [f"certificate for {whose}, until {until}, {signer}"]


def _certificate_doubts(question: Question, tls: Tls) -> list[str]:
    doubts = []
    certificate = tls.certificate
    if tls.verified is None:
        doubts.append("the certificate was not verified: this machine has no certificate store")
    elif not tls.verified:
        doubts.append(f"the certificate does not verify: {tls.complaint}")
    if certificate is None:
        return [*doubts, "the certificate cannot be read"]
    if not question.target.is_address and not names.is_for(certificate, question.target):
        doubts.append(f"the certificate is not for {question.target.host}")
    if certificate.not_after < question.now:
        doubts.append("the certificate has expired")
    elif certificate.not_before > question.now:
        doubts.append("the certificate is not valid yet")
    if tls.version in _OLD_TLS:
        doubts.append(f"{tls.version} is obsolete (RFC 8996)")
    return doubts
