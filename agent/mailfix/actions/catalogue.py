"""The actions by the names that rules use."""

from __future__ import annotations

from importlib import import_module
from typing import cast

from mailfix.actions.proposal import Action

NAMES = frozenset(
    {
        "disable-exim-ipv6",
        "enable-server",
        "exim-listen",
        "open-port",
        "publish-records",
        "set-hostname",
        "set-mail-name",
        "start-server",
    }
)


def action(name: str) -> Action | None:
    """What proposes the cure; None for a name that is no action's."""
    if name not in NAMES:
        return None
    module = import_module(f"mailfix.actions.{name.replace('-', '_')}")
    return cast(Action, module.propose)
