"""The words of the look from outside: what was seen at an address and port, and what it means."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from mailfix.facts import Way
from mailfix.model import Fact, Family, Status

DEFAULT_PORTS = (25, 465, 587, 110, 143, 993, 995)


class Speech(StrEnum):
    """What a server turned out to speak."""

    SMTP = "smtp"
    IMAP = "imap"
    POP3 = "pop3"
    FTP = "ftp"
    HTTP = "http"
    SSH = "ssh"
    TLS = "tls"
    UNKNOWN = "unknown"

    @property
    def label(self) -> str:
        """The name as administrators write it."""
        return "an unknown protocol" if self is Speech.UNKNOWN else self.value.upper()


@dataclass(frozen=True, slots=True)
class Service:
    """What belongs on a port: a protocol, inside TLS from the first byte or not (RFC 8314)."""

    speech: Speech
    implicit_tls: bool


SERVICES = {
    25: Service(Speech.SMTP, implicit_tls=False),
    465: Service(Speech.SMTP, implicit_tls=True),
    587: Service(Speech.SMTP, implicit_tls=False),
    110: Service(Speech.POP3, implicit_tls=False),
    143: Service(Speech.IMAP, implicit_tls=False),
    993: Service(Speech.IMAP, implicit_tls=True),
    995: Service(Speech.POP3, implicit_tls=True),
}


@dataclass(frozen=True, slots=True)
class Target:
    """The host to look at: its name (A-labels, no last dot) or its address."""

    host: str
    is_address: bool


@dataclass(frozen=True, slots=True)
class Certificate:
    """The fields of a certificate (RFC 5280) that a mail administrator looks at.

    ``names`` are the dNSName and iPAddress entries of subjectAltName; ``common_name`` and
    ``issuer`` may be empty.
    """

    common_name: str
    names: tuple[str, ...]
    issuer: str
    not_before: datetime
    not_after: datetime
    self_signed: bool


@dataclass(frozen=True, slots=True)
class Tls:
    """A completed TLS handshake.

    ``verified`` is None where this machine has no certificate store to verify with;
    ``complaint`` is OpenSSL's reason where the first, strict handshake failed.
    """

    version: str
    certificate: Certificate | None
    verified: bool | None
    complaint: str = ""


@dataclass(frozen=True, slots=True)
class Dialogue:
    """What was seen of one address and port.

    ``banner`` is the first reply, bounded, control characters included. ``speech`` is None while
    nothing was heard. ``tls_complaint`` says why a handshake that was tried did not succeed.
    ``starttls_offered`` is None where the capabilities were not read.
    """

    address: str
    family: Family
    port: int
    outcome: Way
    detail: str = ""
    no_route: bool = False
    banner: str | None = None
    speech: Speech | None = None
    capabilities: tuple[str, ...] = ()
    starttls_offered: bool | None = None
    tls: Tls | None = None
    tls_complaint: str = ""


class State(StrEnum):
    """What an address and port looks like from here."""

    OPEN = "open"
    REFUSED = "refused"
    FILTERED = "filtered"
    UNREACHABLE = "unreachable"
    SILENT = "silent"
    UNEXPECTED = "unexpected"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class PortResult:
    """One line of the report: a state, its verdict, what it means, and what else was noticed."""

    dialogue: Dialogue
    state: State
    status: Status
    meaning: str
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FamilyAddresses:
    """The addresses of the target in one family, at most eight, and how many more there are."""

    family: Family
    addresses: Fact[tuple[str, ...]]
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class ProbeReport:
    """The whole look: ``started`` is in UTC, ``duration_s`` in seconds, ``results`` worst first.

    ``complaints`` are what is wrong with, or unknown about, the target itself.
    """

    target: Target
    started: datetime
    duration_s: float
    families: tuple[FamilyAddresses, ...]
    results: tuple[PortResult, ...]
    complaints: tuple[tuple[Status, str], ...] = ()
