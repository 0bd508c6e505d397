"""That a report could not be made, for every door that it would have gone out by."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from mailfix.report.escape import escape
from mailfix.report.mail import Letter

SCHEMA = "mailfix.failure/1"


@dataclass(frozen=True, slots=True)
class Failure:
    """``unit`` of systemd failed at ``moment`` (UTC); ``reason`` is what systemd says of it."""

    version: str
    host: str
    unit: str
    reason: str
    moment: datetime


def document(failure: Failure) -> dict[str, str]:
    """As ``failure.schema.json`` describes it."""
    return {
        "schema": SCHEMA,
        "version": failure.version,
        "host": escape(failure.host),
        "moment": failure.moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "unit": escape(failure.unit),
        "reason": escape(failure.reason),
    }


def letter(failure: Failure) -> Letter:
    """A mail about it."""
    host, unit = escape(failure.host), escape(failure.unit)
    text = (
        f"{unit} failed on {host}: {escape(failure.reason)}.\n"
        "So nothing is known about its mail today. What went wrong is told by\n"
        "\n"
        f"    systemctl status {unit}\n"
        f"    journalctl -u {unit}\n"
    )
    return Letter(f"{failure.host}: the report could not be made", text, failure.moment)
