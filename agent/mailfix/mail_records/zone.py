"""The name servers of a domain's zone, and whether they agree."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Dnssec(StrEnum):
    """What the resolver makes of a domain's signatures (RFC 4033 section 5).

    ``NONE`` also where the resolver does not validate.
    """

    SECURE = "secure"
    NONE = "none"
    BOGUS = "bogus"


@dataclass(frozen=True, slots=True)
class NameServer:
    """One address of one name server, and what it says of the zone.

    ``trouble`` says why it gives no answer for the zone, "" where it does. ``fault`` says why
    others get none either, as long as another of the zone's servers answers; "" where that is not
    known. ``address`` is "" where its name has none.
    """

    name: str
    address: str
    serial: int | None = None
    trouble: str = ""
    fault: str = ""

    @property
    def label(self) -> str:
        return f"{self.name} ({self.address})" if self.address else self.name


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A record set that the zone's servers do not answer alike."""

    name: str
    type: str
    answers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Zone:
    """The zone that holds a domain, and its name servers."""

    apex: str
    servers: tuple[NameServer, ...]
    disagreements: tuple[Disagreement, ...] = ()
