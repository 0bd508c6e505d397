"""What a zone holds, by its primary server, and how that is changed.

What a zone holds at a name is not always what a question for it is answered with: a wildcard
answers for names that do not exist (RFC 4592), and a server that signs what others gave it answers
from the zone as it was a moment ago. The prerequisites of an update look at the zone itself
(RFC 2136 section 3.2), so they have the last word.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from mailfix.host.dns_update.exchange import Primary, asked, exchange, parsed_name, records_in
from mailfix.host.dns_update.records import Answer, Records, of_answer, of_rrset, parsed
from mailfix.host.dns_update.trouble import Changed, Refused, told_rcode

if TYPE_CHECKING:
    import dns.update

ROUNDS = 10
POLL_S = 0.5
ALIAS = "CNAME"
UNUSED = "_mailfix-unused"


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
    response = asked(primary, name, rdtype)
    alias = records_in(response, name, ALIAS)
    if alias is not None and rdtype != ALIAS and _holds(primary, name, ALIAS):
        target = str(alias[0]).rstrip(".")[:80]
        raise Refused(f"{name} is an alias (CNAME) of {target}: the record belongs there")
    found = records_in(response, name, rdtype)
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

    return asked(primary, name, "TXT").rcode() == dns.rcode.NXDOMAIN


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
    owner = parsed_name(name)
    update.delete(owner, rdtype)
    for each in new.rdata:
        update.add(owner, new.ttl, parsed(rdtype, each))
    _order(primary, update, name, rdtype)


def answer_of_primary(primary: Primary, name: str, rdtype: str) -> Answer:
    """What the primary answers to a plain question; raises Refused."""
    return of_answer(asked(primary, name, rdtype))


def addresses_at_primary(primary: Primary, name: str) -> tuple[str, ...]:
    """The addresses that the zone gives a name of its own; raises Refused."""
    found: list[str] = []
    for rdtype in ("A", "AAAA"):
        rrset = records_in(asked(primary, name, rdtype), name, rdtype)
        found += [str(each) for each in rrset] if rrset is not None else []
    return tuple(found)


def name_servers(primary: Primary) -> tuple[str, ...]:
    """The names in the zone's NS records; raises Refused."""
    rrset = records_in(asked(primary, primary.zone, "NS"), primary.zone, "NS")
    found = [str(each).rstrip(".").lower() for each in rrset] if rrset is not None else []
    return tuple(sorted(found))


def _zone_at(primary: Primary, name: str) -> str | None:
    """The zone that begins at ``name``, None where it only is in one; raises Refused."""
    return name if records_in(asked(primary, name, "SOA"), name, "SOA") is not None else None


def _names_between(name: str, zone: str) -> Iterator[str]:
    while name != zone:
        yield name
        _, _, name = name.partition(".")


def _holds(primary: Primary, name: str, *rdtype: str) -> bool:
    """Whether there is such a record, or any, in the zone itself; raises Refused."""
    import dns.rcode
    import dns.update

    update = dns.update.UpdateMessage(parsed_name(primary.zone))
    update.present(parsed_name(name), *rdtype)
    response = exchange(primary, update)
    if response.rcode() in (dns.rcode.NXRRSET, dns.rcode.NXDOMAIN):
        return False
    if response.rcode() != dns.rcode.NOERROR:
        raise Refused(
            f"{primary.label}, asked for an update of {name}, {told_rcode(response.rcode())}"
        )
    return True


def _update(primary: Primary, name: str, rdtype: str, now: Records) -> dns.update.UpdateMessage:
    """An update that changes nothing yet, for the case that the zone holds ``now``."""
    import dns.update

    update = dns.update.UpdateMessage(parsed_name(primary.zone))
    owner = parsed_name(name)
    for each in now.rdata:
        update.present(owner, parsed(rdtype, each))
    if not now.rdata:
        update.absent(owner, rdtype)
    return update


def _order(primary: Primary, update: dns.update.UpdateMessage, name: str, rdtype: str) -> None:
    import dns.rcode

    response = exchange(primary, update)
    if response.rcode() in (dns.rcode.NXRRSET, dns.rcode.YXRRSET):
        raise Changed(f"{rdtype} of {name} was changed by somebody else meanwhile")
    if response.rcode() != dns.rcode.NOERROR:
        raise Refused(
            f"{primary.label}, asked for an update of {name}, {told_rcode(response.rcode())}"
        )
