"""Every door by itself: what goes wrong at one keeps no other shut."""

from __future__ import annotations

import stat
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from mailfix.comparison.news import News
from mailfix.report_settings import Mail, ReportSettings, Smarthost
from mailfix.reporter import outbox
from mailfix.reporter.doors import Delivery, Places, deliver
from mailfix.reporter.doors.prometheus import tell_failed_run
from tests.unit.bulletins import BLOCKED, STARTED, bulletin

SHUT = ReportSettings(prometheus=None, mail=None)


def here(tmp_path: Path) -> Places:
    return Places(state=str(tmp_path), journal=str(tmp_path / "journal"))


def outcome(made: tuple[Delivery, ...], door: str) -> str:
    return next(each.outcome for each in made if each.door == door)


def test_metrics_are_readable_by_the_exporter_and_nothing_else_is_left(tmp_path: Path) -> None:
    file = tmp_path / "mailfix.prom"
    file.write_text("of the last run")
    made = deliver(bulletin(BLOCKED), replace(SHUT, prometheus=str(file)), here(tmp_path))
    assert Delivery("prometheus", "delivered", str(file)) in made
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    assert 'mailfix_finding{rule="firewall-inbound-blocked"' in file.read_text("utf-8")
    assert [each.name for each in tmp_path.glob("*prom*")] == ["mailfix.prom"]


def test_without_an_exporter_no_folder_is_made_for_it(tmp_path: Path) -> None:
    file = tmp_path / "node-exporter" / "mailfix.prom"
    made = deliver(bulletin(BLOCKED), replace(SHUT, prometheus=str(file)), here(tmp_path))
    assert outcome(made, "prometheus") == "skipped"
    assert not file.parent.exists()


def test_a_link_at_the_metrics_file_is_replaced_and_not_followed(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("as it was")
    file = tmp_path / "mailfix.prom"
    file.symlink_to(precious)
    deliver(bulletin(BLOCKED), replace(SHUT, prometheus=str(file)), here(tmp_path))
    assert precious.read_text() == "as it was"
    assert not file.is_symlink()


def test_a_run_that_failed_shows_in_the_metrics(tmp_path: Path) -> None:
    file = tmp_path / "mailfix.prom"
    deliver(bulletin(BLOCKED), replace(SHUT, prometheus=str(file)), here(tmp_path))
    before = file.read_text("utf-8")
    assert tell_failed_run(str(file)).outcome == "delivered"
    assert file.read_text("utf-8") == before.replace("_run_ok 1", "_run_ok 0") != before


def test_mails_that_were_not_sent_show_in_the_metrics_and_today_s_does_not(tmp_path: Path) -> None:
    file = tmp_path / "mailfix.prom"
    settings = ReportSettings(prometheus=str(file), mail=Mail(smarthost=Smarthost("192.0.2.9")))
    outbox.put(here(tmp_path).outbox, b"of yesterday", STARTED - timedelta(days=1))
    deliver(bulletin(BLOCKED), settings, here(tmp_path))
    assert len(outbox.waiting(here(tmp_path).outbox)) == 2
    assert "mailfix_mail_left 1\n" in file.read_text("utf-8")


def test_nothing_to_tell_is_no_failure(tmp_path: Path) -> None:
    made = deliver(bulletin(news=News()), SHUT, here(tmp_path))
    assert "failed" not in {each.outcome for each in made}
