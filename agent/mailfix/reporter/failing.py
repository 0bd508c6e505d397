"""When the report itself failed, was killed or took too long: telling that, by every door."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from mailfix import __version__
from mailfix.host import journald, kernel_name
from mailfix.report import failure, journal
from mailfix.report.failure import Failure
from mailfix.report_settings import ReportSettings
from mailfix.reporter.chosen import report_settings
from mailfix.reporter.doors import mail, prometheus, webhook
from mailfix.reporter.doors.delivering import guarded
from mailfix.reporter.doors.door import THIS_HOST, Delivery, Places


def run(unit: str) -> tuple[Delivery, ...]:
    """Tell that this unit failed; systemd says how in our environment (OnFailure=).

    Settings that cannot be used are the reason themselves, and then the defaults hold.
    """
    settings, refused = report_settings()
    reason = refused or how_it_ended(os.environ)
    told = Failure(__version__, kernel_name.read(), unit, reason, datetime.now(UTC))
    return tell(told, settings, THIS_HOST)


def how_it_ended(environment: Mapping[str, str]) -> str:
    """From the variables that systemd.exec(5) describes, of systemd 251 and later."""
    result = environment.get("MONITOR_SERVICE_RESULT")
    if not result:
        return "systemd does not say how"
    code, status = environment.get("MONITOR_EXIT_CODE"), environment.get("MONITOR_EXIT_STATUS")
    return f"{result} ({code} {status})" if code and status else result


def tell(told: Failure, settings: ReportSettings, places: Places) -> tuple[Delivery, ...]:
    """By every door that is open; none stops another."""
    ways: Mapping[str, Callable[[], Delivery]] = {
        "journal": lambda: _to_the_journal(told, places),
        prometheus.NAME: lambda: prometheus.tell_failed_run(settings.prometheus),
        mail.NAME: lambda: _by_mail(told, settings, places),
        webhook.NAME: lambda: _by_webhook(told, settings, places),
    }
    return tuple(guarded(name, way) for name, way in ways.items())


def _to_the_journal(told: Failure, places: Places) -> Delivery:
    journald.send([journal.report_failed(told.unit, told.reason)], places.journal)
    return Delivery("journal", "delivered", "journalctl -t mailfix")


def _by_mail(told: Failure, settings: ReportSettings, places: Places) -> Delivery:
    if settings.mail is None:
        return Delivery(mail.NAME, "skipped", "it is switched off")
    return mail.put(failure.letter(told), told.host, settings.mail, places)


def _by_webhook(told: Failure, settings: ReportSettings, places: Places) -> Delivery:
    if settings.webhook is None:
        return Delivery(webhook.NAME, "skipped", "none is set")
    return webhook.tell(settings.webhook, failure.document(told), told.moment, places)
