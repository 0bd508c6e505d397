"""Facts and rules in, findings out. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from mailfix.facts import Facts, Role
from mailfix.grounds import with_authority
from mailfix.mail_records.domain import DomainRecords
from mailfix.mail_records.domain_name import shown_domain
from mailfix.model import (
    SEVERITY_ORDER,
    Fact,
    Family,
    Finding,
    FixOffer,
    Known,
    PerFamily,
    Refusal,
    Status,
    Subject,
    Unknown,
    sortable,
)
from mailfix.predicates.answer import Answer, Words
from mailfix.rulebook import Each, Rule, Scope

Ignored: TypeAlias = Iterable[Mapping[str, str | int]]
DOMAIN = Each.DOMAIN.value
STATUS_ORDER = (Status.FAIL, Status.UNKNOWN, Status.IGNORED, Status.PASS)


@dataclass(frozen=True, slots=True)
class Judgement:
    """All findings but the passes, failures first, worst first; and how many passed."""

    findings: tuple[Finding, ...]
    passed: int


def audit(
    facts: Facts, rules: Iterable[Rule], ignore: Ignored = (), acknowledged: Ignored = ()
) -> tuple[Finding, ...]:
    """Return the findings of all rules, failures first, worst first, passes last.

    Failures and unknowns that an entry of ``ignore`` fits are ignored, and failures that one of
    ``acknowledged`` fits.
    Raises :class:`mailfix.model.Refusal` where a rule's words ask for what its check does not tell.
    """
    book = tuple(rules)
    return (*judge(facts, book, ignore, acknowledged).findings, *passes(facts, book))


def judge(
    facts: Facts, rules: Iterable[Rule], ignore: Ignored = (), acknowledged: Ignored = ()
) -> Judgement:
    """Return what does not pass, and count what does: with many domains those are too many to keep.

    Raises :class:`mailfix.model.Refusal` as :func:`audit` does.
    """
    ignored = tuple(ignore)
    hiding = {Status.UNKNOWN: ignored, Status.FAIL: (*ignored, *acknowledged)}
    passed = 0
    findings: list[Finding] = []
    for rule in rules:
        for answer in answers(facts, rule):
            if answer.status is Status.PASS:
                passed += 1
            else:
                findings.append(_finding(rule, answer, hiding[answer.status]))
    return Judgement(tuple(sorted(findings, key=_order)), passed)


def passes(facts: Facts, rules: Iterable[Rule]) -> Iterator[Finding]:
    """Yield the checks that passed, by severity, rule and subject."""
    for rule in sorted(rules, key=lambda rule: (SEVERITY_ORDER.index(rule.severity), rule.id)):
        found = [each for each in answers(facts, rule) if each.status is Status.PASS]
        for answer in sorted(found, key=lambda answer: sortable(answer.subject)):
            yield _finding(rule, answer, ())


def answers(facts: Facts, rule: Rule) -> Iterator[Answer]:
    """Put one rule to the facts; a need that is unknown makes the answer unknown."""
    if rule.scope is Scope.MTA and _has_no_mta(facts):
        return
    prepared = [_Prepared.of(rule, facts, family) for family in rule.families or (None,)]
    if rule.each is None:
        for each in prepared:
            yield from each.answers()
    elif isinstance(facts.domain_records, Unknown):
        yield Answer(Status.UNKNOWN, {}, reason=facts.domain_records.reason)
    else:
        for domain in facts.domain_records.value:
            for each in prepared:
                for answer in each.answers_about(domain):
                    yield with_authority(rule, answer, domain)


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A rule with all that does not differ from domain to domain.

    ``given`` is what its check is called with, ``subject`` what an unknown is about, ``differing``
    are the needs that each domain fills in, ``reasons`` say why one of the others is unknown.
    """

    rule: Rule
    family: Family | None
    subject: Subject
    given: Mapping[str, Any]
    differing: tuple[str, ...]
    reasons: tuple[str, ...]

    @classmethod
    def of(cls, rule: Rule, facts: Facts, family: Family | None) -> _Prepared:
        asked_of = {"family": family} if family else {}
        common = {need: _fact(facts, need, family) for need in rule.needs if hasattr(facts, need)}
        known = {name: fact.value for name, fact in common.items() if isinstance(fact, Known)}
        return cls(
            rule=rule,
            family=family,
            subject={name: value.value for name, value in asked_of.items()},
            given={**known, **rule.params, **asked_of},
            differing=tuple(need for need in rule.needs if need not in common),
            reasons=tuple(each.reason for each in common.values() if isinstance(each, Unknown)),
        )

    def answers(self) -> Iterator[Answer]:
        """Put the rule to the facts of the host."""
        if self.reasons:
            yield Answer(Status.UNKNOWN, self.subject, reason=self.reasons[0])
        else:
            yield from self.rule.check(**self.given)

    def answers_about(self, domain: DomainRecords) -> Iterator[Answer]:
        """Put the rule to the facts of one domain."""
        given = {**self.given, DOMAIN: domain.name}
        reasons = list(self.reasons)
        for need in self.differing:
            fact = _fact(domain, need, self.family)
            if isinstance(fact, Known):
                given[need] = fact.value
            else:
                reasons.append(fact.reason)
        if reasons:
            subject = {DOMAIN: domain.name, **self.subject}
            yield Answer(Status.UNKNOWN, subject, reason=reasons[0])
        else:
            yield from self.rule.check(**given)


def _has_no_mta(facts: Facts) -> bool:
    if isinstance(facts.servers, Unknown):
        return False
    return not any(server.role is Role.MTA for server in facts.servers.value)


def _fact(place: Facts | DomainRecords, name: str, family: Family | None) -> Fact[Any]:
    fact: Fact[Any] | PerFamily[Any] = getattr(place, name)
    if isinstance(fact, PerFamily):
        return fact.of(family) if family else Known(fact)
    return fact


def _finding(rule: Rule, answer: Answer, hiding: Sequence[Subject]) -> Finding:
    """``hiding`` are the entries that hide an answer of this status."""
    hidden = bool(hiding) and _is_hidden(rule.id, answer, hiding)
    status = Status.IGNORED if hidden else answer.status
    failed = answer.status is Status.FAIL
    return Finding(
        rule=rule.id,
        title=rule.title,
        status=status,
        severity=rule.severity,
        subject=answer.subject,
        message=_message(rule, answer),
        why=rule.why,
        part=rule.part,
        evidence=answer.evidence,
        advice=_advice(rule, answer) if failed else None,
        fix=_offer(rule, answer) if failed and answer.fixable else None,
    )


def _is_hidden(rule_id: str, answer: Answer, hiding: Ignored) -> bool:
    """Every value is compared as text: the selector 2024 is one, whatever YAML makes of it."""
    seen = {key: str(value) for key, value in {**answer.subject, "rule": rule_id}.items()}
    return any(all(seen.get(key) == str(value) for key, value in each.items()) for each in hiding)


def without_effect(ignored: Ignored, rules: Iterable[Rule]) -> Iterator[str]:
    """Say of each entry that can hide nothing why: no such rule, or no such key in its subject."""
    known = {rule.id: rule.subject for rule in rules}
    for entry in ignored:
        name = str(entry["rule"])
        if name not in known:
            yield f"there is no rule {name}; 'mailfix rules' lists them"
            continue
        for key in entry:
            if key != "rule" and key not in known[name]:
                yield f"{name} tells nothing apart by {key}, so the entry hides nothing"


def _message(rule: Rule, answer: Answer) -> str:
    if answer.status is Status.UNKNOWN:
        return f"cannot tell: {answer.reason}"
    return _filled_in(rule, rule.messages[answer.status.value], _as_read(answer.words))


def _as_read(words: Words) -> Words:
    """Domains as people read them; what is to be copied keeps the form of DNS."""
    domain = words.get(DOMAIN)
    return {**words, DOMAIN: shown_domain(domain)} if isinstance(domain, str) else words


def _filled_in(rule: Rule, template: str, words: Words) -> str:
    try:
        return template.format_map(dict(words))
    except KeyError as name:
        raise Refusal(f"rule {rule.id}: its check fills in no {name}") from None


def _advice(rule: Rule, answer: Answer) -> str | None:
    text = answer.advice or rule.advice
    return _filled_in(rule, text, answer.words) if text else None


def _offer(rule: Rule, answer: Answer) -> FixOffer | None:
    if rule.fix is None:
        return None
    preview = _filled_in(rule, rule.fix.preview, answer.words)
    return FixOffer(rule.fix.action, rule.fix.automatic, preview)


def _order(finding: Finding) -> tuple[int, int, str, str]:
    return (
        STATUS_ORDER.index(finding.status),
        SEVERITY_ORDER.index(finding.severity),
        finding.rule,
        sortable(finding.subject),
    )
