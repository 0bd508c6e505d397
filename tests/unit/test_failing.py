"""A report that could not be made is told by every door."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from mailfix.report import failure
from mailfix.report.failure import Failure
from mailfix.report_settings import Mail, ReportSettings, Smarthost, Webhook
from mailfix.reporter import failing, outbox
from mailfix.reporter.doors import Places
from tests.unit.web_server import says, serving

SCHEMA = Path(failure.__file__).with_name("failure.schema.json")
TOLD = Failure(
    "0.1.0",
    "mail.example.com",
    "mailfix-report.service",
    "timeout\x1b[31m",
    datetime(2026, 11, 23, 4, 0, tzinfo=UTC),
)


def test_it_goes_out_by_every_door(tmp_path: Path) -> None:
    metrics = tmp_path / "mailfix.prom"
    with serving(says(200), certificate=None) as (url, heard):
        settings = ReportSettings(
            prometheus=str(metrics),
            webhook=Webhook(url),
            mail=Mail(smarthost=Smarthost("192.0.2.9")),
        )
        places = Places(str(tmp_path), str(tmp_path / "no journal"))
        made = failing.tell(TOLD, settings, places)
    assert {each.door: each.outcome for each in made} == {
        "journal": "failed",
        "prometheus": "delivered",
        "mail": "delivered",
        "webhook": "delivered",
    }
    assert "mailfix_last_run_ok 0\n" in metrics.read_text("utf-8")
    content = heard[0].content
    Draft202012Validator(json.loads(SCHEMA.read_text("utf-8"))).validate(content)
    assert (content["unit"], content["reason"]) == ("mailfix-report.service", "timeout\\x1b[31m")
    (waiting,) = outbox.waiting(places.outbox)
    assert b"journalctl -u mailfix-report.service\n" in waiting.read()
    assert b"Subject: [mailfix] mail.example.com: the report could not be made\n" in waiting.read()


@pytest.mark.parametrize(
    ("environment", "reason"),
    [
        ({}, "systemd does not say how"),
        ({"MONITOR_SERVICE_RESULT": "timeout"}, "timeout"),
        (
            {
                "MONITOR_SERVICE_RESULT": "exit-code",
                "MONITOR_EXIT_CODE": "exited",
                "MONITOR_EXIT_STATUS": "70",
            },
            "exit-code (exited 70)",
        ),
    ],
)
def test_systemd_says_how_it_ended(environment: dict[str, str], reason: str) -> None:
    assert failing.how_it_ended(environment) == reason
