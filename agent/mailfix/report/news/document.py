"""A bulletin as one JSON document, as ``news.schema.json`` describes it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from mailfix.comparison.acknowledgement import Acknowledgement
from mailfix.comparison.news import Standing
from mailfix.report.bulletin import Bulletin
from mailfix.report.document import plain_finding, plain_head, plain_subject
from mailfix.report.escape import escape

SCHEMA = "mailfix.news/1"


def document(bulletin: Bulletin) -> dict[str, Any]:
    """The bulletin as plain values; text from outside has its control characters escaped.

    ``findings`` holds all but the passes, which are many and only counted.
    """
    report, news = bulletin.report, bulletin.news
    return {
        **plain_head(report, SCHEMA),
        "changed": news.is_change,
        "new": _plain(news.new),
        "better": _plain(news.better),
        "still": _plain(news.still),
        "wavering": _plain(news.wavering),
        "unclear": _plain(news.unclear),
        "acknowledged": [_acknowledgement(each) for each in bulletin.acknowledged],
        "findings": [plain_finding(finding) for finding in report.findings],
    }


def write(content: Mapping[str, Any]) -> str:
    """The document as text, an entry of each list to a line."""
    members = (f" {_json(key)}: {_lines(value)}" for key, value in content.items())
    return "{\n" + ",\n".join(members) + "\n}\n"


def _lines(value: Any) -> str:
    if not isinstance(value, list) or not value:
        return _json(value)
    return "[\n" + ",\n".join(f"  {_json(each)}" for each in value) + "\n ]"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _plain(standings: Iterable[Standing]) -> list[dict[str, Any]]:
    return [
        {
            "rule": each.rule,
            "title": escape(each.title),
            "severity": each.severity.value,
            "subject": plain_subject(each.subject),
            "message": escape(each.message),
            "since": each.since.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "doubt": each.doubt and escape(each.doubt),
        }
        for each in standings
    ]


def _acknowledgement(each: Acknowledgement) -> dict[str, Any]:
    return {
        "rule": each.rule,
        "subject": plain_subject(each.subject),
        "until": each.until.isoformat(),
        "why": escape(each.why),
    }
