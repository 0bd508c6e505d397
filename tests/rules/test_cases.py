"""Every rule answers each of its cases as the case's name says, and for the expected reason."""

from __future__ import annotations

import re

import pytest

from mailfix.rulebook import Rule
from tests.rules.cases import CaseFile, book, case_files, complaints, read_case

LEFT_OPEN = re.compile(r"(?<![\w}$])\{[a-z_]*\}")
"""A name to fill in; exim's own braces follow a dollar, a word or one another."""


@pytest.mark.parametrize("case", case_files(), ids=lambda case: case.name)
def test_the_rule_answers_as_the_case_says(case: CaseFile) -> None:
    assert complaints(read_case(case)) == []


@pytest.mark.parametrize("rule", book(), ids=lambda rule: rule.id)
def test_every_rule_has_cases_of_the_three_answers(rule: Rule) -> None:
    verdicts = {case.verdict for case in case_files() if case.rule.id == rule.id}
    assert verdicts >= {"pass", "fail", "unknown"}


@pytest.mark.parametrize("rule", book(), ids=lambda rule: rule.id)
def test_every_rule_names_what_its_subjects_hold(rule: Rule) -> None:
    cases = [read_case(case) for case in case_files() if case.rule.id == rule.id]
    held = {key for case in cases for finding in case.findings() for key in finding.subject}
    assert held == set(rule.subject)


@pytest.mark.parametrize("case", case_files(), ids=lambda case: case.name)
def test_no_answer_leaves_a_name_to_fill_in(case: CaseFile) -> None:
    for finding in read_case(case).findings():
        for text in (finding.message, finding.advice or "", finding.fix and finding.fix.preview):
            assert not LEFT_OPEN.search(text or "")
