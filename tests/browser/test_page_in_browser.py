"""The page in a real browser: it fits a phone, asks for nothing, and its links lead somewhere."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mailfix.comparison.news import News
from mailfix.model import Status
from mailfix.report.html import page
from tests.browser.chromium import PROGRAM, Tab, open_tab
from tests.unit.test_html_page import ATTACK, HOST, hostile, of_rule, standing
from tests.unit.test_report import BLOCKED, FINE, PTR, SILENT, report

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="chromium is not installed")

BEYOND = """[...document.querySelectorAll('body *')]
  .filter(each => each.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
  .filter(each => !each.closest('pre') && !each.closest('svg'))
  .map(each => each.outerHTML.slice(0, 200))"""
TOO_WIDE = """[...document.querySelectorAll('.drawing text')]
  .filter(each => each.getBBox().x + each.getBBox().width > 358)
  .map(each => each.textContent)"""


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    with open_tab(tmp_path_factory.mktemp("browser")) as opened:
        yield opened


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with something of everything, most of it as long as it may be."""
    record = '    mail._domainkey.example.com. IN TXT "v=DKIM1; p=' + "A" * 400 + '"'
    findings = [
        replace(BLOCKED, advice=f"Publish:\n\n{record}", message="x" * 500),
        PTR,
        hostile(Status.FAIL, 1),
        *(of_rule("spf-missing", number) for number in range(30)),
        SILENT,
        hostile(Status.UNKNOWN, 2),
        FINE,
    ]
    news = News(new=(standing(findings[0]),), still=(standing(hostile(Status.FAIL, 1), 3, ATTACK),))
    audit = replace(report(*findings, host="mail." + "long" * 20 + ".example"), overview=HOST)
    written = tmp_path_factory.mktemp("page") / "page.html"
    written.write_text(page.write(audit, news), "utf-8")
    return written


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_nothing_reaches_beyond_the_screen(tab: Tab, file: Path, width: int, scheme: str) -> None:
    tab.show(file, width, scheme)
    assert tab.value("document.documentElement.scrollWidth") == width
    assert tab.value(BEYOND) == []
    assert tab.value(TOO_WIDE) == []


def test_the_page_asks_for_nothing_and_complains_of_nothing(tab: Tab, file: Path) -> None:
    tab.requests.clear()
    tab.complaints.clear()
    tab.show(file, 360, "light")
    assert [each for each in tab.requests if not each.startswith("data:,")] == [file.as_uri()]
    assert tab.complaints == []
    assert tab.value("document.title").endswith("things wrong, 2 not found out")


def test_a_mark_of_the_drawing_leads_to_its_finding(tab: Tab, file: Path) -> None:
    tab.show(file, 360, "light")
    tab.value("document.querySelector('.gates a.broken').dispatchEvent(new MouseEvent('click'))")
    assert tab.value("document.querySelector(':target').closest('.card').id") == "rule-1"


def test_light_and_dark_differ_and_paper_is_always_light(tab: Tab, file: Path) -> None:
    grounds = []
    for scheme in ("light", "dark"):
        tab.show(file, 1280, scheme)
        grounds.append(tab.value("getComputedStyle(document.body).backgroundColor"))
    assert grounds == ["rgb(245, 246, 248)", "rgb(14, 16, 19)"]
    tab.call(
        "Emulation.setEmulatedMedia",
        media="print",
        features=[{"name": "prefers-color-scheme", "value": "dark"}],
    )
    ink = tab.value("getComputedStyle(document.querySelector('h1')).color")
    tab.call("Emulation.setEmulatedMedia", media="")
    assert ink == "rgb(22, 25, 29)"
