"""Checks of the host's name."""

from __future__ import annotations

from collections.abc import Iterator

from mailfix.facts import Greeting, HostNames, Mta, NameRecords, ReverseDns
from mailfix.model import Family, Known, PerFamily, Unknown
from mailfix.predicates.answer import Answer, failed, passed, unknown


def fully_qualified(names: HostNames, fqdn: str | None) -> Iterator[Answer]:
    """The host has a fully qualified name, in the kernel or by way of /etc/hosts or DNS."""
    if fqdn is None or fqdn.startswith("localhost."):
        yield failed({}, {"name": names.kernel}, _places(names))
    else:
        yield passed({}, {"name": fqdn}, _places(names))


def _places(names: HostNames) -> tuple[str, ...]:
    told = [f"kernel: {names.kernel}"]
    for place, fact in (("/etc/hostname", names.hostname_file), ("/etc/mailname", names.mailname)):
        told.append(
            f"{place}: {fact.value or '(none)'}"
            if isinstance(fact, Known)
            else f"{place}: not known ({fact.reason})"
        )
    if isinstance(names.hosts_file, Known):
        told += [
            f"/etc/hosts: {address} {' '.join(each)}"
            for address, each in names.hosts_file.value[:20]
            if names.kernel.lower() in (name.lower() for name in each)
        ]
    return tuple(told)


def kept_at_boot(names: HostNames) -> Iterator[Answer]:
    """The name that the kernel has is the one that /etc/hostname gives it at the next boot."""
    match names.hostname_file:
        case Unknown(reason):
            yield unknown({}, reason)
        case Known(str(kept)):
            same = kept.lower().rstrip(".") == names.kernel.lower().rstrip(".")
            words = {"name": names.kernel, "kept": kept}
            yield passed({}, words) if same else failed({}, words)


def not_bare_domain(fqdn: str | None, fqdn_records: NameRecords | None) -> Iterator[Answer]:
    """The host is a name within its domain, not the mail domain itself."""
    if fqdn is None or fqdn_records is None:
        return
    if fqdn.count(".") == 1:
        yield failed({}, {"name": fqdn}, (f"{fqdn} has no label before its domain",))
        return
    match fqdn_records.zone_apex, fqdn_records.has_mx:
        case Known(True), Known(True):
            yield failed({}, {"name": fqdn}, (f"{fqdn} is a zone of its own and has MX records",))
        case (Known(False), _) | (_, Known(False)):
            yield passed({}, {"name": fqdn})
        case (Unknown(reason), _) | (_, Unknown(reason)):
            yield unknown({}, reason)


def resolves(fqdn: str | None, fqdn_records: NameRecords | None) -> Iterator[Answer]:
    """The host's name has an address in DNS."""
    if fqdn is None or fqdn_records is None:
        return
    found = [
        address
        for fact in (fqdn_records.ipv4, fqdn_records.ipv6)
        if isinstance(fact, Known)
        for address in fact.value
    ]
    unread = [
        fact.reason for fact in (fqdn_records.ipv4, fqdn_records.ipv6) if isinstance(fact, Unknown)
    ]
    if found:
        yield passed({}, {"name": fqdn, "addresses": ", ".join(found)})
    elif unread:
        yield unknown({}, unread[0])
    else:
        state = "no address records" if fqdn_records.exists else "no such name (NXDOMAIN)"
        yield failed({}, {"name": fqdn, "state": state}, (f"DNS: {fqdn}: {state}",))


def banner_matches(
    mta: Mta | None,
    fqdn: str | None,
    greetings: tuple[Greeting, ...],
    reverse_dns: PerFamily[ReverseDns | None],
) -> Iterator[Answer]:
    """The name in the SMTP greeting is the host's own, or one that its PTR set confirms."""
    on_port = [greeting for greeting in greetings if greeting.port == 25]
    if mta is None or fqdn is None or not on_port:
        return
    heard = next((greeting for greeting in on_port if greeting.speaks == "smtp"), None)
    if heard is None:
        if not any(greeting.text for greeting in on_port):
            yield unknown({"port": 25}, "the server on tcp/25 did not greet this host itself")
        return
    evidence = (f"greeting: {heard.text.splitlines()[0][:200]}",)
    words = {"banner": heard.name or "(no host name)", "name": fqdn}
    unread = [
        fact.reason for fact in (reverse_dns.ipv4, reverse_dns.ipv6) if isinstance(fact, Unknown)
    ]
    if heard.name is not None and heard.name in {fqdn, *_confirmed_names(reverse_dns)}:
        yield passed({"port": 25}, words, evidence)
    elif heard.name is not None and unread:
        yield unknown({"port": 25}, unread[0], evidence)
    else:
        yield failed({"port": 25}, words, evidence)


def _confirmed_names(reverse_dns: PerFamily[ReverseDns | None]) -> Iterator[str]:
    for family in Family:
        fact = reverse_dns.of(family)
        if isinstance(fact, Known) and fact.value:
            for name in fact.value.names:
                if isinstance(name.leads_to, Known) and fact.value.address in name.leads_to.value:
                    yield name.name
