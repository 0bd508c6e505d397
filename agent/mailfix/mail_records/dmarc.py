"""What a domain asks of receivers about mail that is not authenticated (RFC 7489, RFC 9989)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterable
from dataclasses import dataclass, field, replace

from mailfix.mail_records.clipping import clipped
from mailfix.mail_records.dmarc_record import BadRecord, Record, Request, is_record, read, repaired
from mailfix.mail_records.domain_name import is_within
from mailfix.mail_records.proposal import ProposedSet
from mailfix.mail_records.public_suffix import LEAST_LABELS, PublicSuffixes
from mailfix.model import Fact, Known, Unknown, unread
from mailfix.record_set import Lookup, RecordSet

MAX_RECORDS = 6
MAX_SHOWN = 200
MAX_ANCESTORS = 6
FIRST_STEP = "v=DMARC1; p=none"


@dataclass(frozen=True, slots=True)
class Reporter:
    """A mailbox of somebody else's that reports are to go to, and whether it agreed to that."""

    mailbox: str
    question: str
    authorised: Fact[bool]


@dataclass(frozen=True, slots=True)
class DmarcPolicy:
    """The policy that holds for a domain.

    ``name`` is where receivers look it up: at the domain itself, or at its organisational domain;
    "" where there is none. ``texts`` are what they find there, each cut to 200 characters.
    ``record`` is what they follow, None where they follow none; ``fault`` says why. ``reporters``
    are the mailboxes outside of the organisation. ``above_is_judged``: the organisational domain is
    one of the host's mail domains, too.
    """

    domain: str
    name: str = ""
    texts: tuple[str, ...] = ()
    record: Record | None = None
    fault: str = ""
    reporters: tuple[Reporter, ...] = ()
    organisation: Fact[str] = field(default_factory=unread)
    proposal: ProposedSet | None = None
    above_is_judged: bool = False

    @property
    def is_told_above(self) -> bool:
        """What is wrong is wrong with the organisational domain, and told of that."""
        return self.above_is_judged and (not self.name or self.inherited)

    @property
    def inherited(self) -> bool:
        return self.name not in ("", own_name(self.domain))

    @property
    def several(self) -> bool:
        """More than one record, of which receivers follow none."""
        return self.record is None and len(self.texts) > 1

    @property
    def request(self) -> Request | None:
        """What receivers shall do with mail of this domain that fails; None without a policy."""
        if self.record is None:
            return None
        return self.record.subdomains if self.inherited else self.record.policy

    @property
    def effect(self) -> Request | None:
        """What receivers do with that mail: less than the record asks for while it is on trial."""
        on_trial = self.record is not None and self.record.on_trial
        return self.request.milder if self.request and on_trial else self.request

    def aligned(self, signer: str, *, strict: bool) -> Fact[bool]:
        """Tell whether another domain, in d= or the return path, speaks for this one.

        ``strict`` wants the very same name, otherwise the same organisational domain will do
        (RFC 7489 section 3.1).
        """
        if signer == self.domain:
            return Known(True)
        if strict:
            return Known(False)
        if isinstance(self.organisation, Unknown):
            return self.organisation
        return Known(is_within(signer, self.organisation.value))


def own_name(domain: str) -> str:
    return f"_dmarc.{domain}"


async def examine(
    lookup: Lookup,
    domain: str,
    suffixes: Fact[PublicSuffixes],
    judged: Collection[str] = (),
) -> Fact[DmarcPolicy]:
    """Ask for the policy of the domain, or of its organisational domain.

    ``judged`` are all the domains that are asked about.
    """
    organisation = _organisation(domain, suffixes)
    found = await _examine(lookup, domain, organisation, suffixes)
    if isinstance(found, Unknown) or isinstance(organisation, Unknown):
        return found
    above_is_judged = organisation.value != domain and organisation.value in judged
    return Known(replace(found.value, above_is_judged=True)) if above_is_judged else found


async def _examine(
    lookup: Lookup, domain: str, organisation: Fact[str], suffixes: Fact[PublicSuffixes]
) -> Fact[DmarcPolicy]:
    alias = ""
    async for name, answer in _answers(lookup, domain, organisation):
        if isinstance(answer, Unknown):
            return answer
        if name == domain:
            alias = answer.value.owner
        texts = _meant(answer.value.records)
        if not texts:
            continue
        if name != domain and isinstance(organisation, Unknown):
            return organisation
        owner = answer.value.owner or own_name(name)
        policy = _judge(domain, name, owner, texts, organisation)
        return Known(await _with_reporters(lookup, policy, name, suffixes))
    proposal = ProposedSet(own_name(domain), "TXT", (FIRST_STEP,), alias_of=alias)
    return Known(DmarcPolicy(domain, organisation=organisation, proposal=proposal))


def _organisation(domain: str, suffixes: Fact[PublicSuffixes]) -> Fact[str]:
    if isinstance(suffixes, Known):
        found = suffixes.value.organisational_domain(domain)
        return Known(domain if found == domain else found)
    return Known(domain) if domain.count(".") < LEAST_LABELS else suffixes


async def _answers(
    lookup: Lookup, domain: str, organisation: Fact[str]
) -> AsyncIterator[tuple[str, Fact[RecordSet]]]:
    """Ask at the domain, then above it (RFC 7489 section 6.6.3).

    Where the organisational domain is not known, every domain above is asked: without a policy at
    any of them there is none.
    """
    yield domain, await lookup.lookup(own_name(domain), "TXT")
    for parent in _parents(domain, organisation):
        yield parent, await lookup.lookup(own_name(parent), "TXT")


def _parents(domain: str, organisation: Fact[str]) -> Iterable[str]:
    if isinstance(organisation, Known):
        return () if organisation.value == domain else (organisation.value,)
    labels = domain.split(".")
    starts = range(1, len(labels) - LEAST_LABELS + 1)
    return [".".join(labels[start:]) for start in starts][-MAX_ANCESTORS:]


def _meant(records: Iterable[str]) -> tuple[str, ...]:
    """The records that receivers take for DMARC's; failing them, those meant to be."""
    texts = tuple(records)
    valid = tuple(text for text in texts if is_record(text))
    return valid or tuple(text for text in texts if "dmarc1" in text[:MAX_SHOWN].lower())


def _judge(
    domain: str, name: str, owner: str, texts: tuple[str, ...], organisation: Fact[str]
) -> DmarcPolicy:
    record, fault = None, f"{len(texts)} records are published, and receivers follow none of them"
    if len(texts) == 1:
        try:
            record, fault = read(texts[0]), ""
        except BadRecord as error:
            fault = str(error)
    return DmarcPolicy(
        domain,
        own_name(name),
        tuple(clipped(text) for text in texts[:MAX_RECORDS]),
        record,
        fault,
        organisation=organisation,
        proposal=None if record and not record.overlooked else _cure(owner, texts),
    )


def _cure(owner: str, texts: tuple[str, ...]) -> ProposedSet | None:
    """Keep one record, in a form that receivers follow: of several the mildest."""
    mildest = min((repaired(text) for text in texts), key=lambda text: read(text).policy.strictness)
    going = tuple(text for text in texts if text != mildest)
    add = () if mildest in texts else (mildest,)
    return ProposedSet(owner, "TXT", add, going) if add or going else None


async def _with_reporters(
    lookup: Lookup, policy: DmarcPolicy, publisher: str, suffixes: Fact[PublicSuffixes]
) -> DmarcPolicy:
    if policy.record is None:
        return policy
    reporters = [
        await _ask_reporter(lookup, publisher, mailbox, suffixes)
        for mailbox in policy.record.mailboxes
        if _same_organisation(publisher, _host(mailbox), suffixes) is not True
    ]
    return replace(policy, reporters=tuple(reporters)) if reporters else policy


def _host(mailbox: str) -> str:
    return mailbox.rpartition("@")[2]


def _same_organisation(one: str, other: str, suffixes: Fact[PublicSuffixes]) -> bool | None:
    """None where it takes the public suffix list to tell."""
    if isinstance(suffixes, Known):
        listed = suffixes.value
        return listed.organisational_domain(one) == listed.organisational_domain(other)
    if is_within(one, other) or is_within(other, one):
        return True
    return None if one.split(".")[-LEAST_LABELS:] == other.split(".")[-LEAST_LABELS:] else False


async def _ask_reporter(
    lookup: Lookup, publisher: str, mailbox: str, suffixes: Fact[PublicSuffixes]
) -> Reporter:
    """Ask whether the mailbox's domain takes reports about another one (RFC 7489 section 7.1)."""
    question = f"{publisher}._report._dmarc.{_host(mailbox)}"
    answer = await lookup.lookup(question, "TXT")
    if isinstance(answer, Unknown):
        return Reporter(mailbox, question, answer)
    agreed = any(is_record(text) for text in answer.value.records)
    if not agreed and _same_organisation(publisher, _host(mailbox), suffixes) is None:
        assert isinstance(suffixes, Unknown)
        return Reporter(mailbox, question, suffixes)
    return Reporter(mailbox, question, Known(agreed))
