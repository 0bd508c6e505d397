"""The report as one JSON document, as ``report.schema.json`` describes it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from mailfix.model import Finding, Subject
from mailfix.report.escape import escape
from mailfix.report.summary import Report

SCHEMA = "mailfix.report/1"
SCHEMA_FILE = Path(__file__).with_name("report.schema.json")


def write(report: Report) -> Iterator[str]:
    """Yield the report as JSON, failures first, a finding to a line.

    Text from outside has its control characters escaped.
    """
    encode = json.JSONEncoder(ensure_ascii=False).encode
    head = json.dumps(plain_head(report, SCHEMA), indent=1, ensure_ascii=False)
    yield head.removesuffix("\n}") + ',\n "findings": ['
    for number, finding in enumerate(chain(report.findings, report.passes())):
        yield (",\n  " if number else "\n  ") + encode(plain_finding(finding))
    yield "\n ]\n}\n"


def plain_head(report: Report, schema: str) -> dict[str, Any]:
    """What every document that is made of an audit begins with, as plain values."""
    return {
        "schema": schema,
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
        "subject": plain_subject(finding.subject),
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


def plain_subject(subject: Subject) -> dict[str, str | int]:
    """A subject as plain values."""
    return {
        key: escape(value) if isinstance(value, str) else value for key, value in subject.items()
    }


def _escaped_lines(text: str) -> str:
    return "\n".join(escape(line) for line in text.split("\n"))
