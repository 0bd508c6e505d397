"""What the administrator chose to ignore for a while, for people."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from mailfix.comparison.acknowledgement import Acknowledgement
from mailfix.report.escape import escape
from mailfix.report.subject import flat


def told(each: Acknowledgement) -> str:
    """For example ``through 2026-12-24: ptr-generic (family=ipv6): the name is ordered``."""
    which = f"({flat(each.subject)})" if each.subject else "(whatever its subject)"
    return f"through {each.until.isoformat()}: {escape(each.rule)} {which}: {escape(each.why)}"


def write_list(entries: Sequence[Acknowledgement], today: date) -> str:
    """One line for each, the first to end first; with those that have ended."""
    if not entries:
        return "no failure is ignored for a while\n"
    lines = [
        told(each) if each.holds_on(today) else f"{told(each)} (this has ended)"
        for each in sorted(entries, key=lambda each: (each.until, each.rule))
    ]
    return "\n".join(lines) + "\n"
