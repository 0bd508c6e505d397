"""Which hosts may send for a domain (RFC 7208)."""

from __future__ import annotations

from mailfix.mail_records.spf.policy import SpfPolicy, examine_policy
from mailfix.mail_records.spf.verdict import SpfVerdict, examine_helo, examine_verdicts

__all__ = ["SpfPolicy", "SpfVerdict", "examine_helo", "examine_policy", "examine_verdicts"]
