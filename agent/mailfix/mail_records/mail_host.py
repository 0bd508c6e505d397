"""What of this host the records of its domains are held against."""

from __future__ import annotations

from dataclasses import dataclass, field

from mailfix.model import Fact, PerFamily, unread


@dataclass(frozen=True, slots=True)
class MailHost:
    """The host as others see it.

    ``senders`` are the addresses from which its mail leaves, None for a family that it does not
    send over. ``receivers`` are all public addresses that lead to it. ``listens_ipv6`` tells
    whether anything takes mail on port 25 over IPv6.
    """

    hostname: Fact[str] = field(default_factory=unread)
    helo: Fact[str] = field(default_factory=unread)
    senders: PerFamily[str | None] = field(default_factory=PerFamily)
    receivers: Fact[tuple[str, ...]] = field(default_factory=unread)
    listens_ipv6: Fact[bool] = field(default_factory=unread)
