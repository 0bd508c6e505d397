"""What is to become of one line of a file of saved rules."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Unclear(ValueError):
    """The file is not so that the one line could be changed; its text says why."""


class Verb(Enum):
    """``BEFORE`` and ``BEHIND`` put new rules beside the line, ``INSTEAD`` in its place."""

    INSTEAD = "instead"
    BEFORE = "before"
    BEHIND = "behind"


@dataclass(frozen=True, slots=True)
class Deed:
    """New ``rules`` at a line (from 1); ``INSTEAD`` of it without any, it goes.

    ``expected`` is what the line says by now, as ``Written`` has it. A rule of iptables is told as
    iptables-save would, a native one in nft's own words.
    """

    line: int
    verb: Verb
    expected: str
    rules: tuple[str, ...] = ()
