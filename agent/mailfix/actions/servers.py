"""The unit by which a mail server is started."""

from __future__ import annotations

from dataclasses import dataclass

from mailfix.actions.proposal import Declined
from mailfix.changes import Failed
from mailfix.facts import Facts
from mailfix.host import units
from mailfix.model import Unknown


@dataclass(frozen=True, slots=True)
class SystemUnit:
    """``server`` is its name in :mod:`mailfix.probes.servers`."""

    server: str
    unit: str
    masked: bool


def unit_of(facts: Facts, server: str) -> SystemUnit | Declined:
    """Raises :class:`mailfix.changes.Failed`."""
    if isinstance(facts.servers, Unknown):
        return Declined(facts.servers.reason)
    found = next((each for each in facts.servers.value if each.name == server), None)
    if found is None:
        return Declined(f"{server} is not installed")
    if found.unit is None:
        return Declined(f"how {server} is started on this host is not known", "start it by hand")
    try:
        return SystemUnit(server, found.unit, units.is_masked(found.unit))
    except units.Refused as error:
        raise Failed(str(error)) from None


def unwanted(found: SystemUnit) -> str:
    """Why the unit is neither started nor enabled unasked; "" where it is."""
    return f"{found.unit} is masked: somebody wanted it never to run" if found.masked else ""
