"""The page: complete in itself, valid, bounded, and nothing from outside is obeyed."""

from __future__ import annotations

from mailfix.report.html import page
from tests.unit.test_report import BLOCKED, FINE, PTR, SILENT, report


def test_the_page_says_how_the_host_stands() -> None:
    told = page.write(report(BLOCKED, PTR, SILENT, FINE))
    assert "2 things wrong, 1 not found out" in told
    assert "Nothing wrong" in page.write(report(FINE))
