"""What actions know of the host: the audit's facts, and the changes that were chosen so far."""

from __future__ import annotations

from dataclasses import dataclass, field

from mailfix.changes.draft import Draft
from mailfix.facts import Facts
from mailfix.settings import Settings


@dataclass(frozen=True, slots=True)
class Situation:
    """``draft`` is what the host will be like for the next action."""

    facts: Facts
    settings: Settings
    draft: Draft = field(default_factory=Draft)
