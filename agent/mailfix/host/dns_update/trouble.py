"""What goes wrong with an update, in one line for the administrator."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import dns.rcode

_RCODES = {
    "FORMERR": "does not understand the request",
    "SERVFAIL": "failed: its own log tells why",
    "NOTIMP": "takes no updates at all (RFC 2136)",
    "REFUSED": (
        "refuses it: it is not the zone's primary, or this key has no leave "
        "(BIND: update-policy or allow-update; Knot: an acl with action: update)"
    ),
    "NOTAUTH": "is not the primary server of that zone",
    "NOTZONE": "says that the name is not in that zone",
}


class Refused(Exception):
    """A record set cannot be read or changed; one line that holds no secret."""


class Changed(Refused):
    """The record set is not what it was expected to be; nothing was changed."""


def told_rcode(rcode: dns.rcode.Rcode) -> str:
    """What a response code means for who wanted an update (RFC 2136 section 2.2)."""
    import dns.rcode

    name = dns.rcode.to_text(rcode)
    return f"{_RCODES.get(name, 'does not do it')} ({name})"


def told_error(error: Exception, key_name: str) -> str:
    """What an exception of dnspython's, or of the socket, means."""
    import dns.exception
    import dns.message
    import dns.tsig

    if isinstance(error, OSError) and error.strerror:
        return f"cannot be reached: {error.strerror}"
    unheard_key = (
        f"does not take the key {key_name}: it needs the same key statement, and to give that key "
        "leave to update the zone (BADKEY)"
    )
    otherwise_signed = f"signs its answer otherwise than by the key {key_name}"
    meanings = (
        (dns.exception.Timeout, "gives no answer"),
        (EOFError, "closes the connection without an answer"),
        (dns.tsig.PeerBadKey, unheard_key),
        (
            dns.tsig.PeerBadSignature,
            f"has another secret or algorithm for the key {key_name} (BADSIG)",
        ),
        (
            dns.tsig.PeerBadTime,
            "has a clock more than five minutes apart from this host's: set both (BADTIME)",
        ),
        (dns.tsig.PeerError, f"does not take the signature by the key {key_name}"),
        (dns.tsig.BadTime, otherwise_signed),
        (dns.tsig.BadSignature, otherwise_signed),
        (dns.tsig.BadKey, otherwise_signed),
        (dns.message.UnknownTSIGKey, otherwise_signed),
        (dns.exception.FormError, told_unsigned(key_name)),
    )
    unheard = f"gives an answer that makes no sense ({type(error).__name__})"
    return next((text for kind, text in meanings if isinstance(error, kind)), unheard)


def told_unsigned(key_name: str) -> str:
    """What it means that an answer is not signed, or garbage."""
    return (
        f"gives no answer that is signed by the key {key_name}: it may not serve the zone, or not "
        "know the key"
    )
