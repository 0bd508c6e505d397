"""Findings in, what may be done about them out. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mailfix.model import Finding, Status, identity
from mailfix.rulebook import Rule, named


def to_cure(
    findings: Iterable[Finding], only: Sequence[str], rules: Sequence[Rule]
) -> tuple[Finding, ...]:
    """The failures, worst first, that are to be looked at; ``only`` names rules, none means all.

    Raises :class:`mailfix.model.Refusal` where there is no such rule.
    """
    for name in only:
        named(name, rules)
    return tuple(
        finding
        for finding in findings
        if finding.status is Status.FAIL and (not only or finding.rule in only)
    )


def still_there(finding: Finding, findings: Iterable[Finding]) -> Finding | None:
    """What a later audit says of the finding, unless it passes or is gone."""
    same = identity(finding)
    found = next((each for each in findings if identity(each) == same), None)
    return None if found is None or found.status is Status.PASS else found


def new_failures(before: Sequence[Finding], after: Sequence[Finding]) -> tuple[Finding, ...]:
    """The failures of the later audit that the earlier one had not."""
    failed = {identity(each) for each in before if each.status is Status.FAIL}
    return tuple(
        each for each in after if each.status is Status.FAIL and identity(each) not in failed
    )
