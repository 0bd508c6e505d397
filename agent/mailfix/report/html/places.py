"""Where in the drawing a finding belongs, by the part that its rule names and by its subject."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from mailfix.facts import Flow
from mailfix.model import Finding, Part, Subject
from mailfix.overview import Kind
from mailfix.report.html.marks import Mark, Sign, mark_of, worst

OUTGOING_RULES = frozenset({"firewall-outbound-blocked", "provider-blocks-25", "way-out-closed"})
KINDS: Mapping[str, Kind] = {
    "mx": Kind.MX,
    "spf": Kind.SPF,
    "dkim": Kind.DKIM,
    "dmarc": Kind.DMARC,
    "mta": Kind.TLS,
    "tls": Kind.TLS,
    "tlsa": Kind.TLS,
}
"""What a domain publishes, by the first word of a rule's id."""
ZONE_WORDS = frozenset({"dns", "domain"})
"""First words of rules about the zone of a domain."""
EVERY_DOMAIN = "every domain"


@dataclass(frozen=True, slots=True)
class Place:
    """A place in the drawing; what a place is not about is left at its default."""

    part: Part
    flow: Flow = Flow.IN
    port: int = 0
    family: str = ""
    server: str = ""
    domain: str = ""
    kind: Kind | None = None


def place_of(finding: Finding) -> Place:
    """The narrowest place that the finding is about."""
    part, subject = finding.part, finding.subject
    match part:
        case Part.FIREWALL | Part.SOCKETS if "port" in subject:
            return Place(part, _flow(finding), _port(subject), _text(subject, "family"))
        case Part.INTERNET if finding.rule in OUTGOING_RULES:
            return Place(part, Flow.OUT, family=_text(subject, "family"))
        case Part.SERVER:
            return Place(part, server=_text(subject, "server"))
        case Part.DNS if "domain" in subject or _is_of_every_domain(finding):
            domain = _text(subject, "domain") or EVERY_DOMAIN
            return Place(part, domain=domain, kind=KINDS.get(_first_word(finding)))
    return Place(part)


def _is_of_every_domain(finding: Finding) -> bool:
    """Where the domains are unknown as a whole, there is one finding for all of them."""
    return not finding.subject and _first_word(finding) in {*KINDS, *ZONE_WORDS}


def _first_word(finding: Finding) -> str:
    return finding.rule.partition("-")[0]


def _flow(finding: Finding) -> Flow:
    outgoing = finding.rule in OUTGOING_RULES or finding.subject.get("flow") == Flow.OUT
    return Flow.OUT if outgoing else Flow.IN


def _port(subject: Subject) -> int:
    port = subject["port"]
    return port if isinstance(port, int) else 0


def _text(subject: Subject, key: str) -> str:
    return str(subject.get(key, ""))


class Signs:
    """What is not as it should be, by place."""

    def __init__(self, findings: Iterable[Finding], anchor_of: Callable[[Finding], str]) -> None:
        self._signs: dict[Place, list[Sign]] = {}
        for finding in findings:
            sign = Sign(mark_of(finding), finding.message, anchor_of(finding))
            self._signs.setdefault(place_of(finding), []).append(sign)

    @property
    def places(self) -> Iterable[Place]:
        return self._signs.keys()

    def at(self, *places: Place) -> Sign | None:
        """The worst at any of the places; ``None`` where nothing is told of them."""
        return worst([sign for place in places for sign in self._signs.get(place, ())])

    def within(self, part: Part) -> Sign | None:
        """The worst in a whole part."""
        return self.at(*(place for place in self._signs if place.part is part))

    def of_domain(self, domain: str) -> Sign | None:
        """The worst of all that is told of a mail domain."""
        kinds = (None, *Kind)
        return self.at(*(Place(Part.DNS, domain=domain, kind=kind) for kind in kinds))

    def marked(self, mark: Mark) -> int:
        """How many findings have the mark."""
        return sum(sign.mark is mark for signs in self._signs.values() for sign in signs)
