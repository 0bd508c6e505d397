"""The words that every room shares: facts that may be unknown, findings and their weight."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Generic, Protocol, TypeAlias, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Known(Generic[T]):
    """A fact that was found out; ``value`` may well be "there is none"."""

    value: T


@dataclass(frozen=True, slots=True)
class Unknown:
    """A fact that could not be found out, and why, in words for the administrator."""

    reason: str


Fact: TypeAlias = Known[T] | Unknown


class Refusal(ValueError):
    """Input that cannot be used; its text is one line: what, where, and what to do."""


class Status(StrEnum):
    """The three answers, and a finding that the administrator chose to ignore."""

    FAIL = "fail"
    UNKNOWN = "unknown"
    PASS = "pass"
    IGNORED = "ignored"


class Severity(StrEnum):
    """What a failure costs: no mail, refused mail, mail at risk, untidiness."""

    CRITICAL = "critical"
    ERROR = "error"
    WARNING = "warning"
    NOTICE = "notice"


class Part(StrEnum):
    """Where on mail's way a rule looks.

    ``internet`` is what lies beyond the host: the provider and other servers. ``firewall`` is the
    host's own packet rules, ``sockets`` the ports by which mail comes in, ``server`` the mail
    server, ``dns`` what is published about the host and its domains, and ``host`` the machine: its
    name, its addresses and its routes.
    """

    INTERNET = "internet"
    FIREWALL = "firewall"
    SOCKETS = "sockets"
    SERVER = "server"
    DNS = "dns"
    HOST = "host"


SEVERITY_ORDER = tuple(Severity)
"""The worst first."""


class Family(StrEnum):
    IPV4 = "ipv4"
    IPV6 = "ipv6"

    @property
    def label(self) -> str:
        """The name as administrators write it."""
        return "IPv4" if self is Family.IPV4 else "IPv6"


def unread() -> Unknown:
    """What a fact is as long as nobody has looked."""
    return Unknown("it was not looked at")


@dataclass(frozen=True, slots=True)
class PerFamily(Generic[T]):
    """The same fact for IPv4 and for IPv6."""

    ipv4: Fact[T] = field(default_factory=unread)
    ipv6: Fact[T] = field(default_factory=unread)

    def of(self, family: Family) -> Fact[T]:
        return self.ipv4 if family is Family.IPV4 else self.ipv6


Subject: TypeAlias = Mapping[str, str | int]
Identity: TypeAlias = tuple[str, frozenset[tuple[str, str | int]]]


class OfRule(Protocol):
    """Whatever a rule says of a subject."""

    @property
    def rule(self) -> str: ...

    @property
    def subject(self) -> Subject: ...


def identity(thing: OfRule) -> Identity:
    """What two audits that speak of the same thing have in common: rule and subject, not text."""
    return thing.rule, frozenset(thing.subject.items())


def sortable(subject: Subject) -> str:
    """By this text subjects are put in order: ports by their number, tcp/25 first."""
    return " ".join(
        f"{key}={value:05d}" if isinstance(value, int) else f"{key}={value}"
        for key, value in sorted(subject.items())
    )


@dataclass(frozen=True, slots=True)
class FixOffer:
    """What ``mailfix fix`` can do about a finding."""

    action: str
    automatic: bool
    preview: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One rule's answer about one subject.

    ``subject`` is flat and, with the rule's id, identifies the finding from one run to the next.
    """

    rule: str
    title: str
    status: Status
    severity: Severity
    subject: Subject
    message: str
    why: str
    part: Part
    evidence: tuple[str, ...] = ()
    advice: str | None = None
    fix: FixOffer | None = None


WHOLE = 0.9995
"""A share from here on is told as all of it."""


def of_the_internet(share: float) -> str:
    """For example ``the whole Internet`` or ``12.5 % of the Internet``."""
    return "the whole Internet" if share > WHOLE else f"{percent(share)} of the Internet"


def percent(share: float) -> str:
    """Write a share (0 to 1) as a percentage that never rounds something to nothing or to all."""
    number = share * 100
    if 0 < number < 0.1:
        return "under 0.1 %"
    if 99.9 < number < 100:
        return "over 99.9 %"
    return f"{number:.1f} %".replace(".0 %", " %")
