"""Why SPF has no verdict for a mail."""

from __future__ import annotations


class SpfError(ValueError):
    """A record that cannot be evaluated: "permerror" (RFC 7208 section 2.6.7), in words."""


class DnsFailure(Exception):
    """DNS did not answer: "temperror" (RFC 7208 section 2.6.6); its text is the reason."""
