"""A report goes out by every door; none stops another."""

from __future__ import annotations

from collections.abc import Mapping

from mailfix.report.bulletin import Bulletin
from mailfix.report_settings import ReportSettings
from mailfix.reporter.doors import journal, prometheus, webhook
from mailfix.reporter.doors.door import THIS_HOST, Delivery, Door, Errand, Places

DOORS: Mapping[str, Door] = {
    journal.NAME: journal.through,
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
        done += (_through(name, door, Errand(bulletin, settings, places, done)),)
    journal.tell_failures(done, places)
    return done


def _through(name: str, door: Door, errand: Errand) -> Delivery:
    """An error of the program itself must not shut the doors behind it either."""
    try:
        return door(errand)
    except OSError as error:
        what = error.strerror or str(error) or type(error).__name__
        return Delivery(name, "failed", f"{error.filename}: {what}" if error.filename else what)
    except Exception as error:
        return Delivery(name, "failed", f"internal error: {type(error).__name__}: {error}")
