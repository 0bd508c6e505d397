"""The journal: always there where systemd is."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable

from mailfix.host import journald
from mailfix.report import journal
from mailfix.reporter.doors.door import Delivery, Errand, Places

NAME = "journal"


def through(errand: Errand) -> Delivery:
    """Write the summary and the news."""
    try:
        journald.send(journal.entries(errand.bulletin), errand.places.journal)
    except FileNotFoundError:
        return Delivery(NAME, "skipped", "there is no systemd-journald here")
    return Delivery(NAME, "delivered", "journalctl -t mailfix")


def tell_failures(deliveries: Iterable[Delivery], places: Places) -> None:
    """Write which doors failed; where the journal is the one, others tell it."""
    failed = [
        journal.door_failed(each.door, each.detail)
        for each in deliveries
        if each.outcome == "failed"
    ]
    with contextlib.suppress(OSError):
        journald.send(failed, places.journal)
