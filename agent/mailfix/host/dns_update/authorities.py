"""All servers of a zone: what each of them answers."""

from __future__ import annotations

from dataclasses import dataclass

from mailfix.host.dns_update.exchange import Primary, addresses_of
from mailfix.host.dns_update.records import Answer, of_answer
from mailfix.host.dns_update.trouble import Refused, told_error, told_rcode
from mailfix.host.dns_update.zone import addresses_at_primary, name_servers

PORT = 53
PATIENCE_S = 3.0
MAX_SERVERS = 16


@dataclass(frozen=True, slots=True)
class Authority:
    """A name server of a zone by one of its addresses; "" where none was found."""

    name: str
    address: str

    @property
    def label(self) -> str:
        return f"{self.name} ({self.address or 'no address'})"


def authorities(primary: Primary) -> tuple[Authority, ...]:
    """The zone's name servers by every address that they have.

    Raises:
        Refused: the primary does not tell them.
    """
    found = [
        Authority(name, address)
        for name in name_servers(primary)
        for address in _addresses(primary, name)
    ]
    return tuple(found[:MAX_SERVERS])


def _addresses(primary: Primary, name: str) -> tuple[str, ...]:
    if name.endswith(f".{primary.zone}"):
        known = addresses_at_primary(primary, name)
        if known:
            return known
    try:
        return addresses_of(name)
    except Refused:
        return ("",)


def answer_at(authority: Authority, name: str, rdtype: str) -> Answer:
    """What a server answers, with authority, to a plain question: UDP, then TCP if need be.

    Raises:
        Refused: it gives no such answer.
    """
    import dns.exception
    import dns.flags
    import dns.message
    import dns.query
    import dns.rcode

    if not authority.address:
        raise Refused(f"{authority.name} has no address that can be found")
    question = dns.message.make_query(f"{name}.", rdtype, use_edns=0, payload=1232)
    question.flags &= ~dns.flags.RD
    try:
        response, _ = dns.query.udp_with_fallback(
            question, authority.address, PATIENCE_S, PORT, ignore_unexpected=True
        )
    except (dns.exception.DNSException, OSError, EOFError, ValueError) as error:
        raise Refused(f"{authority.label} {told_error(error, '')}") from None
    if response.rcode() not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
        raise Refused(f"{authority.label} {told_rcode(response.rcode())}")
    if not response.flags & dns.flags.AA:
        raise Refused(f"{authority.label} does not serve the zone")
    return of_answer(response)
