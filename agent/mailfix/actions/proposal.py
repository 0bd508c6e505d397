"""What an action answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from mailfix.actions.situation import Situation
from mailfix.changes import Change
from mailfix.model import Finding


@dataclass(frozen=True, slots=True)
class Proposal:
    """The changes that cure a finding, and what the administrator must know of them.

    ``summary`` says in one line, as an order, what is done; ``proof`` why that cures it and what
    was computed or checked to show that it changes nothing else; ``risk`` what may go wrong.
    ``manual`` says why it is not done without asking, "" where it is. ``besides`` is what remains
    for the administrator to do elsewhere: DNS records, the provider.
    """

    summary: str
    changes: tuple[Change, ...]
    proof: str
    risk: str
    manual: str = ""
    besides: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Declined:
    """Nothing is proposed: why, and what to do instead.

    ``cured`` tells that the changes chosen so far cure the finding already.
    """

    reason: str
    advice: str = ""
    cured: bool = False


Action: TypeAlias = Callable[[Situation, Finding], Proposal | Declined]
"""May raise :class:`mailfix.changes.Failed`: what it has to look at cannot be read."""
