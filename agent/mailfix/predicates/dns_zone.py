"""Checks of the name servers of a mail domain's zone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from mailfix.mail_records.zone import Disagreement, Dnssec, NameServer, Zone
from mailfix.predicates.answer import Answer, Words, failed, passed, unknown

MAX_TOLD = 12


def signatures_valid(domain: str, dnssec: Dnssec) -> Iterator[Answer]:
    """A resolver that validates DNSSEC signatures takes those of the domain (RFC 4035 5.5)."""
    subject = {"domain": domain}
    if dnssec is Dnssec.BOGUS:
        yield failed(subject, {"domain": domain})
    elif dnssec is Dnssec.SECURE:
        yield passed(subject, {"state": f"the resolver vouches for {domain}"})
    else:
        yield passed(
            subject,
            {"state": f"nobody vouches for {domain}: unsigned, or the resolver does not validate"},
        )


def servers_agree(domain: str, zone: Zone) -> Iterator[Answer]:
    """The zone's name servers give the same answers (RFC 1034 section 4.3.5)."""
    subject = {"domain": domain}
    words = {"domain": domain, "zone": zone.apex, "servers": str(len(zone.servers))}
    if not zone.disagreements:
        yield passed(subject, words)
        return
    sets = ", ".join(f"{each.type} {each.name}" for each in zone.disagreements[:MAX_TOLD])
    evidence = tuple(_told(zone.disagreements))
    yield failed(subject, {**words, "sets": sets, "behind": _behind(zone)}, evidence)


def _told(disagreements: tuple[Disagreement, ...]) -> Iterator[str]:
    lines = (
        f"{each.type} {each.name}: {answer}" for each in disagreements for answer in each.answers
    )
    for _, line in zip(range(MAX_TOLD), lines, strict=False):
        yield line


def _behind(zone: Zone) -> str:
    """Which servers have an older copy than the newest (RFC 1982 serial number arithmetic)."""
    serials = [each.serial for each in zone.servers if each.serial is not None]
    newest = next((one for one in serials if all(not _older(one, other) for other in serials)), 0)
    late = [
        f"{each.label} has serial {each.serial}"
        for each in zone.servers
        if each.serial is not None and each.serial != newest
    ]
    return f"the newest serial is {newest}; {', '.join(late)}" if late else "their serials agree"


def _older(one: int, other: int) -> bool:
    return 0 < (other - one) % 2**32 < 2**31


def servers_answer(domain: str, zone: Zone) -> Iterator[Answer]:
    """Every name server of the zone answers for it.

    A name without a public address answers nobody, and that of an alias not all. A server that
    keeps silent or refuses may do so to this host alone, so that it is unknown what others see; and
    where none answers, the fault may be on the way there.
    """
    subject = {"domain": domain}
    words: Words = {"domain": domain, "zone": zone.apex, "servers": len(zone.servers)}
    proven = _each_once(f"{s.name}: {s.fault}" for s in zone.servers if _is_at_fault(s, zone))
    troubles = [f"{each.label} {each.trouble}" for each in zone.servers if each.trouble]
    if proven:
        yield failed(subject, {**words, "names": "; ".join(proven[:MAX_TOLD])})
    elif troubles:
        yield unknown(
            subject,
            f"not every name server of the zone {zone.apex} answers for it: "
            f"{'; '.join(troubles[:MAX_TOLD])}; where others get no answer from it either, mail "
            "is delayed now and then: mend that server, or take it out of the zone's NS records",
        )
    else:
        yield passed(subject, words)


def _each_once(texts: Iterable[str]) -> list[str]:
    """What is wrong with a name is so at each of its addresses."""
    return list(dict.fromkeys(texts))


def _is_at_fault(server: NameServer, zone: Zone) -> bool:
    return bool(server.fault) and any(not each.trouble for each in zone.servers)
