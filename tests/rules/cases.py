"""The cases that lie beside the rules: ``rules/ID/tests/NAME.VERDICT.yml``.

The verdict in the name is ``pass``, ``fail``, ``unknown`` or ``silent`` (the rule does not apply
and says nothing). ``facts`` are what the rule needs; where it is put to each domain, ``domain``
holds those of its needs that are facts of one domain. ``expect`` holds a part of the subject and a
part of the message of each answer with that verdict.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from mailfix import rulebook
from mailfix.audit import audit
from mailfix.model import Finding, Known, Status
from mailfix.rulebook import Rule
from tests.rules.reader import BadCase, read_domain, read_facts

RULES = Path(__file__).resolve().parents[2] / "rules"
SILENT = "silent"
SCOPE = {"servers"}  # tells every rule whether this is a mail host at all
VERDICTS = ("pass", "fail", "unknown", SILENT)
_FILE_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*\.(" + "|".join(VERDICTS) + r")\.yml")


@dataclass(frozen=True)
class Expected:
    """Parts of one answer."""

    subject: Mapping[str, str | int]
    message: str

    def fits(self, finding: Finding) -> bool:
        return self.subject.items() <= finding.subject.items() and self.message in finding.message


@dataclass(frozen=True)
class CaseFile:
    """Where a case lies and which rule it is put to."""

    file: Path
    rule: Rule

    @property
    def name(self) -> str:
        return f"{self.rule.id}/{self.file.name}"

    @property
    def verdict(self) -> str:
        """The last word of the name; raises :class:`BadCase` where it is none."""
        named = _FILE_NAME.fullmatch(self.file.name)
        if named is None:
            raise BadCase(f"{self.file}: the name must be WORDS-IN-KEBAB-CASE.VERDICT.yml")
        return named[2]


@dataclass(frozen=True)
class Case:
    """The facts that are put to a rule, and what it must answer."""

    rule: Rule
    verdict: str
    facts: Mapping[str, Any]
    expected: tuple[Expected, ...]
    domain: Mapping[str, Any] | None = None

    def findings(self) -> tuple[Finding, ...]:
        facts = read_facts(self.facts)
        if self.domain is not None:
            facts = replace(facts, domain_records=Known((read_domain(self.domain),)))
        return audit(facts, [self.rule])


@cache
def book() -> tuple[Rule, ...]:
    """Return the shipped rules, without any that the administrator of this machine added."""
    return rulebook.load(RULES, Path("/nonexistent"))


@cache
def case_files() -> tuple[CaseFile, ...]:
    return tuple(
        CaseFile(file, rule)
        for rule in book()
        for file in sorted((RULES / rule.id / "tests").glob("*"))
        if not file.name.endswith(".fail.sh")
    )


def read_case(case: CaseFile) -> Case:
    """Read one case; raises :class:`BadCase` for a name, key or need that is not as it must be."""
    file, rule, verdict = case.file, case.rule, case.verdict
    content = yaml.safe_load(file.read_text("utf-8"))
    keys = {"facts"} if verdict == SILENT else {"facts", "expect"}
    keys |= {"domain"} if rule.each else set()
    if not isinstance(content, dict) or set(content) != keys:
        raise BadCase(f"{file}: expected {' and '.join(sorted(keys))}")
    named = {*content["facts"], *content.get("domain", {})} - {"name"}
    if named | SCOPE != set(rule.needs) | SCOPE:
        raise BadCase(f"{file}: the facts must be those that the rule needs: {rule.needs}")
    expected = tuple(_expected(each, file) for each in content.get("expect", []))
    if verdict != SILENT and not expected:
        raise BadCase(f"{file}: nothing is expected")
    return Case(rule, verdict, content["facts"], expected, content.get("domain"))


def _expected(entry: Any, file: Path) -> Expected:
    if not isinstance(entry, dict) or set(entry) != {"subject", "message"} or not entry["message"]:
        raise BadCase(f"{file}: every expectation needs a subject and a message")
    return Expected(entry["subject"], entry["message"])


def complaints(case: Case) -> list[str]:
    """Return what is wrong with the rule's answers to a case, in words; nothing if all is well."""
    findings = case.findings()
    if case.verdict == SILENT:
        return [f"said: {_told(finding)}" for finding in findings]
    status = Status(case.verdict)
    answers = [finding for finding in findings if finding.status is status]
    wrong = [
        f"not expected: {_told(each)}" for each in findings if each.status in _excluded(status)
    ]
    wrong += [
        f"missing: {expected} among {[_told(each) for each in findings]}"
        for expected in case.expected
        if not any(expected.fits(answer) for answer in answers)
    ]
    if status is not Status.PASS:
        wrong += [
            f"{status.value} beyond what is expected: {_told(answer)}"
            for answer in answers
            if not any(expected.fits(answer) for expected in case.expected)
        ]
    return wrong


def _excluded(status: Status) -> tuple[Status, ...]:
    """A pass case has neither fail nor unknown, an unknown case no fail."""
    if status is Status.PASS:
        return (Status.FAIL, Status.UNKNOWN)
    return (Status.FAIL,) if status is Status.UNKNOWN else ()


def _told(finding: Finding) -> str:
    return f"{finding.status.value} {dict(finding.subject)}: {finding.message}"
