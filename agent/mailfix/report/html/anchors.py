"""Where on the page each finding is told, by its rule and subject."""

from __future__ import annotations

from mailfix.comparison.news import Standing
from mailfix.model import Finding, Identity, identity


class Anchors:
    """Where on the page each finding is told."""

    def __init__(self) -> None:
        self._of: dict[Identity, str] = {}

    def put(self, finding: Finding, anchor: str) -> None:
        self._of[identity(finding)] = anchor

    def of(self, finding: Finding | Standing) -> str:
        """The anchor; "" where the page does not tell it."""
        return self._of.get(identity(finding), "")
