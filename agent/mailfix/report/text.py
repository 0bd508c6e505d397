"""The report for people: worst first, what is wrong, why it matters, what to do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby, islice
from typing import TypeVar

from mailfix.model import Finding, Severity, Status
from mailfix.report.advice import paragraphs
from mailfix.report.counting import counted
from mailfix.report.escape import clip, escape
from mailfix.report.style import Style
from mailfix.report.summary import Report
from mailfix.report.wrapping import MAX_LINE, as_it_is, headed, labelled, one_line
from mailfix.rulebook import Rule, Scope

T = TypeVar("T")

MAX_EVIDENCE = 12
FEW_PASSES = 12
MAX_OF_A_RULE = 12
MAX_UNKNOWN = 24
ALL_OF_THEM = "mailfix audit --all lists them"
_COLOURS = {
    Severity.CRITICAL: "red",
    Severity.ERROR: "red",
    Severity.WARNING: "yellow",
    Severity.NOTICE: "cyan",
}


def write(report: Report, *, every: bool, colour: bool) -> str:
    """Return the report; with ``every`` also each check that passed, and all of many alike."""
    style = Style(colour)
    lines = [*_headline(report, style)]
    for _, findings in groupby(report.of(Status.FAIL), lambda finding: finding.rule):
        lines += ["", *_failures(list(findings), style, every=every)]
    lines += _unknowns(report, style, every=every)
    lines += _passes(report, style, every=every)
    lines += [f"Ignored by choice: {_heading(each)}" for each in report.of(Status.IGNORED)]
    return "\n".join(lines) + "\n"


def _headline(report: Report, style: Style) -> Iterator[str]:
    counts = report.counts
    parts = []
    if counts[Status.FAIL]:
        parts.append(style.paint("red", counted(counts[Status.FAIL], "thing") + " wrong"))
    if counts[Status.UNKNOWN]:
        parts.append(style.paint("yellow", f"{counts[Status.UNKNOWN]} not found out"))
    if not parts:
        parts.append(style.paint("green", "nothing wrong"))
    parts.append(f"{counts[Status.PASS]} checks passed")
    yield f"{style.bold(escape(report.host))}: {', '.join(parts)} ({report.duration_s:.1f} s)"


def _failures(failures: list[Finding], style: Style, *, every: bool) -> Iterator[str]:
    """The failures of one rule: each in a line, and what they have in common once."""
    first = failures[0]
    findings = failures if every else failures[:MAX_OF_A_RULE]
    for finding in findings:
        label, colour = finding.severity.value.upper(), _COLOURS[finding.severity]
        yield from headed(label, finding.message, style, colour)
    if len(failures) > len(findings):
        yield from labelled("", f"and {len(failures) - len(findings)} more: {ALL_OF_THEM}")
    yield from labelled("why", first.why)
    evidence = _distinct(line for finding in findings for line in finding.evidence)
    for line in evidence[:MAX_EVIDENCE]:
        yield one_line("evidence", line)
    if len(evidence) > MAX_EVIDENCE:
        yield one_line("", f"and {len(evidence) - MAX_EVIDENCE} more")
    for fix in _distinct(finding.fix for finding in findings if finding.fix):
        how = "" if fix.automatic else ", after asking"
        yield from labelled("fix", f"mailfix fix will{how}: {fix.preview}")
    for advice in _distinct(finding.advice for finding in findings if finding.advice):
        yield from _advice(advice)
    yield from labelled("rule", first.rule)


def _distinct(things: Iterable[T]) -> list[T]:
    return list(dict.fromkeys(things))


def _heading(finding: Finding) -> str:
    return clip(escape(finding.message), MAX_LINE)


def _advice(text: str) -> Iterator[str]:
    """A paragraph at a time."""
    label = "advice"
    for paragraph in paragraphs(text):
        for line in paragraph.lines:
            yield from ([as_it_is(line)] if paragraph.verbatim else labelled(label, line))
        label = ""


def _unknowns(report: Report, style: Style, *, every: bool) -> Iterator[str]:
    """Checks that share a reason are told together."""
    together: dict[str, list[Finding]] = {}
    for finding in report.of(Status.UNKNOWN):
        together.setdefault(finding.message, []).append(finding)
    shown = len(together) if every else MAX_UNKNOWN
    for findings in islice(together.values(), shown):
        yield ""
        yield from headed("UNKNOWN", findings[0].message, style, "yellow")
        for line in findings[0].evidence[:MAX_EVIDENCE]:
            yield one_line("evidence", line)
        names = ", ".join(dict.fromkeys(finding.rule for finding in findings))
        yield from labelled("rules" if len(findings) > 1 else "rule", names)
    if len(together) > shown:
        yield f"and {len(together) - shown} more that were not found out: {ALL_OF_THEM}"


def _passes(report: Report, style: Style, *, every: bool) -> Iterator[str]:
    if not report.passed:
        return
    yield ""
    if every or report.passed <= FEW_PASSES:
        for finding in report.passes():
            yield from headed("ok", finding.message, style, "green", bold=False)
    else:
        yield f"{report.passed} checks passed; mailfix audit --all lists them."


def write_rules(rules: tuple[Rule, ...], *, colour: bool) -> str:
    """Return the list of all rules, one a line."""
    style = Style(colour)
    width = max(len(rule.id) for rule in rules)
    return "".join(
        f"{style.paint(_COLOURS[rule.severity], rule.severity.value.ljust(8))}  "
        f"{rule.id.ljust(width)}  {rule.title}\n"
        for rule in rules
    )


def write_rule(rule: Rule, *, colour: bool) -> str:
    """Return everything that is known about one rule."""
    style = Style(colour)
    lines = [f"{style.bold(rule.id)}: {rule.title}", ""]
    lines += labelled("severity", rule.severity.value)
    lines += labelled("part", rule.part.value)
    lines += labelled("why", rule.why)
    lines += labelled("check", f"{rule.check.__name__}: {(rule.check.__doc__ or '').strip()}")
    lines += labelled("needs", ", ".join(rule.needs))
    lines += labelled("scope", "any machine" if rule.scope is Scope.ANY else "hosts with an MTA")
    if rule.families:
        lines += labelled("families", ", ".join(family.label for family in rule.families))
    if rule.each:
        lines += labelled("each", f"put to every mail {rule.each.value}")
    if rule.subject:
        lines += labelled("subject", ", ".join(rule.subject))
    for name, value in rule.params.items():
        lines += labelled(name, str(value))
    lines += labelled("fails", rule.messages["fail"])
    lines += labelled("passes", rule.messages["pass"])
    if rule.fix:
        kind = "automatic" if rule.fix.automatic else "after asking"
        lines += labelled("fix", f"{rule.fix.action} ({kind}): {rule.fix.preview}")
    if rule.advice:
        lines += _advice(rule.advice)
    for reference in rule.references:
        lines += labelled("see", reference)
    return "\n".join(lines) + "\n"
