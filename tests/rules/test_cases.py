"""Every rule answers each of its cases as the case's name says, and for the expected reason."""

from __future__ import annotations

import pytest
from _pytest.mark import ParameterSet

from mailfix.rulebook import Rule
from tests.rules.cases import CaseFile, book, case_files, complaints, read_case

FAULTS = {
    "exim-endpoint-missing/process-not-told.unknown.yml": "listening._takes counts a listener "
    "whose process is not told (not root) as exim's: 'exim listens' is not known",
    "host-offline/ipv4-route-while-ipv6-is-not-told.pass.yml": "wayout.route_out is unknown where "
    "IPv4 alone answers the question",
}


def _marked(case: CaseFile) -> ParameterSet:
    fault = FAULTS.get(case.name)
    marks = [pytest.mark.xfail(strict=True, reason=fault)] if fault else []
    return pytest.param(case, id=case.name, marks=marks)


@pytest.mark.parametrize("case", [_marked(case) for case in case_files()])
def test_the_rule_answers_as_the_case_says(case: CaseFile) -> None:
    assert complaints(read_case(case)) == []


@pytest.mark.parametrize("rule", book(), ids=lambda rule: rule.id)
def test_every_rule_has_cases_of_the_three_answers(rule: Rule) -> None:
    verdicts = {case.verdict for case in case_files() if case.rule.id == rule.id}
    assert verdicts >= {"pass", "fail", "unknown"}


@pytest.mark.parametrize("case", case_files(), ids=lambda case: case.name)
def test_no_answer_leaves_a_name_to_fill_in(case: CaseFile) -> None:
    for finding in read_case(case).findings():
        for text in (finding.message, finding.advice or "", finding.fix and finding.fix.preview):
            assert "{" not in (text or "")


def test_every_known_fault_has_its_case() -> None:
    assert set(FAULTS) <= {case.name for case in case_files()}
