"""The file that node_exporter's textfile collector reads."""

from __future__ import annotations

import contextlib
import os

from mailfix.host import durable
from mailfix.host.files import exists
from mailfix.report import prometheus
from mailfix.report.prometheus import Telling
from mailfix.reporter import outbox
from mailfix.reporter.doors.door import Delivery, Errand

NAME = "prometheus"
EVERYBODY_READS = 0o644
"""The collector is a user of its own, and what is wrong with a mail host shows from outside."""


def through(errand: Errand) -> Delivery:
    """Write the metrics, among them what became of the report at the doors before."""
    path = errand.settings.prometheus
    if path is None:
        return Delivery(NAME, "skipped", "it is switched off")
    if not exists(os.path.dirname(path)):
        return Delivery(NAME, "skipped", f"there is no {os.path.dirname(path)}")
    _write(path, prometheus.write(errand.bulletin.report, _telling(errand)))
    return Delivery(NAME, "delivered", path)


def tell_failed_run(path: str | None) -> Delivery:
    """Have the metrics say that the last run failed; raises OSError."""
    if path is None or not exists(os.path.dirname(path)):
        return Delivery(NAME, "skipped", "no metrics are written here")
    before = None
    with contextlib.suppress(OSError):
        before = durable.read(path)
    text = before.data.decode("utf-8", "replace") if before else ""
    _write(path, prometheus.failed(text))
    return Delivery(NAME, "delivered", path)


def _telling(errand: Errand) -> Telling:
    began = errand.bulletin.report.started
    left = [each for each in outbox.waiting(errand.places.outbox) if each.since < began]
    went = {each.door: each.outcome == "delivered" for each in errand.before if _had_to_go(each)}
    return Telling(errand.bulletin.news, went, len(left))


def _had_to_go(delivery: Delivery) -> bool:
    return delivery.outcome != "skipped"


def _write(path: str, text: str) -> None:
    """The collector reads what ends with .prom alone, so never the file that is written first."""
    attributes = durable.Attributes(EVERYBODY_READS, os.geteuid(), os.getegid())
    durable.replace(path, text.encode(), attributes, beside=f"{path}.new")
