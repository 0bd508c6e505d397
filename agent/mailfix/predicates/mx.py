"""Checks of where a domain's mail goes."""

from __future__ import annotations

from collections.abc import Iterator

from mailfix.mail_records.mx import Lead, MailExchange, Target
from mailfix.mail_records.proposal import ProposedSet
from mailfix.mail_records.public_address import is_public
from mailfix.model import Family, Known, Unknown
from mailfix.predicates.answer import Answer, Evidence, failed, passed, unknown

MAX_TOLD = 12
MAX_IN_MESSAGE = 4
UNTOLD = "an MX record of priority 10 with the full name of the domain's mail server"
_PLACES = {
    Lead.HERE: "this host",
    Lead.ELSEWHERE: "another host",
    Lead.BOTH: "this host and another one",
    Lead.NOWHERE: "no address",
}


def domain_exists(in_dns: bool, domain: str) -> Iterator[Answer]:
    """The domain's name exists in DNS."""
    answer = passed if in_dns else failed
    yield answer({"domain": domain}, {"domain": domain})


def mx_published(in_dns: bool, mx: MailExchange, domain: str) -> Iterator[Answer]:
    """Senders find a mail server for the domain: by MX, or by its own address."""
    if not in_dns or mx.null_mx:
        return
    subject, words = {"domain": domain}, _words(mx)
    if not mx.targets:
        yield failed(subject, words, (f"DNS: {domain}: no MX, A or AAAA record",))
    elif mx.implicit and mx.targets[0].doubt:
        yield unknown(subject, f"{domain} has no MX record; {mx.targets[0].doubt}")
    else:
        yield passed(subject, words, _records(mx))


def mx_any_usable(in_dns: bool, mx: MailExchange, domain: str) -> Iterator[Answer]:
    """Senders can use at least one of the domain's mail servers."""
    if not in_dns or mx.null_mx or not mx.targets:
        return
    subject, words = {"domain": domain}, _words(mx)
    doubts = [target.doubt for target in mx.usable if target.doubt]
    if not mx.usable:
        yield failed(subject, words, _faults(mx))
    elif len(doubts) == len(mx.usable):
        yield unknown(subject, doubts[0])
    else:
        yield passed(subject, words, _records(mx))


def mx_each_usable(in_dns: bool, mx: MailExchange, domain: str) -> Iterator[Answer]:
    """Senders can use every one of the domain's mail servers."""
    proven = [target for target in mx.usable if not target.doubt]
    if not in_dns or not proven:
        return
    for target in mx.unusable[:MAX_TOLD]:
        subject = {"domain": domain, "mx": target.name}
        words = _words(mx) | {"mx": target.name, "fault": str(target.fault)}
        yield failed(subject, words, _records(mx))
    for target in mx.usable[:MAX_TOLD]:
        if target.doubt:
            yield unknown({"domain": domain, "mx": target.name}, target.doubt)
    if len(proven) == len(mx.targets):
        yield passed({"domain": domain}, _words(mx))


def mx_reached_over_ipv4(in_dns: bool, mx: MailExchange, domain: str) -> Iterator[Answer]:
    """Senders without IPv6 can reach at least one of the domain's mail servers."""
    if not in_dns or not mx.usable:
        return
    subject, words = {"domain": domain}, _words(mx, mx.leading_here)
    doubts = [fact.reason for each in mx.usable if isinstance(fact := each.addresses.ipv4, Unknown)]
    if any(_is_reached_over_ipv4(target) for target in mx.usable):
        yield passed(subject, words, _records(mx))
    elif doubts:
        yield unknown(subject, doubts[0])
    else:
        yield failed(subject, words, _records(mx))


def _is_reached_over_ipv4(target: Target) -> bool:
    found = target.addresses.ipv4
    return isinstance(found, Known) and any(is_public(address) for address in found.value)


def mx_no_alias(in_dns: bool, mx: MailExchange, domain: str) -> Iterator[Answer]:
    """No mail server's name is a CNAME (RFC 2181 section 10.3)."""
    named = () if mx.implicit else mx.usable
    if not in_dns or not named:
        return
    for target in named[:MAX_TOLD]:
        subject = {"domain": domain, "mx": target.name}
        if target.alias_of:
            words = _words(mx) | {"mx": target.name, "alias": target.alias_of}
            yield failed(subject, words, (f"{target.name} is a CNAME for {target.alias_of}",))
    if not any(target.alias_of for target in named):
        yield passed({"domain": domain}, _words(mx))


def mx_ipv6_served(
    in_dns: bool, mx: MailExchange, fqdn: str | None, domain: str
) -> Iterator[Answer]:
    """Where a mail server's name leads here and has an AAAA record, IPv6 takes mail.

    Silent about the host's own name, of which another rule tells it.
    """
    if not in_dns or isinstance(mx.host.receivers, Unknown):
        return
    for target in mx.usable[:MAX_TOLD]:
        published = target.addresses.ipv6
        ours = target.lead(mx.host.receivers.value) in (Lead.HERE, Lead.BOTH)
        if target.name == fqdn or not ours or published == Known(()):
            continue
        subject = {"domain": domain, "mx": target.name}
        match published, mx.host.listens_ipv6:
            case (Unknown(reason), _) | (_, Unknown(reason)):
                yield unknown(subject, reason)
            case Known(addresses), Known(listens):
                words = {"domain": domain, "mx": target.name, "addresses": ", ".join(addresses)}
                yield passed(subject, words) if listens else failed(subject, words)


def mx_null_meant(in_dns: bool, mx: MailExchange, domain: str) -> Iterator[Answer]:
    """A domain that says it takes no mail (RFC 7505) is none for which this host accepts mail."""
    if not in_dns:
        return
    subject, words = {"domain": domain}, _words(mx, mx.leading_here)
    if mx.null_mx:
        yield failed(subject, words, (f"{domain} MX 0 .",))
    elif mx.targets:
        yield passed(subject, words)


def mx_leads_here(
    in_dns: bool, mx: MailExchange, fqdn: str | None, domain: str
) -> Iterator[Answer]:
    """Where the domain's mail goes; a mail server of somebody else's is no fault.

    Fails where mail goes elsewhere for want of a record: without an MX record, or where one and
    the same name leads here by one family and elsewhere by the other. Of the host's own name other
    rules tell that.
    """
    usable = [target for target in mx.usable if not target.doubt]
    if not in_dns or not usable:
        return
    subject = {"domain": domain}
    if isinstance(mx.host.receivers, Unknown):
        yield unknown(subject, f"which addresses lead to this host: {mx.host.receivers.reason}")
        return
    named = [target for target in usable if target.name != fqdn]
    trouble = _astray(mx, named, mx.host.receivers.value)
    words = _words(mx, mx.leading_here) | {"trouble": trouble}
    words |= {"servers": _servers(usable, mx.host.receivers.value)}
    answer = failed if trouble else passed
    yield answer(subject, words, (*_records(mx), *_own_address(mx, mx.host.receivers.value)))


def _astray(mx: MailExchange, usable: list[Target], receivers: tuple[str, ...]) -> str:
    if mx.implicit and usable and usable[0].lead(receivers) is Lead.ELSEWHERE:
        return "it has no MX record, and its own address is that of another host"
    for target in usable:
        leads = {family: target.lead(receivers, family) for family in Family}
        if leads[Family.IPV6] is Lead.ELSEWHERE and mx.host.listens_ipv6 != Known(True):
            continue
        if set(leads.values()) == {Lead.HERE, Lead.ELSEWHERE}:
            away = next(family for family in Family if leads[family] is Lead.ELSEWHERE)
            found = target.addresses.of(away)
            assert isinstance(found, Known)
            shown = ", ".join(found.value[:MAX_IN_MESSAGE])
            return f"{target.name} leads here, but its {away.label} address {shown} does not"
    return ""


def _servers(usable: list[Target], receivers: tuple[str, ...]) -> str:
    told = [
        f"{target.name} (priority {target.preference}: {_PLACES[target.lead(receivers)]}"
        f"{_by_families(target)})"
        for target in usable[:MAX_IN_MESSAGE]
    ]
    return ", ".join(told) + (", ..." if len(usable) > MAX_IN_MESSAGE else "")


def _by_families(target: Target) -> str:
    found = [each.label for each in Family if target.addresses.of(each) != Known(())]
    return f" over {' and '.join(found)}" if found else ""


def _own_address(mx: MailExchange, receivers: tuple[str, ...]) -> Iterator[str]:
    if isinstance(mx.own_ipv4, Known) and mx.own_ipv4.value and not mx.implicit:
        place = "this host" if set(mx.own_ipv4.value) <= set(receivers) else "not this host"
        yield f"{mx.domain} itself: A {', '.join(mx.own_ipv4.value[:MAX_IN_MESSAGE])} ({place})"


def _records(mx: MailExchange) -> Evidence:
    kind = "A" if mx.implicit else "MX"
    return tuple(
        f"{mx.domain} {kind}{'' if mx.implicit else f' {target.record}'}: {_addresses(target)}"
        for target in mx.targets[:MAX_TOLD]
    )


def _addresses(target: Target) -> str:
    via = f"(CNAME {target.alias_of}) " if target.alias_of else ""
    return via + (", ".join(target.known_addresses[:MAX_IN_MESSAGE]) or "no address")


def _faults(mx: MailExchange) -> Evidence:
    return tuple(
        f"MX {target.record}: {target.fault}{_found(target)}" for target in mx.unusable[:MAX_TOLD]
    )


def _found(target: Target) -> str:
    found = target.known_addresses[:MAX_IN_MESSAGE]
    return f" ({', '.join(found)})" if found else ""


def _words(mx: MailExchange, proposed: ProposedSet | None = None) -> dict[str, str | int]:
    proposal = proposed or mx.proposal
    names = [target.name for target in mx.targets[:MAX_IN_MESSAGE]]
    more = ", ..." if len(mx.targets) > MAX_IN_MESSAGE else ""
    how = "no MX record; senders take its own address" if mx.implicit else f"MX {', '.join(names)}"
    first = mx.unusable[0] if mx.unusable else None
    return {
        "domain": mx.domain,
        "how": how + more,
        "names": ", ".join(names) + more,
        "fault": f"{first.fault}{_found(first)}" if first else "",
        "record": proposal.told() if proposal else UNTOLD,
    }
