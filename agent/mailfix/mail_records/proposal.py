"""A record set as it ought to be, in forms that can be pasted."""

from __future__ import annotations

from dataclasses import dataclass

STRING_BYTES = 255


@dataclass(frozen=True, slots=True)
class ProposedSet:
    """What a name should hold: ``add`` and ``remove`` are records of one type.

    Records are written as in :class:`mailfix.record_set.RecordSet`: a TXT record is its text,
    unquoted. ``remove`` are records that are there now and must go.
    """

    name: str
    type: str
    add: tuple[str, ...]
    remove: tuple[str, ...] = ()
    ttl: int = 3600
