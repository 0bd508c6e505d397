"""A named state of a host: what is done to a healthy one to get there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from .image import BASE, Layer
from .internet import Internet
from .mailhost import MailHost

Change: TypeAlias = Callable[[MailHost, Internet], None]


@dataclass(frozen=True, slots=True)
class Scenario:
    """``apply`` changes a booted healthy host and its Internet; ``layer`` is its disk image."""

    name: str
    summary: str
    apply: Change
    layer: Layer = BASE


class Catalogue(dict[str, Scenario]):
    """Scenarios by name, each entered where its function is written."""

    def entry(self, name: str, summary: str, layer: Layer = BASE) -> Callable[[Change], Change]:
        """Decorate the function that makes the scenario out of a healthy host."""

        def enter(change: Change) -> Change:
            self[name] = Scenario(name, summary, change, layer)
            return change

        return enter
