"""Reading a referral: the servers of a zone further down, and their addresses (glue)."""

from __future__ import annotations

from dataclasses import dataclass

from mailfix.host.dns.reply import Reply

MAX_SERVERS = 13
MAX_ADDRESSES = 32


@dataclass(frozen=True, slots=True)
class Referral:
    """``addresses`` are pairs of a server's name and one address of it."""

    apex: str
    servers: tuple[str, ...] = ()
    addresses: tuple[tuple[str, str], ...] = ()


def read_referral(reply: Reply) -> Referral | None:
    """Return the referral that a reply is; None where what it holds cannot be read."""
    import dns.exception
    import dns.message
    import dns.rdatatype

    try:
        message = dns.message.from_wire(reply.wire, ignore_trailing=True)
    except (dns.exception.DNSException, ValueError):
        return None
    named = [each for each in message.authority if each.rdtype == dns.rdatatype.NS]
    if not named:
        return None
    servers = [_plain(str(each.target)) for each in named[0]]
    addresses = [
        (_plain(str(each.name)), record.to_text())
        for each in message.additional
        if each.rdtype in (dns.rdatatype.A, dns.rdatatype.AAAA)
        for record in each
    ]
    return Referral(
        _plain(str(named[0].name)), tuple(servers[:MAX_SERVERS]), tuple(addresses[:MAX_ADDRESSES])
    )


def _plain(name: str) -> str:
    return name[:-1].lower() if name.endswith(".") and name != "." else name.lower()
