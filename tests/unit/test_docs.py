"""The documentation says what is true: rules, commands, settings, metrics and links."""

from __future__ import annotations

from scripts import rule_pages
from tests.rules.cases import book


def test_the_page_of_rules_is_what_the_rules_say() -> None:
    told = "docs/rules.md is stale: PYTHONPATH=agent python3 -m scripts.rule_pages"

    assert rule_pages.PAGE.read_text("utf-8") == rule_pages.write(book()), told
