"""The settings' file of the package: every setting with its default, and examples that hold."""

from __future__ import annotations

import re
from dataclasses import fields

from mailfix.report_settings import ReportSettings
from mailfix.settings import Settings, parse_settings
from tests.lab.machine import CHECKOUT

TEXT = (CHECKOUT / "packaging/etc/mailfix.yml").read_text("utf-8")


def test_as_it_comes_it_changes_nothing() -> None:
    assert parse_settings(TEXT) == Settings()


def test_without_its_marks_it_says_the_defaults() -> None:
    assert parse_settings(uncommented()) == Settings()


def test_no_setting_is_left_out() -> None:
    for each in fields(Settings):
        assert re.search(rf"^{each.name}:", uncommented(), re.MULTILINE), each.name
    for each in fields(ReportSettings):
        assert re.search(rf"^  {each.name}:", uncommented(), re.MULTILINE), each.name


def test_the_examples_are_understood() -> None:
    plain = [line[6:] for line in TEXT.splitlines() if line.startswith("#     ")]
    of_the_report = next(at for at, line in enumerate(plain) if line.startswith("  webhook:"))

    told = parse_settings("\n".join([*plain[:of_the_report], "report:", *plain[of_the_report:]]))

    assert told.ignore
    assert told.dns_updates[0].zone == "example.com"
    assert told.report.webhook is not None
    assert told.report.mail is not None
    assert told.report.mail.smarthost is not None


def uncommented() -> str:
    """Settings stand right behind their mark, or indented as in a block; prose does not."""
    settings = re.findall(r"^#((?:  (?:  )?)?[a-z0-9_]+:.*)$", TEXT, re.MULTILINE)
    return "\n".join(settings)
