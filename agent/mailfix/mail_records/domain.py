"""Everything that is known about one mail domain."""

from __future__ import annotations

from dataclasses import dataclass, field

from mailfix.mail_records.dkim import PublishedKeys, Signing
from mailfix.mail_records.dmarc import DmarcPolicy
from mailfix.mail_records.mx import MailExchange
from mailfix.mail_records.spf import SpfPolicy, SpfVerdict
from mailfix.mail_records.transport import TransportPolicy
from mailfix.mail_records.zone import Dnssec, Zone
from mailfix.model import Fact, PerFamily, unread


@dataclass(frozen=True, slots=True)
class DomainRecords:
    """A domain for which this host handles mail; ``name`` is in its A-label form (RFC 5890).

    ``in_dns`` is False where its name does not exist. ``signing`` is None where its mail is not
    signed, ``dkim_key`` likewise. ``confirmed`` are the zone's own name servers that were asked for
    what looks wrong. ``longest_ttl`` is that of the domain's own records, in seconds: for so long
    others may see what is published now.
    """

    name: str
    in_dns: Fact[bool] = field(default_factory=unread)
    mx: Fact[MailExchange] = field(default_factory=unread)
    spf: Fact[SpfPolicy] = field(default_factory=unread)
    spf_verdict: PerFamily[SpfVerdict | None] = field(default_factory=PerFamily)
    signing: Fact[Signing | None] = field(default_factory=unread)
    dkim_key: Fact[PublishedKeys | None] = field(default_factory=unread)
    dmarc: Fact[DmarcPolicy] = field(default_factory=unread)
    transport: Fact[TransportPolicy] = field(default_factory=unread)
    dnssec: Fact[Dnssec] = field(default_factory=unread)
    zone: Fact[Zone] = field(default_factory=unread)
    confirmed: Fact[tuple[str, ...]] = field(default_factory=unread)
    longest_ttl: int = 0
