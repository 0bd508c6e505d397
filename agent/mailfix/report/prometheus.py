"""A report as metrics, in the text format of Prometheus (exposition format 0.0.4).

https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from itertools import groupby, islice

from mailfix.comparison.news import News
from mailfix.model import Finding, Severity, Status
from mailfix.report.escape import escape
from mailfix.report.subject import flat
from mailfix.report.summary import Report

MAX_OF_A_RULE = 10
"""Findings of one rule and status that have a series of their own: each costs memory for weeks."""
LAST_RUN_OK = "mailfix_last_run_ok"
_OK_LINE = re.compile(rf"^{LAST_RUN_OK} .*$", re.MULTILINE)
_OK_HELP = "Whether the last run came to its end."
_COUNTED = (Status.FAIL, Status.UNKNOWN, Status.IGNORED)
_TOLD = (Status.FAIL, Status.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Sample:
    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True, slots=True)
class Metric:
    """A gauge; its name carries its unit."""

    name: str
    help: str
    samples: tuple[Sample, ...]


@dataclass(frozen=True, slots=True)
class Telling:
    """How an audit was told: what was new, and by which doors it went out.

    ``mails_left`` counts the mails of earlier reports that could not be sent yet.
    """

    news: News
    delivered: Mapping[str, bool]
    mails_left: int


def write(report: Report, telling: Telling | None = None) -> str:
    """All metrics of one audit, and of its telling if it was told."""
    metrics = [*_of_the_run(report), *_of_the_findings(report)]
    if telling is not None:
        metrics += _of_the_telling(telling)
    return "".join(line for metric in metrics for line in _lines(metric))


def failed(before: str) -> str:
    """The metrics as they were, but for the last run's success.

    ``before`` is what :func:`write` made of the last run that came to its end, "" where none did.
    """
    line = f"{LAST_RUN_OK} 0"
    if _OK_LINE.search(before):
        return _OK_LINE.sub(line, before)
    return "".join(_lines(_single(LAST_RUN_OK, _OK_HELP, 0)))


def _of_the_run(report: Report) -> Iterator[Metric]:
    ended = report.started + timedelta(seconds=report.duration_s)
    yield Metric(
        "mailfix_build_info",
        "Which mailfix made these metrics.",
        (Sample({"version": report.version}, 1),),
    )
    yield _single(LAST_RUN_OK, _OK_HELP, 1)
    yield _single(
        "mailfix_last_run_timestamp_seconds",
        "When the last audit that came to its end did so, Unix time.",
        _seconds(ended),
    )
    yield _single(
        "mailfix_audit_duration_seconds", "How long that audit took.", round(report.duration_s, 3)
    )


def _of_the_findings(report: Report) -> Iterator[Metric]:
    yield _single("mailfix_checks_passed", "Checks that found nothing wrong.", report.passed)
    counts = Counter((each.status, each.severity) for each in report.findings)
    yield Metric(
        "mailfix_findings",
        "Findings by status (fail, unknown, ignored) and severity.",
        tuple(
            Sample({"status": status, "severity": severity}, counts[status, severity])
            for status in _COUNTED
            for severity in Severity
        ),
    )
    told = [each for each in report.findings if each.status in _TOLD]
    by_rule = Counter((each.rule, each.severity, each.status) for each in told)
    yield Metric(
        "mailfix_rule_findings",
        "Findings of a rule by status (fail, unknown).",
        tuple(
            Sample({"rule": rule, "severity": severity, "status": status}, number)
            for (rule, severity, status), number in sorted(by_rule.items())
        ),
    )
    yield Metric(
        "mailfix_finding",
        f"One finding; of a rule with more than {MAX_OF_A_RULE} of a status, the first.",
        tuple(_distinct(_sample(each) for each in _first(told))),
    )


def _first(findings: list[Finding]) -> Iterator[Finding]:
    def kind(finding: Finding) -> tuple[str, str]:
        return finding.rule, finding.status

    for _, alike in groupby(sorted(findings, key=kind), kind):
        yield from islice(alike, MAX_OF_A_RULE)


def _sample(finding: Finding) -> Sample:
    labels = {
        "rule": finding.rule,
        "severity": finding.severity,
        "status": finding.status,
        "subject": flat(finding.subject),
    }
    return Sample(labels, 1)


def _distinct(samples: Iterable[Sample]) -> Iterable[Sample]:
    """A series that is there twice spoils the whole file; cut subjects may be alike."""
    return {tuple(sample.labels.values()): sample for sample in samples}.values()


def _of_the_telling(telling: Telling) -> Iterator[Metric]:
    kinds = {each.name: len(getattr(telling.news, each.name)) for each in fields(News)}
    yield Metric(
        "mailfix_news",
        "Failures by how they compare with the audits before.",
        tuple(Sample({"kind": kind}, number) for kind, number in kinds.items()),
    )
    yield Metric(
        "mailfix_report_delivery_ok",
        "Whether the report went out by this door; mail is only put into the outbox.",
        tuple(Sample({"door": door}, float(ok)) for door, ok in telling.delivered.items()),
    )
    yield _single(
        "mailfix_mail_left",
        "Mails of earlier reports that could not be sent yet.",
        telling.mails_left,
    )


def _single(name: str, help_: str, value: float) -> Metric:
    return Metric(name, help_, (Sample({}, value),))


def _lines(metric: Metric) -> Iterator[str]:
    yield f"# HELP {metric.name} {metric.help}\n"
    yield f"# TYPE {metric.name} gauge\n"
    for sample in metric.samples:
        labels = ",".join(f'{name}="{_quoted(value)}"' for name, value in sample.labels.items())
        yield f"{metric.name}{{{labels}}}" if labels else metric.name
        yield f" {sample.value:.15g}\n"


def _quoted(value: str) -> str:
    r"""In a label's value ``\``, ``"`` and the end of a line are escaped."""
    return escape(value).replace("\\", "\\\\").replace('"', '\\"')


def _seconds(moment: datetime) -> float:
    return round(moment.timestamp(), 3)
