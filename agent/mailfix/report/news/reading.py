"""A report that was kept, read back as far as a later look at it needs."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from mailfix.model import Finding, Part, Severity, Status
from mailfix.report.news.document import SCHEMA
from mailfix.report.summary import Report


class NotAReport(ValueError):
    """The text is no document of :data:`SCHEMA`."""


def read_report(text: str) -> Report:
    """The audit in a document that ``mailfix report`` has kept, without advice and offers of a fix.

    Raises :class:`NotAReport`.
    """
    try:
        content = json.loads(text)
        if content["schema"] != SCHEMA:
            raise NotAReport(f"it is not of the format {SCHEMA}")
        return Report(
            version=str(content["version"]),
            host=str(content["host"]),
            started=datetime.strptime(content["started"], "%Y-%m-%dT%H:%M:%S%z"),
            duration_s=float(content["duration_s"]),
            findings=tuple(_finding(each) for each in content["findings"]),
            passed=int(content["summary"]["pass"]),
        )
    except NotAReport:
        raise
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError, OverflowError):
        raise NotAReport("it is damaged") from None


def _finding(content: dict[str, Any]) -> Finding:
    return Finding(
        rule=str(content["rule"]),
        title=str(content["title"]),
        status=Status(content["status"]),
        severity=Severity(content["severity"]),
        part=Part(content["part"]),
        subject=dict(content["subject"]),
        message=str(content["message"]),
        why=str(content["why"]),
        evidence=tuple(map(str, content["evidence"])),
    )
