"""Every kind of change, by its name in the journal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mailfix.changes import Change
from mailfix.changes.codec import from_plain, to_plain
from mailfix.changes.file import FileChange
from mailfix.changes.host_name import HostNameChange
from mailfix.changes.owner import OwnerChange
from mailfix.changes.record_set import RecordSetChange
from mailfix.changes.restart import Restart
from mailfix.changes.rules import RulesChange
from mailfix.changes.unit import AtBoot, Running

KINDS: Mapping[str, type[Any]] = {
    each.kind: each
    for each in (
        *(FileChange, HostNameChange, Restart, Running, AtBoot, RulesChange, OwnerChange),
        RecordSetChange,
    )
}


def write_change(change: Change) -> dict[str, Any]:
    """The change as a plain object that names its kind."""
    return {"kind": change.kind, **to_plain(change)}


def read_change(plain: Mapping[str, Any]) -> Change:
    """Raises ValueError or LookupError for anything else than :func:`write_change` has written."""
    kind = KINDS[plain["kind"]]
    found: Change = from_plain(kind, {name: plain[name] for name in plain if name != "kind"})
    return found
