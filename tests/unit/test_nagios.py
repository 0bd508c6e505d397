"""One line and an exit code, as monitoring plugins give them."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailfix.model import Finding, Severity, Status
from mailfix.report import nagios
from tests.property.hostile import ANY_TEXT
from tests.unit.bulletins import BLOCKED, GENERIC, UNTOLD, report

NOTICE = replace(GENERIC, severity=Severity.NOTICE)
IGNORED = replace(BLOCKED, status=Status.IGNORED)
LINE = re.compile(
    r"MAILFIX (OK|WARNING|CRITICAL|UNKNOWN) - [^|\n]+ \| "
    r"fail=\d+;;;0 unknown=\d+;;;0 pass=\d+;;;0 ignored=\d+;;;0 time=\d+\.\d{3}s;;;0\n"
)


@pytest.mark.parametrize(
    ("findings", "state"),
    [
        ((), "OK"),
        ((IGNORED,), "OK"),
        ((NOTICE,), "OK"),
        ((UNTOLD,), "UNKNOWN"),
        ((NOTICE, UNTOLD), "UNKNOWN"),
        ((GENERIC,), "WARNING"),
        ((GENERIC, UNTOLD), "WARNING"),
        ((replace(BLOCKED, severity=Severity.ERROR),), "CRITICAL"),
        ((BLOCKED, GENERIC, UNTOLD), "CRITICAL"),
    ],
)
def test_the_state_is_that_of_the_worst(findings: tuple[Finding, ...], state: str) -> None:
    made = report(*findings)
    assert nagios.service(made).name == state
    assert nagios.write(made).startswith(f"MAILFIX {state} - ")
    assert LINE.fullmatch(nagios.write(made))


def test_the_line_names_what_is_wrong_and_counts() -> None:
    assert nagios.write(report(BLOCKED, UNTOLD)) == (
        f"MAILFIX CRITICAL - 1 thing wrong: {BLOCKED.message}; 1 not found out"
        " | fail=1;;;0 unknown=1;;;0 pass=40;;;0 ignored=0;;;0 time=0.412s;;;0\n"
    )
    assert nagios.write(report()).startswith("MAILFIX OK - nothing wrong, 40 checks passed | ")


def test_a_notice_is_told_although_all_is_well() -> None:
    assert f"OK - 1 thing wrong: {NOTICE.message} |" in nagios.write(report(NOTICE))


def test_a_thousand_failures_fit_a_line() -> None:
    many = [replace(BLOCKED, message=f"{number} is wrong" * 40) for number in range(1000)]
    line = nagios.write(report(*many))
    assert "1000 things wrong: " in line
    assert "; and 997 more |" in line
    assert len(line) < 700


@given(st.lists(st.tuples(st.sampled_from([Status.FAIL, Status.UNKNOWN]), ANY_TEXT), max_size=5))
def test_whatever_a_message_holds_it_is_one_line_with_one_bar(
    found: list[tuple[Status, str]],
) -> None:
    findings = [replace(BLOCKED, status=status, message="x" + told) for status, told in found]
    assert LINE.fullmatch(nagios.write(report(*findings)))


@given(ANY_TEXT)
def test_a_check_that_could_not_be_made_is_one_line_too(text: str) -> None:
    line = nagios.trouble(text)
    assert re.fullmatch(r"MAILFIX UNKNOWN - [^|\n]{0,4000}\n", line)
