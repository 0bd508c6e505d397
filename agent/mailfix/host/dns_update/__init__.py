"""Record sets changed at their zone's primary server (RFC 2136), signed by TSIG (RFC 8945).

``key`` reads the key, ``exchange`` signs and sends, ``zone`` reads and changes what a zone holds,
``authorities`` asks all servers of the zone.
"""

from __future__ import annotations

from mailfix.host.dns_update.authorities import Authority, answer_at, authorities
from mailfix.host.dns_update.exchange import Primary
from mailfix.host.dns_update.records import Records, held_as, is_like, written
from mailfix.host.dns_update.trouble import Changed, Refused
from mailfix.host.dns_update.zone import (
    answer_of_primary,
    read,
    rehearse,
    replace,
    require_no_wildcard,
    require_zone,
)

__all__ = [
    "Authority",
    "Changed",
    "Primary",
    "Records",
    "Refused",
    "answer_at",
    "answer_of_primary",
    "authorities",
    "held_as",
    "is_like",
    "read",
    "rehearse",
    "replace",
    "require_no_wildcard",
    "require_zone",
    "written",
]
