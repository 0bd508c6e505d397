"""The report as one JSON document, as ``report.schema.json`` describes it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from mailfix.model import Finding
from mailfix.report.escape import escape
from mailfix.report.summary import Report

SCHEMA = "mailfix.report/1"
SCHEMA_FILE = Path(__file__).with_name("report.schema.json")


def write(report: Report) -> Iterator[str]:
    """Yield the report as JSON, failures first, a finding to a line.

    Text from outside has its control characters escaped.
    """
    head = json.dumps(_head(report), indent=1, ensure_ascii=False)
    yield head.removesuffix("\n}") + ',\n "findings": ['
    for number, finding in enumerate(chain(report.findings, report.passes())):
        yield ",\n" if number else "\n"
        yield "  " + json.dumps(plain_finding(finding), ensure_ascii=False)
    yield "\n ]\n}\n"


def _head(report: Report) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "version": report.version,
        "host": escape(report.host),
        "started": report.started.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "duration_s": round(report.duration_s, 3),
        "summary": {status.value: number for status, number in report.counts.items()},
    }


def plain_finding(finding: Finding) -> dict[str, Any]:
    """One finding as plain values."""
    fix = finding.fix
    return {
        "rule": finding.rule,
        "title": finding.title,
        "status": finding.status.value,
        "severity": finding.severity.value,
        "part": finding.part.value,
        "subject": {key: _plain(value) for key, value in finding.subject.items()},
        "message": escape(finding.message),
        "why": finding.why,
        "evidence": [escape(line) for line in finding.evidence],
        "advice": finding.advice and _escaped_lines(finding.advice),
        "fix": fix
        and {
            "action": fix.action,
            "automatic": fix.automatic,
            "preview": escape(fix.preview),
        },
    }


def _plain(value: str | int) -> str | int:
    return escape(value) if isinstance(value, str) else value


def _escaped_lines(text: str) -> str:
    return "\n".join(escape(line) for line in text.split("\n"))
