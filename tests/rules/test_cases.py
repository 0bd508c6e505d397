"""Every rule answers each of its cases as the case's name says, and for the expected reason."""

from __future__ import annotations

import pytest
from _pytest.mark import ParameterSet

from mailfix.rulebook import Rule
from tests.rules.cases import CaseFile, book, case_files, complaints, read_case

FAULTS = {
    "banner-mismatch/ptr-set-not-known.unknown.yml": "hostname.banner_matches fails where the PTR "
    "set is Unknown, although it might confirm the greeting's name",
    "exim-endpoint-missing/another-program-holds-the-port.fail.yml": "listening._takes does not "
    "look at whose the listener is: 'exim listens on tcp/25' is said of python3",
    "firewall-client-port-blocked/undecided-143-beside-an-open-993.unknown.yml": "firewall."
    "_closed_with_a_tls_sibling passes a port that has doubts only",
    "host-offline/routes-not-told.unknown.yml": "wayout.route_out counts an Unknown route "
    "as a route",
    "mail-port-taken/stunnel-before-submissions.pass.yml": "listening._holder expects a greeting "
    "on 465, which is never greeted (implicit TLS), so that a TLS proxy there fails",
    "ptr-generic/ip-in-the-domain.pass.yml": "reverse.PROVIDER_NAMES takes any domain that "
    "begins with 'ip-' under eu or net for OVH's",
    "server-stopped/whether-meant-to-run-not-told.unknown.yml": "services.running fails a stopped "
    "server of which it is Unknown whether it is meant to run",
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
