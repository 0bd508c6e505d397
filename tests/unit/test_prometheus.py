"""What node_exporter's textfile collector finds, read by Prometheus' own parsers."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from mailfix.comparison.news import News
from mailfix.model import Status
from mailfix.report import prometheus
from mailfix.report.prometheus import Telling
from tests.property.hostile import ANY_TEXT
from tests.unit.bulletins import BLOCKED, GENERIC, STARTED, UNTOLD, report, standing

NEWS = News(new=(standing(BLOCKED),), still=(standing(GENERIC), standing(GENERIC)))
WHOLE = prometheus.write(
    report(BLOCKED, GENERIC, UNTOLD), Telling(NEWS, {"journal": True, "webhook": False}, 3)
)


def samples(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    found = [each for family in text_string_to_metric_families(text) for each in family.samples]
    by_series = {(each.name, frozenset(each.labels.items())): each.value for each in found}
    assert len(by_series) == len(found), "a series is there twice"
    return by_series


def value(text: str, name: str, **labels: str) -> float | None:
    return samples(text).get((name, frozenset(labels.items())))


def test_a_finding_is_a_series_that_an_alert_can_name() -> None:
    labels = {"rule": "firewall-inbound-blocked", "severity": "critical", "status": "fail"}
    subject = "family=ipv4 port=25"
    assert value(WHOLE, "mailfix_finding", **labels, subject=subject) == 1
    assert value(WHOLE, "mailfix_rule_findings", **labels) == 1
    assert value(WHOLE, "mailfix_findings", status="fail", severity="warning") == 1
    assert value(WHOLE, "mailfix_findings", status="fail", severity="notice") == 0
    assert value(WHOLE, "mailfix_findings", status="unknown", severity="error") == 1
    assert value(WHOLE, "mailfix_checks_passed") == 40


def test_the_run_itself_can_be_watched() -> None:
    assert value(WHOLE, "mailfix_last_run_ok") == 1
    ended = STARTED.timestamp() + 0.412
    assert value(WHOLE, "mailfix_last_run_timestamp_seconds") == ended
    assert value(WHOLE, "mailfix_audit_duration_seconds") == 0.412
    assert value(WHOLE, "mailfix_build_info", version="0.1.0") == 1
    assert value(WHOLE, "mailfix_report_delivery_ok", door="webhook") == 0
    assert value(WHOLE, "mailfix_report_delivery_ok", door="journal") == 1
    assert value(WHOLE, "mailfix_news", kind="new") == 1
    assert value(WHOLE, "mailfix_news", kind="still") == 2
    assert value(WHOLE, "mailfix_mail_left") == 3


def test_every_metric_says_what_it_is_and_of_what_type() -> None:
    for family in text_string_to_metric_families(WHOLE):
        assert (family.type, bool(family.documentation)) == ("gauge", True)
        assert f"# HELP {family.name} " in WHOLE
        assert f"# TYPE {family.name} gauge\n" in WHOLE


def test_a_failed_run_keeps_the_time_of_the_last_good_one() -> None:
    after = prometheus.failed(WHOLE)
    assert value(after, "mailfix_last_run_ok") == 0
    assert samples(after).keys() == samples(WHOLE).keys()
    when = "mailfix_last_run_timestamp_seconds"
    assert value(after, when) == value(WHOLE, when)


def test_a_failed_run_is_told_even_where_none_was_good() -> None:
    assert value(prometheus.failed(""), "mailfix_last_run_ok") == 0


def test_ten_thousand_failures_make_few_series() -> None:
    many = [replace(BLOCKED, subject={"domain": f"d{number}.example"}) for number in range(10_000)]
    text = prometheus.write(report(*many))
    assert len(samples(text)) < 50
    assert value(text, "mailfix_findings", status="fail", severity="critical") == 10_000
    shown = [each for each in samples(text) if each[0] == "mailfix_finding"]
    assert len(shown) == prometheus.MAX_OF_A_RULE


@given(st.lists(st.tuples(st.sampled_from(Status), ANY_TEXT, ANY_TEXT), max_size=5), ANY_TEXT)
def test_whatever_a_subject_holds_the_file_is_one_that_prometheus_reads(
    found: list[tuple[Status, str, str]], version: str
) -> None:
    findings = [
        replace(BLOCKED, status=status, subject={"domain": told, "server": other})
        for status, told, other in found
        if status is not Status.PASS
    ]
    text = prometheus.write(replace(report(*findings), version=version))
    text.encode("utf-8")
    assert value(text, "mailfix_last_run_ok") == 1
    assert {name.partition("_")[0] for name, _ in samples(text)} == {"mailfix"}


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
@pytest.mark.parametrize("text", [WHOLE, prometheus.failed(WHOLE), prometheus.failed("")])
def test_promtool_finds_nothing_to_say(text: str) -> None:
    checked = subprocess.run(
        ["promtool", "check", "metrics"],
        input=text,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")
