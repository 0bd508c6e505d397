"""The samples for monitoring systems fit what mailfix writes and takes."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest
import yaml

from mailfix.comparison.news import News
from mailfix.model import Severity
from mailfix.report import prometheus
from scripts.command_files.commands import commands
from tests.lab.machine import CHECKOUT
from tests.unit.bulletins import report

FOLDER = CHECKOUT / "packaging/monitoring"
ALERTS = FOLDER / "mailfix.rules.yml"


def metrics() -> set[str]:
    text = prometheus.write(report(), prometheus.Telling(News(), {"page": True}, 0))
    return set(re.findall(r"^# TYPE (\w+) ", text, re.MULTILINE))


def test_alerts_are_about_metrics_that_there_are() -> None:
    (group,) = yaml.safe_load(ALERTS.read_text("utf-8"))["groups"]
    for alert in group["rules"]:
        named = set(re.findall(r"\bmailfix_\w+", alert["expr"]))
        assert named, alert
        assert named <= metrics()
        for severities in re.findall(r'severity=~?"([a-z|]+)"', alert["expr"]):
            assert set(severities.split("|")) <= set(Severity)


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_promtool_takes_the_alerts() -> None:
    subprocess.run(["promtool", "check", "rules", str(ALERTS)], check=True, capture_output=True)


@pytest.mark.parametrize("name", ["icinga2.conf", "nrpe.cfg", "sudoers"])
def test_plugins_are_called_as_the_command_is(name: str) -> None:
    (check,) = (each for each in commands() if each.name == "check")
    text = (FOLDER / name).read_text("utf-8")

    assert re.search(r'/usr/bin/mailfix"?,? "?check', text)
    assert set(re.findall(r"(?<=[ \"])--[a-z-]+", text)) <= {each.name for each in check.options}


@pytest.mark.skipif(shutil.which("visudo") is None, reason="visudo is not installed")
def test_sudo_takes_its_line() -> None:
    subprocess.run(["visudo", "-cf", str(FOLDER / "sudoers")], check=True, capture_output=True)
