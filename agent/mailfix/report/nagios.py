"""A report as one line for a monitoring plugin's runner (Nagios, Icinga, Checkmk, NRPE).

Monitoring Plugins Development Guidelines: https://www.monitoring-plugins.org/doc/guidelines.html
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum

from mailfix.model import Finding, Severity, Status
from mailfix.report.counting import counted
from mailfix.report.escape import clip, escape
from mailfix.report.summary import Report

MAX_MESSAGE = 160
MAX_MESSAGES = 3
MAX_TROUBLE = 400


class Service(IntEnum):
    """A service's state; its number is the plugin's exit code."""

    OK = 0
    WARNING = 1
    CRITICAL = 2
    UNKNOWN = 3


_WEIGHT = {
    Severity.CRITICAL: Service.CRITICAL,
    Severity.ERROR: Service.CRITICAL,
    Severity.WARNING: Service.WARNING,
    Severity.NOTICE: Service.OK,
}


def service(report: Report) -> Service:
    """The worst failure's weight; without one that counts, UNKNOWN where something is unknown.

    A notice alone is OK.
    """
    worst = max((_WEIGHT[each.severity] for each in report.of(Status.FAIL)), default=Service.OK)
    if worst is Service.OK and report.counts[Status.UNKNOWN]:
        return Service.UNKNOWN
    return worst


def write(report: Report) -> str:
    """The line: state, what is wrong, and the counts as performance data."""
    return f"{_headline(service(report), _text(report))} | {_performance(report)}\n"


def trouble(text: str) -> str:
    """The line of a check that could not be made."""
    return _headline(Service.UNKNOWN, clip(text, MAX_TROUBLE)) + "\n"


def _headline(state: Service, text: str) -> str:
    """A ``|`` would begin the performance data."""
    return f"MAILFIX {state.name} - {escape(text).replace('|', '/')}"


def _text(report: Report) -> str:
    failures, unknown = report.of(Status.FAIL), report.of(Status.UNKNOWN)
    parts = []
    if failures:
        parts.append(f"{counted(len(failures), 'thing')} wrong: {_messages(failures)}")
    if unknown:
        told = "" if failures else f": {_messages(unknown)}"
        parts.append(f"{len(unknown)} not found out{told}")
    return "; ".join(parts) or f"nothing wrong, {counted(report.passed, 'check')} passed"


def _messages(findings: Sequence[Finding]) -> str:
    distinct = list(dict.fromkeys(finding.message for finding in findings))
    told = "; ".join(clip(message, MAX_MESSAGE) for message in distinct[:MAX_MESSAGES])
    more = len(distinct) - MAX_MESSAGES
    return f"{told}; and {more} more" if more > 0 else told


def _performance(report: Report) -> str:
    """``label=value[unit];warn;crit;min``."""
    counts = report.counts
    numbers = " ".join(f"{status}={number};;;0" for status, number in counts.items())
    return f"{numbers} time={report.duration_s:.3f}s;;;0"
