"""The document that stored reports, the webhook and ``report --format json`` share."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import Any

from jsonschema import Draft202012Validator

from mailfix.comparison.acknowledgement import Acknowledgement
from mailfix.comparison.news import News, Standing
from mailfix.model import Finding
from mailfix.report.bulletin import Bulletin
from mailfix.report.document import SCHEMA_FILE
from mailfix.report.news import document
from tests.unit.test_report import BLOCKED, PTR, SILENT, report

SCHEMA = Draft202012Validator(
    json.loads(SCHEMA_FILE.with_name("news.schema.json").read_text("utf-8"))
)


def standing(finding: Finding, doubt: str | None = None) -> Standing:
    since = datetime(2026, 11, 20, 6, 0, 0, tzinfo=UTC)
    return Standing(
        *(finding.rule, finding.title, finding.severity, finding.subject, finding.message),
        *(since, doubt),
    )


def written(bulletin: Bulletin) -> dict[str, Any]:
    content = json.loads(document.write(document.document(bulletin)))
    SCHEMA.validate(content)
    assert isinstance(content, dict)
    return content


def test_it_says_what_is_new_and_what_is_still_there_since_when() -> None:
    news = News(new=(standing(BLOCKED),), still=(standing(PTR, "DNS gave no answer"),))
    known = Acknowledgement("ptr-generic", {"family": "ipv6"}, date(2026, 12, 24), "it is ordered")
    content = written(Bulletin(report(BLOCKED, SILENT), news, (known,)))
    assert content["schema"] == "mailfix.news/1"
    assert content["changed"] is True
    assert [each["subject"] for each in content["new"]] == [{"port": 25, "family": "ipv4"}]
    assert content["still"][0]["since"] == "2026-11-20T06:00:00Z"
    assert content["still"][0]["doubt"] == "DNS gave no answer"
    assert content["acknowledged"] == [
        {
            "rule": "ptr-generic",
            "subject": {"family": "ipv6"},
            "until": "2026-12-24",
            "why": "it is ordered",
        }
    ]
    assert [each["status"] for each in content["findings"]] == ["fail", "unknown"]


def test_nothing_new_is_no_change() -> None:
    assert written(Bulletin(report(), News(still=(standing(PTR),))))["changed"] is False


def test_text_from_outside_has_its_control_characters_escaped() -> None:
    hostile = standing(PTR, "\x1b[2J\n")
    known = Acknowledgement("ptr-generic", {"helo": "\x1b"}, date(2026, 12, 24), "\r\nX: y")
    content = written(Bulletin(report(), News(wavering=(hostile,)), (known,)))
    assert content["wavering"][0]["doubt"] == "\\x1b[2J\\x0a"
    assert content["acknowledged"][0]["why"] == "\\x0d\\x0aX: y"
    assert content["acknowledged"][0]["subject"] == {"helo": "\\x1b"}
