"""The result of a fix as one JSON document, as ``report/fix.schema.json`` describes it."""

from __future__ import annotations

import json
from typing import Any

from mailfix.model import Finding
from mailfix.report.document import plain_finding
from mailfix.report.escape import escape
from mailfix.report.fix.result import Cure, FixResult, Left

SCHEMA = "mailfix.fix/1"


def write(result: FixResult) -> str:
    """Return the result as indented JSON."""
    return json.dumps(document(result), indent=1, ensure_ascii=False)


def document(result: FixResult) -> dict[str, Any]:
    """Return the result as plain values; text from outside has its control characters escaped."""
    return {
        "schema": SCHEMA,
        "host": escape(result.host),
        "end": result.end.value,
        "dry_run": result.dry_run,
        "transaction": result.transaction,
        "applied": [_cure(each) for each in result.applied],
        "failed": [_left(each) for each in result.failed],
        "left": [_left(each) for each in result.left],
        "worse": [_named(each) for each in result.worse],
        "wrong_before": result.before,
        "wrong_after": result.after,
        "guard_s": result.guard_s,
        "reason": escape(result.reason),
        "problems": [escape(each) for each in result.problems],
        "outside": escape(result.outside),
    }


def _named(finding: Finding) -> dict[str, Any]:
    found = plain_finding(finding)
    return {name: found[name] for name in ("rule", "severity", "subject", "message")}


def _cure(cure: Cure) -> dict[str, Any]:
    return {
        **_named(cure.finding),
        "summary": escape(cure.summary),
        "preview": [escape(line) for line in cure.preview],
        "proof": escape(cure.proof),
        "risk": escape(cure.risk),
        "asked_because": escape(cure.manual),
        "besides": [escape(each) for each in cure.besides],
    }


def _left(left: Left) -> dict[str, Any]:
    return {
        **_named(left.finding),
        "reason": escape(left.reason),
        "advice": escape(" ".join(left.advice.split())),
    }
