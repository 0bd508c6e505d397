"""The mail domains in the drawing, and what each of them publishes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mailfix.model import Fact, Part, Unknown
from mailfix.overview import Kind, Publication
from mailfix.report.counting import counted
from mailfix.report.escape import clip, escape
from mailfix.report.html.geometry import DOMAIN_HEIGHT
from mailfix.report.html.marks import NOTHING_WRONG, ORDER, Mark, Sign, fine
from mailfix.report.html.places import Place, Signs

MAX_DOMAINS = 4
MAX_NAME = 40
MAX_REASON = 50
PILLS_FROM, PILL_GAP = 36, 5
PILL_WIDTH, PILL_LETTER = 29, 8


@dataclass(frozen=True, slots=True)
class Pill:
    """What a domain publishes of one kind."""

    x: int
    width: int
    label: str
    sign: Sign


@dataclass(frozen=True, slots=True)
class DomainRow:
    """A mail domain and what it publishes."""

    y: int
    name: str
    sign: Sign
    pills: tuple[Pill, ...]


def domain_rows(
    domains: Fact[tuple[Publication, ...]], signs: Signs, y: int
) -> Iterator[DomainRow]:
    """The worst first."""
    if isinstance(domains, Unknown):
        return
    worst = sorted(domains.value, key=lambda each: ORDER.index(_of_domain(each, signs).mark))
    for number, each in enumerate(worst[:MAX_DOMAINS]):
        yield DomainRow(
            y + number * DOMAIN_HEIGHT,
            clip(escape(each.shown), MAX_NAME),
            _of_domain(each, signs),
            tuple(_pills(each, signs)),
        )


def _of_domain(publication: Publication, signs: Signs) -> Sign:
    return signs.of_domain(publication.domain) or fine()


def _pills(publication: Publication, signs: Signs) -> Iterator[Pill]:
    x = PILLS_FROM
    for kind, published in publication.kinds.items():
        width = PILL_WIDTH + PILL_LETTER * len(kind)
        place = Place(Part.DNS, domain=publication.domain, kind=kind)
        yield Pill(x, width, kind.value, signs.at(place) or _published(kind, published))
        x += width + PILL_GAP


def _published(kind: Kind, published: Fact[bool]) -> Sign:
    if isinstance(published, Unknown):
        return Sign(Mark.UNKNOWN, f"{kind}: {published.reason}")
    if published.value:
        return Sign(Mark.FINE, f"{kind}: {NOTHING_WRONG}")
    return Sign(Mark.IDLE, f"{kind}: not published")


def more_domains(
    domains: Fact[tuple[Publication, ...]], shown: tuple[DomainRow, ...], signs: Signs
) -> str:
    if isinstance(domains, Unknown):
        return clip(escape(f"mail domains: {domains.reason}"), MAX_REASON)
    left = len(domains.value) - len(shown)
    if left <= 0:
        return "" if shown else "no mail domain is known"
    marks = [_of_domain(each, signs).mark for each in domains.value]
    marked = sum(mark is not Mark.FINE for mark in marks)
    shown_marked = sum(row.sign.mark is not Mark.FINE for row in shown)
    return f"and {counted(left, 'more domain')}, {marked - shown_marked} of them marked"
