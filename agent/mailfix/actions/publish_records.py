"""Publish the records that a mail domain lacks, where the administrator lets mailfix (RFC 2136)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol, TypeVar

from mailfix.actions.proposal import Declined, Proposal
from mailfix.actions.situation import Situation
from mailfix.changes import Drift
from mailfix.changes.record_set import RecordSetChange, check_place, planned, present, replaced
from mailfix.host.dns_update import Primary
from mailfix.mail_records.dkim import PublishedKey
from mailfix.mail_records.domain import DomainRecords
from mailfix.mail_records.domain_name import is_within
from mailfix.mail_records.proposal import ProposedSet
from mailfix.model import Fact, Finding, Known, Subject, Unknown
from mailfix.settings import CONFIG_FILE, DnsUpdate, Settings

MANUAL = "it says something about the domain that only its owner can know"
ADDRESS_TERMS = ("ip4:", "ip6:")
NO_PROPOSAL = "which record is right only the owner of the domain can know"


class _Judged(Protocol):
    """What is known of a record, with what should be published instead."""

    @property
    def proposal(self) -> ProposedSet | None: ...


_J = TypeVar("_J", bound=_Judged)


@dataclass(frozen=True, slots=True)
class _Draft:
    """A change that could be made, and which name servers cannot be held against it."""

    change: RecordSetChange
    silent: tuple[str, ...]
    insertion: bool


def propose(situation: Situation, finding: Finding) -> Proposal | Declined:
    """The subject has ``domain``; the rule's id tells which of its records it is about.

    Raises:
        mailfix.changes.Failed: a name server does not answer or refuses.
    """
    wanted = _wanted(situation, finding)
    if isinstance(wanted, Declined):
        return wanted
    if all(_is_chosen(situation, each) for each in wanted):
        return Declined("the records chosen before are these", cured=True)
    drafts = []
    for each in wanted:
        draft = _draft(situation, each)
        if isinstance(draft, Declined):
            return Declined(draft.reason, draft.advice or _by_hand(finding, wanted))
        drafts.append(draft)
    return _proposal(drafts)


def _wanted(situation: Situation, finding: Finding) -> tuple[ProposedSet, ...] | Declined:
    domains = situation.facts.domain_records
    if isinstance(domains, Unknown):
        return Declined(domains.reason)
    name = finding.subject.get("domain")
    records = next((each for each in domains.value if each.name == name), None)
    if records is None:
        return Declined(f"{name} is none of the domains that were looked at")
    found = _proposed(records, finding)
    if isinstance(found, Unknown):
        return Declined(found.reason)
    return found.value or Declined(NO_PROPOSAL)


def _proposed(records: DomainRecords, finding: Finding) -> Fact[tuple[ProposedSet, ...]]:
    subject = finding.rule.partition("-")[0]
    if subject == "spf":
        return _of(records.spf)
    if subject == "dmarc":
        return _of(records.dmarc)
    if subject != "dkim":
        return Known(())
    if isinstance(records.dkim_key, Unknown):
        return records.dkim_key
    keys = records.dkim_key.value.keys if records.dkim_key.value else ()
    return Known(tuple(_of_signature(keys, finding.subject)))


def _of_signature(keys: Iterable[PublishedKey], subject: Subject) -> Iterator[ProposedSet]:
    """Mail may carry several signatures; the finding is about one of them."""
    signer = subject.get("signer", subject["domain"])
    for key in keys:
        is_meant = (key.signature.selector, key.signature.domain) == (subject["selector"], signer)
        if is_meant and isinstance(key.verdict, Known) and key.verdict.value.proposal:
            yield key.verdict.value.proposal


def _of(judged: Fact[_J]) -> Fact[tuple[ProposedSet, ...]]:
    if isinstance(judged, Unknown):
        return judged
    proposal = judged.value.proposal
    return Known((proposal,) if proposal else ())


def _by_hand(finding: Finding, wanted: Iterable[ProposedSet]) -> str:
    return finding.advice or "\n".join(each.told() for each in wanted)


def _is_chosen(situation: Situation, wanted: ProposedSet) -> bool:
    """Whether the changes chosen so far publish it already."""
    found = _chosen(situation, wanted)
    return found is not None and replaced(found.after, wanted) in (None, found.after)


def _chosen(situation: Situation, wanted: ProposedSet) -> RecordSetChange | None:
    slot = RecordSetChange.slot_of(wanted.name, wanted.type)
    for each in situation.draft.changes:
        if isinstance(each, RecordSetChange) and each.slot == slot:
            return each
    return None


def _draft(situation: Situation, wanted: ProposedSet) -> _Draft | Declined:
    """Raises Failed."""
    entry = zone_of(situation.settings, wanted.name)
    if entry is None:
        return Declined(
            f"no entry of dns_updates in {CONFIG_FILE} has a zone that holds {wanted.name}: "
            "publish the record by hand, or add one"
        )
    if wanted.alias_of:
        return Declined(f"{wanted.name} is a CNAME: only its owner knows what else hangs on that")
    primary = Primary(entry.zone, entry.server, entry.port, entry.key_file)
    check_place(primary, wanted.name)
    chosen = _chosen(situation, wanted)
    now = chosen.after if chosen else present(primary, wanted.name, wanted.type)
    after = replaced(now, wanted)
    if after is None:
        return Declined(
            f"{primary.label} holds other {wanted.type} records of {wanted.name} than those that "
            "were judged: audit again"
        )
    if after == now:
        return Declined(
            f"{primary.label} holds the record already: its other name servers, or resolvers, "
            "still have what was there before"
        )
    patience_s = situation.settings.dns_update_seconds
    change = RecordSetChange(primary, wanted.name, wanted.type, now, after, (), patience_s)
    if chosen:
        return _Draft(chosen.followed_by(change), (), _is_insertion(wanted))
    try:
        change, silent = planned(change)
    except Drift as error:
        return Declined(str(error))
    return _Draft(change, silent, _is_insertion(wanted))


def zone_of(settings: Settings, name: str) -> DnsUpdate | None:
    """The entry whose zone holds ``name``, the deepest if there are several."""
    fitting = [each for each in settings.dns_updates if is_within(name, each.zone)]
    return max(fitting, key=lambda each: len(each.zone), default=None)


def _is_insertion(wanted: ProposedSet) -> bool:
    """Whether addresses are added to an SPF record, and all that it says already is kept in order.

    Such a record refuses no mail that the old one let pass. Any other may: for instance mail of a
    sender that this host knows nothing about.
    """
    if len(wanted.add) != 1 or len(wanted.remove) != 1:
        return False
    old, new = wanted.remove[0].split(), wanted.add[0].split()
    added = [word for word in new if word not in old]
    kept = [word for word in new if word not in added]
    return kept == old and all(word.startswith(ADDRESS_TERMS) for word in added)


def _proposal(drafts: list[_Draft]) -> Proposal:
    changes = tuple(each.change for each in drafts)
    servers = dict.fromkeys(server.label for each in changes for server in each.authorities)
    primaries = " and ".join(dict.fromkeys(each.primary.label for each in changes))
    return Proposal(
        summary="; ".join(each.describe() for each in changes),
        changes=changes,
        proof=(
            f"tried without changing anything: {primaries} takes updates signed by this key; it "
            "changes the records only if they are still as shown; held afterwards against "
            f"{', '.join(servers) or 'the primary alone'}"
        ),
        risk=_risk(drafts),
        manual="" if all(each.insertion for each in drafts) else MANUAL,
    )


def _risk(drafts: list[_Draft]) -> str:
    ttl = max((each.change.before.ttl for each in drafts), default=0)
    told = ["who has asked lately sees the old answer"]
    if ttl:
        told = [f"who has asked lately sees the old records for up to {ttl} s"]
    silent = dict.fromkeys(line for each in drafts for line in each.silent)
    told += [f"not to be held against it: {line}" for line in silent]
    return "; ".join(told)
