"""Findings that the administrator knows of and has taken for a while."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """``rule``'s findings whose subject has all of ``subject`` are as wanted through ``until``.

    ``until`` is the last day (local time) that it holds. An empty ``subject`` is every subject of
    the rule.
    """

    rule: str
    subject: Mapping[str, str | int]
    until: date
    why: str
