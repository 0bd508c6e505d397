"""A report goes out by every door; none stops another."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from mailfix.report.bulletin import Bulletin
from mailfix.report_settings import ReportSettings
from mailfix.reporter.doors import journal, mail, page, prometheus, webhook
from mailfix.reporter.doors.door import THIS_HOST, Delivery, Door, Errand, Places

DOORS: Mapping[str, Door] = {
    page.NAME: page.through,
    journal.NAME: journal.through,
    mail.NAME: mail.through,
    webhook.NAME: webhook.through,
    prometheus.NAME: prometheus.through,
}
"""In this order: Prometheus comes last, for its file tells of the doors before it."""


def deliver(
    bulletin: Bulletin, settings: ReportSettings, places: Places = THIS_HOST
) -> tuple[Delivery, ...]:
    """Tell through every door, one after the other; what became of it at each."""
    done: tuple[Delivery, ...] = ()
    for name, door in DOORS.items():
        errand = Errand(bulletin, settings, places, done)
        done += (guarded(name, partial(door, errand)),)
    journal.tell_failures(done, places)
    return done


def guarded(name: str, way: Callable[[], Delivery]) -> Delivery:
    """What became of it; not even an error of the program itself shuts the doors behind."""
    try:
        return way()
    except OSError as error:
        what = error.strerror or str(error) or type(error).__name__
        return Delivery(name, "failed", f"{error.filename}: {what}" if error.filename else what)
    except Exception as error:
        return Delivery(name, "failed", f"internal error: {type(error).__name__}: {error}")
