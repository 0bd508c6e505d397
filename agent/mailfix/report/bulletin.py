"""What a report run tells, the same for every door that it goes out by."""

from __future__ import annotations

from dataclasses import dataclass

from mailfix.comparison.acknowledgement import Acknowledgement
from mailfix.comparison.news import News
from mailfix.report.summary import Report


@dataclass(frozen=True, slots=True)
class Bulletin:
    """One audit, what is new in it, and the acknowledgements in force (expired ones are gone)."""

    report: Report
    news: News
    acknowledged: tuple[Acknowledgement, ...] = ()
