"""TLS that senders are told to insist on: MTA-STS, DANE, and the reports about it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from mailfix.mail_records import mta_sts, tls_reporting, tlsa
from mailfix.mail_records.clipping import clipped
from mailfix.mail_records.mta_sts import BadPolicy, StsPolicy
from mailfix.mail_records.mx import Lead, MailExchange, Target
from mailfix.mail_records.proposal import ProposedSet
from mailfix.mail_records.public_suffix import LEAST_LABELS
from mailfix.model import Fact, Known, Unknown
from mailfix.record_set import Lookup, RecordSet

MAX_SHOWN = 200
MAX_RECORDS = 12
MAX_OWN_NAMES = 8
ROOT = "."


@dataclass(frozen=True, slots=True)
class Fetched:
    """The answer of a web server: a text, or in ``trouble`` why there is none for anybody."""

    text: str = ""
    trouble: str = ""


class Presented(Protocol):
    """Whoever can be asked what is shown over TLS, and what DNSSEC vouches for.

    Every question is put once. DNSSEC is the resolver's to check, whoever else is asked for
    records: a zone's own servers do not vouch for their answers.
    """

    async def policy(self, domain: str) -> Fact[Fetched]:
        """Fetch the MTA-STS policy of a domain (RFC 8461 section 3.3)."""

    async def certificates(self, target: Target) -> Fact[tuple[bytes, ...]]:
        """Return the chain, in DER, that this host shows on tcp/25 for a mail server's name."""

    async def vouched_for(self, domain: str, name: str) -> Fact[bool]:
        """Tell whether DNSSEC vouches for TLSA records; see :func:`vouched_for`."""


@dataclass(frozen=True, slots=True)
class TlsReporting:
    """The TLS-RPT record; ``fault`` says why senders send no report, "" where they do."""

    name: str
    text: str
    fault: str
    proposal: ProposedSet | None = None


@dataclass(frozen=True, slots=True)
class MtaSts:
    """MTA-STS of a domain; ``uncovered`` are its mail servers that the policy leaves out.

    ``fault`` says why senders follow no policy, "" where they follow ``policy``.
    """

    fault: str = ""
    policy: StsPolicy | None = None
    uncovered: tuple[str, ...] = ()
    proposal: ProposedSet | None = None


@dataclass(frozen=True, slots=True)
class Dane:
    """The TLSA records of a mail server's name that leads to this host.

    ``secure``: DNSSEC vouches for the MX set and for these, so that senders heed them (RFC 7672
    section 2.2). ``matches``: one of them means the certificate that is shown here.
    """

    mx: str
    records: tuple[str, ...]
    secure: Fact[bool]
    matches: Fact[bool]
    proposal: ProposedSet | None = None


@dataclass(frozen=True, slots=True)
class TransportPolicy:
    """MTA-STS, TLS-RPT and TLSA of a domain; None and () where it has none."""

    domain: str
    reporting: Fact[TlsReporting | None]
    sts: Fact[MtaSts | None]
    dane: tuple[Fact[Dane], ...] = ()

    @property
    def proposals(self) -> tuple[ProposedSet, ...]:
        """What should be published instead of what is there."""
        parts: list[Fact[TlsReporting | None] | Fact[MtaSts | None] | Fact[Dane]]
        parts = [self.reporting, self.sts, *self.dane]
        states = [part.value for part in parts if isinstance(part, Known)]
        return tuple(state.proposal for state in states if state and state.proposal)


async def examine(
    lookup: Lookup, domain: str, mx: Fact[MailExchange], presented: Presented
) -> Fact[TransportPolicy]:
    """Ask for all of it; what is shown over TLS is asked only where a record speaks of it."""
    return Known(
        TransportPolicy(
            domain,
            await _reporting(lookup, domain),
            await _sts(lookup, domain, mx, presented),
            await _dane(lookup, domain, mx, presented),
        )
    )


async def _reporting(lookup: Lookup, domain: str) -> Fact[TlsReporting | None]:
    name = f"_smtp._tls.{domain}"
    answer = await lookup.lookup(name, "TXT")
    if isinstance(answer, Unknown):
        return answer
    texts = _meant(answer.value.records, tls_reporting.is_record, "tlsrpt")
    if not texts:
        return Known(None)
    fault = tls_reporting.fault_of(texts[0]) if len(texts) == 1 else _several(texts)
    cure = _kept_reporting(answer.value.owner or name, texts) if fault else None
    return Known(TlsReporting(name, clipped(texts[0]), fault, cure))


def _kept_reporting(name: str, texts: tuple[str, ...]) -> ProposedSet | None:
    kept = next((fixed for text in texts if (fixed := tls_reporting.repaired(text))), None)
    add = () if kept is None or kept in texts else (kept,)
    return ProposedSet(name, "TXT", add, tuple(text for text in texts if text != kept))


async def _sts(
    lookup: Lookup, domain: str, mx: Fact[MailExchange], presented: Presented
) -> Fact[MtaSts | None]:
    name = f"_mta-sts.{domain}"
    answer = await lookup.lookup(name, "TXT")
    if isinstance(answer, Unknown):
        return answer
    texts = _meant(answer.value.records, mta_sts.is_record, "stsv1")
    if not texts:
        return Known(None)
    try:
        if len(texts) > 1:
            raise BadPolicy(_several(texts))
        mta_sts.check_record(texts[0])
    except BadPolicy as error:
        cure = _kept_record(answer.value.owner or name, texts)
        return Known(MtaSts(str(error), proposal=cure))
    return await _policy(domain, mx, presented)


def _kept_record(name: str, texts: tuple[str, ...]) -> ProposedSet:
    kept = mta_sts.repaired(texts[0])
    add = () if kept in texts else (kept,)
    return ProposedSet(name, "TXT", add, tuple(text for text in texts if text != kept))


async def _policy(domain: str, mx: Fact[MailExchange], presented: Presented) -> Fact[MtaSts | None]:
    fetched = await presented.policy(domain)
    if isinstance(fetched, Unknown):
        return fetched
    if fetched.value.trouble:
        return Known(MtaSts(fetched.value.trouble))
    try:
        policy = mta_sts.read_policy(fetched.value.text)
    except BadPolicy as error:
        return Known(MtaSts(str(error)))
    if isinstance(mx, Unknown):
        return mx
    names = [target.name for target in mx.value.usable]
    return Known(MtaSts("", policy, tuple(name for name in names if not policy.covers(name))))


async def _dane(
    lookup: Lookup, domain: str, mx: Fact[MailExchange], presented: Presented
) -> tuple[Fact[Dane], ...]:
    if isinstance(mx, Unknown) or isinstance(mx.value.host.receivers, Unknown):
        return ()
    receivers = mx.value.host.receivers.value
    ours = [each for each in mx.value.usable if each.lead(receivers) in (Lead.HERE, Lead.BOTH)]
    found: list[Fact[Dane]] = []
    for target in ours[:MAX_OWN_NAMES]:
        answer = await lookup.lookup(_tlsa_name(target), "TLSA")
        if isinstance(answer, Unknown):
            found.append(answer)
        elif answer.value.records:
            found.append(Known(await _associated(domain, target, answer.value, presented)))
    return tuple(found)


def _tlsa_name(target: Target) -> str:
    return f"_25._tcp.{target.name}"


async def _associated(domain: str, target: Target, found: RecordSet, presented: Presented) -> Dane:
    name, records = _tlsa_name(target), found.records[:MAX_RECORDS]
    shown = await presented.certificates(target)
    matches = shown if isinstance(shown, Unknown) else _matches(records, shown.value)
    cure = None
    if matches == Known(False) and isinstance(shown, Known):
        cure = _republished(found.owner or name, records, shown.value[0])
    return Dane(
        target.name,
        tuple(clipped(record) for record in records),
        await presented.vouched_for(domain, name),
        matches,
        cure,
    )


def _republished(name: str, records: tuple[str, ...], leaf: bytes) -> ProposedSet | None:
    try:
        return ProposedSet(name, "TLSA", (tlsa.record_of(leaf),), records)
    except ValueError:
        return None


def _matches(records: tuple[str, ...], chain: tuple[bytes, ...]) -> Fact[bool]:
    """Senders are content with one usable record that fits, or with no usable record at all."""
    if not chain:
        return Unknown("the mail server shows no certificate")
    try:
        usable = [each for each in map(tlsa.parse_record, records) if each.usable]
        ends = [each for each in usable if each.usage == tlsa.END_ENTITY]
        anchors = [each for each in usable if each.usage == tlsa.TRUST_ANCHOR]
        if not usable or any(each.matches(chain[0]) for each in ends):
            return Known(True)
        if any(each.matches(certificate) for each in anchors for certificate in chain[1:]):
            return Known(True)
    except ValueError as error:
        return Unknown(f"the TLSA records cannot be compared: {error}")
    if anchors and len(chain) == 1:
        return Unknown("only the server's own certificate can be seen, not what it is signed by")
    return Known(False)


async def vouched_for(resolver: Lookup, domain: str, name: str) -> Fact[bool]:
    """Tell whether DNSSEC vouches for the MX set of ``domain`` and the TLSA records at ``name``.

    Nobody vouches for a zone without keys, whether or not the resolver checks signatures. Unknown
    where it does not even vouch for the root, and there are keys.
    """
    answers = [await resolver.lookup(domain, "MX"), await resolver.lookup(name, "TLSA")]
    vouched = [answer if isinstance(answer, Unknown) else answer.value.secure for answer in answers]
    for doubt in vouched:
        if isinstance(doubt, Unknown):
            return doubt
    if all(vouched):
        return Known(True)
    root = await resolver.lookup(ROOT, "SOA")
    if isinstance(root, Unknown):
        return root
    if root.value.secure or not all([await _may_be_signed(resolver, n) for n in (domain, name)]):
        return Known(False)
    return Unknown("the resolver of this host does not check DNSSEC signatures")


async def _may_be_signed(resolver: Lookup, name: str) -> bool:
    """Tell whether the zone of a name may have keys (RFC 4035 section 2.1); its apex is above."""
    labels = name.split(".")
    for start in range(len(labels) - LEAST_LABELS + 1):
        answer = await resolver.lookup(".".join(labels[start:]), "DNSKEY")
        if isinstance(answer, Unknown) or answer.value.records:
            return True
    return False


def _meant(records: Iterable[str], is_record: Callable[[str], bool], mark: str) -> tuple[str, ...]:
    """The records that senders take for the right ones; failing them, those meant to be."""
    texts = tuple(records)
    valid = tuple(text for text in texts if is_record(text))
    return valid or tuple(text for text in texts if mark in text[:MAX_SHOWN].lower())


def _several(texts: tuple[str, ...]) -> str:
    return f"{len(texts)} records are published, and senders follow none of them"
