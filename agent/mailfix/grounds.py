"""On which facts of a mail domain a failure stands, and who confirms them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, replace

from mailfix.mail_records.domain import DomainRecords
from mailfix.model import Finding, Known, Status, Unknown, unread
from mailfix.predicates.answer import Answer
from mailfix.rulebook import Each, Rule

EXISTENCE = "in_dns"
TOLD_BY_DNS = frozenset({EXISTENCE, "mx", "spf", "spf_verdict", "dkim_key", "dmarc", "transport"})
"""What a resolver tells of a domain, and its zone's own servers may tell otherwise."""
LONG_TTL_S = 4 * 3600
_OF_A_DOMAIN = frozenset(each.name for each in fields(DomainRecords))


def grounds(rule: Rule) -> frozenset[str]:
    """Return the facts from DNS on which a failure of the rule stands.

    That a domain exists is the ground of a failure only for a rule that asks for nothing else of
    it; others need it to be silent about one that does not.
    """
    needs = _OF_A_DOMAIN & set(rule.needs)
    return frozenset(needs if needs == {EXISTENCE} else needs & TOLD_BY_DNS - {EXISTENCE})


def doubted(
    findings: Iterable[Finding],
    rules: Iterable[Rule],
    confirmed: Mapping[str, frozenset[str]],
) -> dict[str, frozenset[str]]:
    """Return, by domain, the facts of it on which a failure stands and that nobody confirmed."""
    by_rule = {rule.id: grounds(rule) for rule in rules if rule.each is Each.DOMAIN}
    found: dict[str, frozenset[str]] = {}
    for finding in findings:
        if finding.status is Status.FAIL and finding.rule in by_rule:
            domain = str(finding.subject[Each.DOMAIN])
            fresh = by_rule[finding.rule] - confirmed.get(domain, frozenset())
            if fresh:
                found[domain] = found.get(domain, frozenset()) | fresh
    return found


def with_authority(rule: Rule, answer: Answer, domain: DomainRecords) -> Answer:
    """Tell of a failure whether the zone's own name servers say so, too."""
    if answer.status is not Status.FAIL or domain.confirmed == unread() or not grounds(rule):
        return answer
    match domain.confirmed:
        case Known(servers):
            line = f"as the zone's own name servers say: {', '.join(servers)}"
        case Unknown(reason):
            line = f"as the resolver says; the zone's own name servers cannot be asked: {reason}"
    return replace(answer, evidence=(*answer.evidence, line, *_slowness(domain)))


def _slowness(domain: DomainRecords) -> Iterator[str]:
    if domain.longest_ttl > LONG_TTL_S:
        hours = domain.longest_ttl / 3600
        yield (
            f"records of {domain.name} stay in caches for up to {hours:.0f} hours "
            f"(TTL {domain.longest_ttl}): a repair shows to all receivers only then"
        )
