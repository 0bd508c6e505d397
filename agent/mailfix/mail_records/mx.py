"""Where mail for a domain goes (RFC 5321 section 5.1)."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TypeAlias

from mailfix.mail_records.mail_host import MailHost
from mailfix.mail_records.proposal import ProposedSet
from mailfix.mail_records.public_address import is_public
from mailfix.model import Fact, Family, Known, PerFamily, Unknown, unread
from mailfix.record_set import Lookup, RecordSet

MAX_TARGETS = 20
FIRST_PREFERENCE = 10
ROOT = "."
_RDTYPES = {Family.IPV4: "A", Family.IPV6: "AAAA"}
_NO_ADDRESSES: PerFamily[tuple[str, ...]] = PerFamily(Known(()), Known(()))

Preferred: TypeAlias = tuple[int, str]


class Lead(StrEnum):
    """Where the addresses of a mail server's name lead."""

    HERE = "here"
    ELSEWHERE = "elsewhere"
    BOTH = "both"
    NOWHERE = "nowhere"


class Fault(StrEnum):
    """Why senders cannot use a mail server's name."""

    LITERAL = "it is an address, where only a name may stand"
    LOCALHOST = "it is the sender's own host"
    ROOT = "it says that there is no mail server, among others that are one"
    MISSING = "there is no such name"
    NO_ADDRESS = "it has no address"
    UNROUTABLE = "no address of it can be reached from the Internet"


@dataclass(frozen=True, slots=True)
class Target:
    """A mail server that a domain names; the lowest ``preference`` is tried first.

    ``alias_of`` is the name that holds the addresses where this one is a CNAME, else "".
    ``fault`` is why it is of no use to any sender; None where it is, or where that cannot be told.
    """

    name: str
    preference: int
    addresses: PerFamily[tuple[str, ...]]
    exists: bool = True
    alias_of: str = ""
    fault: Fault | None = field(init=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "fault", self._found_fault())

    @property
    def record(self) -> str:
        return f"{self.preference} {self.name}"

    def _found_fault(self) -> Fault | None:
        if self.name == ROOT:
            return Fault.ROOT
        if is_address(self.name):
            return Fault.LITERAL
        if self.name == "localhost" or self.name.endswith((".localhost", ".localdomain")):
            return Fault.LOCALHOST
        if any(isinstance(self.addresses.of(family), Unknown) for family in Family):
            return None
        if not self.known_addresses:
            return Fault.NO_ADDRESS if self.exists else Fault.MISSING
        if not any(is_public(address) for address in self.known_addresses):
            return Fault.UNROUTABLE
        return None

    @property
    def doubt(self) -> str:
        """Why it cannot be told whether the name has addresses, "" where it can."""
        if self.known_addresses:
            return ""
        facts = (self.addresses.of(family) for family in Family)
        return next((fact.reason for fact in facts if isinstance(fact, Unknown)), "")

    @property
    def known_addresses(self) -> tuple[str, ...]:
        return tuple(_known(self.addresses.of(family) for family in Family))

    def lead(self, receivers: Iterable[str], family: Family | None = None) -> Lead:
        """Tell where the known addresses lead, of one family or of both."""
        own = set(receivers)
        fact = [self.addresses.of(family)] if family else [self.addresses.of(f) for f in Family]
        found = {address in own for address in _known(fact)}
        if not found:
            return Lead.NOWHERE
        if len(found) > 1:
            return Lead.BOTH
        return Lead.HERE if found == {True} else Lead.ELSEWHERE


@dataclass(frozen=True, slots=True)
class MailExchange:
    """The mail servers of a domain, the preferred ones first.

    ``implicit``: there is no MX record, and senders take the domain's own addresses for its only
    mail server (RFC 5321 section 5.1). ``null_mx``: the domain says that it takes no mail
    (RFC 7505). ``own_ipv4`` are the A records of the domain itself, ``host`` what all of it is held
    against. ``alias_of`` is the name that holds all that, where the domain is a CNAME, else "".
    """

    domain: str
    targets: tuple[Target, ...] = ()
    implicit: bool = False
    null_mx: bool = False
    own_ipv4: Fact[tuple[str, ...]] = field(default_factory=unread)
    host: MailHost = field(default_factory=MailHost)
    alias_of: str = ""

    @property
    def usable(self) -> tuple[Target, ...]:
        return tuple(target for target in self.targets if target.fault is None)

    @property
    def unusable(self) -> tuple[Target, ...]:
        return tuple(target for target in self.targets if target.fault is not None)

    @property
    def leading_here(self) -> ProposedSet | None:
        """The record set that leads the domain's mail to this host, in place of what is there."""
        if isinstance(self.host.hostname, Unknown):
            return None
        return self._proposed((f"{FIRST_PREFERENCE} {self.host.hostname.value}",), self._published)

    @property
    def proposal(self) -> ProposedSet | None:
        """What cures the MX set without moving the mail elsewhere than it is meant to go."""
        if self.null_mx:
            return None
        if self.implicit or not self.targets:
            return None if self.targets else self.leading_here
        if self.unusable:
            going = tuple(target.record for target in self.unusable)
            return self._proposed((), going) if self.usable else self.leading_here
        straight = [target for target in self.targets if target.alias_of]
        if straight:
            return self._proposed(
                tuple(f"{each.preference} {each.alias_of}" for each in straight),
                tuple(each.record for each in straight),
            )
        return None

    @property
    def _published(self) -> tuple[str, ...]:
        if self.null_mx:
            return (f"0 {ROOT}",)
        return () if self.implicit else tuple(target.record for target in self.targets)

    def _proposed(self, add: tuple[str, ...], remove: tuple[str, ...]) -> ProposedSet | None:
        there = set(self._published)
        new = tuple(dict.fromkeys(record for record in add if record not in there))
        going = tuple(record for record in remove if record not in add)
        if not new and not going:
            return None
        if self.alias_of:
            kept = tuple(record for record in self._published if record not in going)
            return ProposedSet(self.domain, "MX", (*kept, *new), alias_of=self.alias_of)
        return ProposedSet(self.domain, "MX", new, going)


def is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def parse_record(record: str) -> Preferred:
    """Read the RDATA of an MX record (RFC 1035 section 3.3.9): preference and name.

    Raises :class:`ValueError` for anything else.
    """
    preference, _, name = record.strip().partition(" ")
    if not preference.isascii() or not preference.isdigit():
        raise ValueError(f"not an MX record: {record[:80]!r}")
    return int(preference), name.strip().lower().rstrip(".") or ROOT


async def examine(lookup: Lookup, domain: str, host: MailHost) -> Fact[MailExchange]:
    """Ask for the MX set and what it leads to, at most 20 names of it."""
    found = await lookup.lookup(domain, "MX")
    if isinstance(found, Unknown):
        return found
    try:
        preferred = sorted(parse_record(record) for record in found.value.records)
    except ValueError as error:
        return Unknown(f"DNS answered MX {domain} with garbage: {error}")
    own = await _addresses(lookup, domain, Family.IPV4)
    exchange = MailExchange(domain, own_ipv4=own, host=host, alias_of=found.value.owner)
    if [name for _, name in preferred] == [ROOT]:
        return Known(replace(exchange, null_mx=True))
    if not preferred:
        return Known(replace(exchange, targets=await _implicit(lookup, domain), implicit=True))
    targets = [await _target(lookup, each) for each in preferred[:MAX_TARGETS]]
    return Known(replace(exchange, targets=tuple(targets)))


async def _implicit(lookup: Lookup, domain: str) -> tuple[Target, ...]:
    target = await _target(lookup, (0, domain))
    return (target,) if target.known_addresses or target.doubt else ()


async def _target(lookup: Lookup, preferred: Preferred) -> Target:
    preference, name = preferred
    if name == ROOT or is_address(name):
        return Target(name, preference, _NO_ADDRESSES)
    ipv4 = await lookup.lookup(name, _RDTYPES[Family.IPV4])
    ipv6 = await lookup.lookup(name, _RDTYPES[Family.IPV6])
    known = [answer.value for answer in (ipv4, ipv6) if isinstance(answer, Known)]
    return Target(
        name,
        preference,
        PerFamily(_records(ipv4), _records(ipv6)),
        exists=any(answer.exists for answer in known) or not known,
        alias_of=next((answer.owner for answer in known if answer.owner not in ("", name)), ""),
    )


async def _addresses(lookup: Lookup, name: str, family: Family) -> Fact[tuple[str, ...]]:
    return _records(await lookup.lookup(name, _RDTYPES[family]))


def _records(answer: Fact[RecordSet]) -> Fact[tuple[str, ...]]:
    return answer if isinstance(answer, Unknown) else Known(answer.value.records)


def _known(facts: Iterable[Fact[tuple[str, ...]]]) -> Iterator[str]:
    for fact in facts:
        if isinstance(fact, Known):
            yield from fact.value
