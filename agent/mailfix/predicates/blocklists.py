"""Checks of the blocklists in DNS."""

from __future__ import annotations

from collections.abc import Iterator

from mailfix.mail_records.dnsbl import Listing
from mailfix.model import Family, Known, Unknown
from mailfix.predicates.answer import Answer, failed, passed, unknown


def not_blocklisted(blocklists: tuple[Listing, ...], family: Family) -> Iterator[Answer]:
    """No blocklist has the address from which mail leaves."""
    for listing in blocklists:
        subject = {"family": family.value, "address": listing.address, "list": listing.zone}
        words = {
            "list": listing.zone,
            "address": listing.address,
            "meaning": f" ({listing.meaning})" if listing.meaning else "",
        }
        match listing.listed:
            case Unknown(reason):
                yield unknown(subject, reason)
            case Known(False):
                yield passed(subject, words)
            case Known(True):
                yield failed(subject, words, _evidence(listing))


def _evidence(listing: Listing) -> tuple[str, ...]:
    told = f"{listing.zone} answers {', '.join(listing.codes[:6])}"
    return (told, f"reason: {listing.text}") if listing.text else (told,)
