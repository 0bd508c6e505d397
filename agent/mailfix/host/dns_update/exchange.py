"""Questions and orders to the primary server of a zone, over TCP and signed.

What a zone holds at a name is not always what a question for it is answered with: a wildcard
answers for names that do not exist (RFC 4592), and a server that signs what others gave it answers
from the zone as it was a moment ago. The prerequisites of an update look at the zone itself
(RFC 2136 section 3.2), so they have the last word.
"""

from __future__ import annotations

import contextlib
import ipaddress
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailfix.host.dns_update.key import TsigKey, read_key
from mailfix.host.dns_update.records import Answer, Records, of_answer, of_rrset, parsed
from mailfix.host.dns_update.trouble import Changed, Refused, told_error, told_rcode, told_unsigned

if TYPE_CHECKING:
    import dns.message
    import dns.name
    import dns.rrset
    import dns.update

PATIENCE_S = 5.0
"""For one exchange, and for finding the address of a name."""

MAX_ADDRESSES = 4
ROUNDS = 10
POLL_S = 0.5
ALIAS = "CNAME"
UNUSED = "_mailfix-unused"


@dataclass(frozen=True, slots=True)
class Primary:
    """The server that takes updates of ``zone``: an address or a name in DNS, and a port.

    ``key_file`` is read anew for every exchange.
    """

    zone: str
    server: str
    port: int
    key_file: str

    @property
    def label(self) -> str:
        return self.server if self.port == 53 else f"{self.server} port {self.port}"


def read(primary: Primary, name: str, rdtype: str) -> Records:
    """The records that the zone holds at ``name``, not those that a wildcard gives it.

    Raises:
        Refused: it cannot be found out, or the name is an alias.
    """
    for _ in range(ROUNDS):
        answered = _answered(primary, name, rdtype)
        with contextlib.suppress(Changed):
            rehearse(primary, name, rdtype, answered)
            return answered
        if answered.rdata and not _holds(primary, name, rdtype):
            return Records()
        time.sleep(POLL_S)
    raise Refused(f"{primary.label} answers otherwise than its zone says at {name}")


def _answered(primary: Primary, name: str, rdtype: str) -> Records:
    response = _asked(primary, name, rdtype)
    alias = _rrset(response, name, ALIAS)
    if alias is not None and rdtype != ALIAS and _holds(primary, name, ALIAS):
        target = str(alias[0]).rstrip(".")[:80]
        raise Refused(f"{name} is an alias (CNAME) of {target}: the record belongs there")
    found = _rrset(response, name, rdtype)
    return Records() if found is None else of_rrset(found, f"{rdtype} of {name}")


def require_no_wildcard(primary: Primary, name: str) -> None:
    """Raise Refused where records at ``name`` would hide those of a wildcard.

    A wildcard answers for a name only as long as nothing at all is there or below it (RFC 4592
    section 2.2.1): one more TXT record, and the domain's MX and addresses may be gone. Names with
    an underscore are no mail domains and no hosts.
    """
    for each in _names_between(name, primary.zone):
        if "_" not in each and _is_made_by_wildcard(primary, each):
            raise Refused(
                f"the records of {each} come from a wildcard, and one of its own would hide them: "
                "give it all of them by hand"
            )


def _is_made_by_wildcard(primary: Primary, name: str) -> bool:
    """Whether the zone has nothing at ``name`` nor below, and answers for it all the same."""
    if _is_denied(primary, name) or _holds(primary, name):
        return False
    return not _is_denied(primary, f"{UNUSED}.{name}") and not _holds(primary, f"*.{name}")


def _is_denied(primary: Primary, name: str) -> bool:
    import dns.rcode

    return _asked(primary, name, "TXT").rcode() == dns.rcode.NXDOMAIN


def require_zone(primary: Primary, name: str) -> None:
    """Raise Refused unless the server has the zone and ``name`` is in it, not in one below it."""
    if _zone_at(primary, primary.zone) != primary.zone:
        raise Refused(f"{primary.label} does not serve the zone {primary.zone}")
    for each in _names_between(name, primary.zone):
        below = _zone_at(primary, each)
        if below == each:
            raise Refused(f"{name} is in the zone {each}, not in {primary.zone}")


def rehearse(primary: Primary, name: str, rdtype: str, now: Records) -> None:
    """Have the server check key, zone and present records, and change nothing.

    Raises:
        Refused: it would not take an update.
        Changed: it holds something else.
    """
    _order(primary, _update(primary, name, rdtype, now), name, rdtype)


def replace(primary: Primary, name: str, rdtype: str, now: Records, new: Records) -> None:
    """Have the zone hold ``new`` instead of ``now``, all or nothing.

    Raises:
        Changed: it holds something else than ``now``; nothing was changed.
        Refused: it did not do it, or did not say so.
    """
    update = _update(primary, name, rdtype, now)
    owner = _name(name)
    update.delete(owner, rdtype)
    for each in new.rdata:
        update.add(owner, new.ttl, parsed(rdtype, each))
    _order(primary, update, name, rdtype)


def answer_of_primary(primary: Primary, name: str, rdtype: str) -> Answer:
    """What the primary answers to a plain question; raises Refused."""
    return of_answer(_asked(primary, name, rdtype))


def addresses_at_primary(primary: Primary, name: str) -> tuple[str, ...]:
    """The addresses that the zone gives a name of its own; raises Refused."""
    found: list[str] = []
    for rdtype in ("A", "AAAA"):
        rrset = _rrset(_asked(primary, name, rdtype), name, rdtype)
        found += [str(each) for each in rrset] if rrset is not None else []
    return tuple(found)


def name_servers(primary: Primary) -> tuple[str, ...]:
    """The names in the zone's NS records; raises Refused."""
    rrset = _rrset(_asked(primary, primary.zone, "NS"), primary.zone, "NS")
    found = [str(each).rstrip(".").lower() for each in rrset] if rrset is not None else []
    return tuple(sorted(found))


def _asked(primary: Primary, name: str, rdtype: str) -> dns.message.Message:
    """An answer with authority; NXDOMAIN is one. Signed, so that it comes from the same view."""
    import dns.flags
    import dns.message
    import dns.rcode

    question = dns.message.make_query(_name(name), rdtype)
    question.flags &= ~dns.flags.RD
    response = _exchange(primary, question)
    if response.rcode() not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
        rcode = dns.rcode.to_text(response.rcode())
        raise Refused(f"{primary.label} answers the question for {rdtype} {name} with {rcode}")
    if not response.flags & dns.flags.AA:
        raise Refused(f"{primary.label} has no authority over {name}")
    return response


def _told(response: dns.message.Message) -> str:
    return told_rcode(response.rcode())


def _zone_at(primary: Primary, name: str) -> str | None:
    """The zone that begins at ``name``, None where it only is in one; raises Refused."""
    return name if _rrset(_asked(primary, name, "SOA"), name, "SOA") is not None else None


def _names_between(name: str, zone: str) -> Iterator[str]:
    while name != zone:
        yield name
        _, _, name = name.partition(".")


def _holds(primary: Primary, name: str, *rdtype: str) -> bool:
    """Whether there is such a record, or any, in the zone itself; raises Refused."""
    import dns.rcode
    import dns.update

    update = dns.update.UpdateMessage(_name(primary.zone))
    update.present(_name(name), *rdtype)
    response = _exchange(primary, update)
    if response.rcode() in (dns.rcode.NXRRSET, dns.rcode.NXDOMAIN):
        return False
    if response.rcode() != dns.rcode.NOERROR:
        raise Refused(f"{primary.label}, asked for an update of {name}, {_told(response)}")
    return True


def _update(primary: Primary, name: str, rdtype: str, now: Records) -> dns.update.UpdateMessage:
    """An update that changes nothing yet, for the case that the zone holds ``now``."""
    import dns.update

    update = dns.update.UpdateMessage(_name(primary.zone))
    owner = _name(name)
    for each in now.rdata:
        update.present(owner, parsed(rdtype, each))
    if not now.rdata:
        update.absent(owner, rdtype)
    return update


def _order(primary: Primary, update: dns.update.UpdateMessage, name: str, rdtype: str) -> None:
    import dns.rcode

    response = _exchange(primary, update)
    if response.rcode() in (dns.rcode.NXRRSET, dns.rcode.YXRRSET):
        raise Changed(f"{rdtype} of {name} was changed by somebody else meanwhile")
    if response.rcode() != dns.rcode.NOERROR:
        raise Refused(f"{primary.label}, asked for an update of {name}, {_told(response)}")


def _exchange(primary: Primary, message: dns.message.Message) -> dns.message.Message:
    """Sign, send, and get an answer that is signed by the same key; raises Refused.

    The next address of the server is tried only where the one before took no connection.
    """
    import dns.exception
    import dns.query

    key = read_key(primary.key_file)
    _sign(message, key)
    unreached: OSError | None = None
    for address in addresses_of(primary.server):
        try:
            response = dns.query.tcp(message, address, PATIENCE_S, primary.port)
        except OSError as error:
            unreached = error
            continue
        except (dns.exception.DNSException, EOFError, ValueError) as error:
            raise Refused(f"{primary.label} {told_error(error, key.name)}") from None
        if not response.had_tsig:
            raise Refused(f"{primary.label} {told_unsigned(key.name)}")
        return response
    assert unreached is not None
    raise Refused(f"{primary.label} {told_error(unreached, key.name)}")


def _sign(message: dns.message.Message, key: TsigKey) -> None:
    import dns.tsig

    message.use_tsig(dns.tsig.Key(key.name, key.secret, key.algorithm))


def addresses_of(server: str) -> tuple[str, ...]:
    """The addresses of a server, itself if it is one, at most a few.

    Raises :class:`Refused`.
    """
    import dns.exception
    import dns.resolver

    try:
        return (str(ipaddress.ip_address(server)),)
    except ValueError:
        pass
    found: list[str] = []
    for rdtype in ("A", "AAAA"):
        try:
            answer = dns.resolver.resolve(
                f"{server}.", rdtype, lifetime=PATIENCE_S, raise_on_no_answer=False
            )
        except (dns.exception.DNSException, OSError, EOFError, ValueError) as error:
            trouble = type(error).__name__
        else:
            trouble = "it has none"
            found += [str(each) for each in answer.rrset or ()]
    if not found:
        raise Refused(f"the address of {server} cannot be found: {trouble}")
    return tuple(found[:MAX_ADDRESSES])


def _rrset(response: dns.message.Message, name: str, rdtype: str) -> dns.rrset.RRset | None:
    import dns.rdataclass
    import dns.rdatatype

    return response.get_rrset(
        response.answer, _name(name), dns.rdataclass.IN, dns.rdatatype.from_text(rdtype)
    )


def _name(name: str) -> dns.name.Name:
    import dns.exception
    import dns.name

    try:
        return dns.name.from_text(f"{name}.")
    except (dns.exception.DNSException, UnicodeError):
        raise Refused(f"{name[:80]!r} is no name in DNS") from None
