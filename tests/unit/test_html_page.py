"""The page: complete in itself, valid, bounded, and nothing from outside is obeyed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from html.parser import HTMLParser

import pytest

from mailfix import rulebook
from mailfix.comparison.acknowledgement import Acknowledgement
from mailfix.comparison.news import News, Standing
from mailfix.facts import HostAddress, MailServer, Reach, Role
from mailfix.model import Family, Finding, FixOffer, Known, Part, Severity, Status, Unknown
from mailfix.overview import Inlet, Kind, Outlet, Overview, Publication
from mailfix.report.html import page
from mailfix.report.html.places import KINDS, OUTGOING_RULES, ZONE_WORDS
from mailfix.report.summary import Report
from tests.unit.test_report import BLOCKED, FINE, PTR, SILENT, report

VOID = {"meta", "link", "path", "circle", "rect", "use", "br", "img"}
ATTACK = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'&{{ 7 * 7 }}\x1b[31m\u202e\x00"
HOST = Overview(
    inlets=tuple(
        Inlet(port, family, Known(1.0), Known(Reach.NETWORK if port == 25 else None))
        for port in (25, 465, 587)
        for family in Family
    ),
    outlets=tuple(Outlet(family, Known(1.0), Known(True)) for family in Family),
    servers=Known((MailServer("exim", Role.MTA, True, Known(True)),)),
    addresses=Known((HostAddress("eth0", Family.IPV4, "203.0.113.10"),)),
    domains=Known((Publication("example.com", {kind: Known(True) for kind in Kind}),)),
)
SHIPPED = {
    each.id: each for each in rulebook.load(rulebook.shipped_folder(), rulebook.shipped_folder())
}


class Page(HTMLParser):
    """The elements of a page, each with its attributes and the text within; refuses bad nesting."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), (tag, names)
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in VOID, tag
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def attributes(self, name: str) -> Iterator[str]:
        return (found[name] for _, found in self.elements if name in found)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    def marks(self, words: str) -> list[tuple[str, str]]:
        """The marks of the drawing whose text holds the words: class, and where they lead."""
        return [
            (found["class"], found.get("href", ""))
            for _, found in self.elements
            if "spot" in found.get("class", "") and words in found.get("aria-label", "")
        ]


def shown(*findings: Finding, overview: Overview = HOST, news: News | None = None) -> Page:
    return Page(page.write(replace(report(*findings), overview=overview), news))


def of_rule(name: str, number: int = 0, **subject: str | int) -> Finding:
    rule = SHIPPED[name]
    return Finding(
        name,
        rule.title,
        Status.FAIL,
        rule.severity,
        {"domain": f"d{number}.example", **subject},
        f"what {name} says of {number}",
        rule.why,
        rule.part,
    )


def standing(finding: Finding, days: int = 0, doubt: str | None = None) -> Standing:
    since = report().started - timedelta(days=days, hours=1)
    return Standing(
        finding.rule,
        finding.title,
        finding.severity,
        finding.subject,
        finding.message,
        since,
        doubt,
    )


def hostile(status: Status, number: int) -> Finding:
    text = ATTACK + str(number)
    return Finding(
        "firewall-inbound-blocked",
        text,
        status,
        Severity.ERROR,
        {"port": 25, "family": text},
        text,
        text,
        Part.FIREWALL,
        evidence=(text,),
        advice=f"{text}\n\n    {text}",
        fix=FixOffer(text, True, text),
    )


def test_the_page_says_how_the_host_stands() -> None:
    assert "2 things wrong, 1 not found out" in shown(BLOCKED, PTR, SILENT, FINE).text
    assert "Nothing wrong" in shown(FINE).text
    assert "Nothing wrong, but 1 thing not found out" in shown(SILENT).text


def test_a_failure_tells_why_it_matters_what_was_seen_and_what_to_do() -> None:
    told = shown(replace(BLOCKED, advice="Change the rule:\n\n    iptables -D INPUT 7")).text
    for part in (BLOCKED.message, BLOCKED.why, *BLOCKED.evidence, "Change the rule:"):
        assert part in told
    assert "mailfix fix --only firewall-inbound-blocked" in told
    assert "iptables -D INPUT 7" in told


def test_what_is_copied_keeps_its_lines() -> None:
    told = page.write(report(replace(PTR, advice="Publish:\n\n    one\n    two")))
    assert re.search(r"<pre[^>]*>one\ntwo\n</pre>", told)


def test_the_page_needs_nothing_else_and_runs_nothing() -> None:
    whole = page.write(report(BLOCKED, PTR, SILENT, FINE))
    found = Page(whole)
    assert not {"script", "iframe", "object", "embed", "form"} & {tag for tag, _ in found.elements}
    assert all(value.startswith(("#", "data:,")) for value in found.attributes("href"))
    assert list(found.attributes("src")) == []
    assert not re.search(r"@import|url\((?!#)", whole)
    assert "default-src 'none'" in whole
    assert not any(name.startswith("on") for _, each in found.elements for name in each)


@pytest.mark.parametrize("findings", [(), (BLOCKED, PTR, SILENT, FINE)])
def test_the_page_is_valid_html(findings: tuple[Finding, ...]) -> None:
    import html5lib

    hidden = replace(PTR, status=Status.IGNORED, subject={})
    audit = replace(report(*findings, hidden, hostile(Status.FAIL, 1)), overview=HOST)
    html5lib.HTMLParser(strict=True).parse(page.write(audit, News(new=(standing(BLOCKED),))))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_has_the_contrast_of_wcag_aa(scheme: str) -> None:
    palettes = re.findall(r":root \{(.*?)\}", page.write(report()), re.DOTALL)
    light = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", palettes[0]))
    dark = light | dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", palettes[1]))
    colours = dark if scheme == "dark" else light
    for ground in ("paper", "ground"):
        for ink in ("ink", "soft", "link", "broken", "weak", "unknown", "fine"):
            assert contrast(colours[ink], colours[ground]) >= 4.5, (ink, ground)
        for shape in ("idle", "open", "weak-full") if scheme == "dark" else ("idle", "open"):
            assert contrast(colours[shape], colours[ground]) >= 3, (shape, ground)
    for ink in ("broken", "weak", "unknown", "fine"):
        assert contrast(colours[ink], colours[f"{ink}-pale"]) >= 4.5, ink
        assert contrast(colours["soft"], colours[f"{ink}-pale"]) >= 4.5, ink
    assert contrast(colours["on"], colours["broken"]) >= 3
    assert contrast(colours["on-weak"], colours["weak-full"]) >= 3


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two colours (WCAG 2.2, relative luminance)."""
    lights = sorted(luminance(colour) for colour in (one, other))
    return (lights[1] + 0.05) / (lights[0] + 0.05)


def luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_every_link_leads_somewhere_and_every_place_is_named_once() -> None:
    news = News(new=(standing(BLOCKED),), unclear=(standing(SILENT),), better=(standing(FINE),))
    found = shown(BLOCKED, PTR, SILENT, FINE, news=news)
    places = list(found.attributes("id"))
    assert len(places) == len(set(places))
    assert {link[1:] for link in found.attributes("href") if link != "data:,"} <= set(places)
    named = " ".join(found.attributes("aria-labelledby")).split()
    assert set(named) <= set(places)


def test_the_blocked_port_is_marked_in_the_drawing_and_leads_to_its_finding() -> None:
    found = shown(BLOCKED)
    (row, lane) = found.marks("is blocked for the whole Internet")
    assert row == lane == ("spot broken", "#rule-1-1")
    assert ("li", {"id": "rule-1-1"}) in found.elements


@pytest.mark.parametrize(
    ("name", "subject", "marks"),
    [
        ("firewall-inbound-blocked", {"port": 25, "family": "ipv4"}, 2),
        ("firewall-outbound-blocked", {"port": 25, "family": "ipv6"}, 2),
        ("firewall-not-persistent", {"port": 25, "family": "ipv4", "flow": "out"}, 2),
        ("provider-blocks-25", {"family": "ipv6"}, 2),
        ("smtp-loopback-only", {"port": 25}, 3),
        ("server-stopped", {"server": "exim"}, 2),
        ("hostname-not-kept", {}, 1),
        ("ptr-missing", {"family": "ipv4"}, 2),
        ("spf-missing", {"domain": "example.com"}, 3),
        ("domain-not-in-dns", {"domain": "example.com"}, 2),
    ],
)
def test_a_failure_is_marked_in_its_part_and_at_its_own_place(
    name: str, subject: dict[str, str | int], marks: int
) -> None:
    failure = replace(of_rule(name), subject=subject)
    found = shown(failure).marks(failure.message)
    assert len(found) == marks
    assert {link for _, link in found} == {"#rule-1-1"}


def test_unknown_is_marked_otherwise_than_broken_and_not_by_colour_alone() -> None:
    doubt = replace(BLOCKED, status=Status.UNKNOWN, message="cannot tell: refused")
    found = shown(doubt)
    assert {kind for kind, _ in found.marks("cannot tell")} == {"spot unknown"}
    assert all(
        "not found out: " in each for each in found.attributes("aria-label") if "cannot" in each
    )
    shapes = {each["href"] for tag, each in found.elements if tag == "use"}
    assert {"#mark-unknown", "#mark-broken", "#mark-fine"} <= shapes


def test_what_is_not_known_of_the_host_is_drawn_as_unknown_never_as_fine() -> None:
    found = shown(overview=Overview(servers=Unknown("refused"), domains=Unknown("no list")))
    spots = [each["class"] for _, each in found.elements if "spot" in each.get("class", "")]
    assert spots.count("spot unknown") >= 3
    refused = Inlet(25, Family.IPV4, Unknown("refused"), Unknown("refused"))
    told = page.write(replace(report(), overview=replace(HOST, inlets=(refused,))))
    assert "what the firewall lets in was not found out; what listens was not found out" in told


def test_where_the_domains_are_unknown_the_host_name_is_not() -> None:
    doubt = replace(of_rule("mx-missing"), subject={}, status=Status.UNKNOWN)
    audit = replace(report(doubt), overview=replace(HOST, domains=Unknown("exim kept silent")))
    told = page.write(audit)
    row = told[: told.index("Host name and PTR records")].rpartition('class="spot ')[2]
    assert row.startswith("fine")
    assert "mail domains: exim kept silent" in told


def test_dns_is_not_called_fine_on_a_machine_that_is_no_mail_host() -> None:
    told = page.write(replace(report(), overview=replace(HOST, servers=Known(()))))
    assert told.count("not in use: not judged: this is no mail host") == 2


def test_the_news_come_first_with_since_when() -> None:
    news = News(
        new=(standing(BLOCKED),),
        better=(standing(FINE, 3),),
        still=(standing(PTR, 12, "DNS kept silent"),),
    )
    told = shown(BLOCKED, PTR, news=news).text
    assert told.index("Since the last report") < told.index("What is wrong")
    assert "New 1 The firewall blocks the SMTP port" in told
    assert "No longer: The sending address has no PTR record" in told
    assert "It was: something listens" in told
    assert "(12 days)" in told
    assert "DNS kept silent" in told
    assert "Nothing changed" in shown(news=News()).text
    assert "Since the last report" not in shown().text


def test_choices_that_hide_findings_are_listed_with_their_end() -> None:
    choice = Acknowledgement("ptr-missing", {"family": "ipv4"}, date(2026, 12, 24), "is ordered")
    hidden = replace(PTR, status=Status.IGNORED)
    told = Page(page.write(report(hidden), News(), (choice,))).text
    assert hidden.message in told
    assert "through 2026-12-24: ptr-missing (family=ipv4): is ordered" in told


def test_text_from_outside_is_shown_and_never_obeyed() -> None:
    failure, doubt = hostile(Status.FAIL, 1), hostile(Status.UNKNOWN, 2)
    news = News(new=(standing(failure),), still=(standing(doubt, 3, ATTACK),))
    server = MailServer(ATTACK, Role.MTA, True, Known(True))
    domain = Publication(ATTACK, {kind: Unknown(ATTACK) for kind in Kind})
    overview = replace(HOST, servers=Known((server,)), domains=Known((domain,)))
    choice = Acknowledgement(ATTACK, {ATTACK: ATTACK}, date(2026, 12, 24), ATTACK)
    audit = replace(report(failure, doubt, host=ATTACK), overview=overview)
    whole = page.write(audit, news, (choice,))
    found = Page(whole)
    assert not {"script", "img"} & {tag for tag, _ in found.elements}
    assert not any(name.startswith("on") for _, each in found.elements for name in each)
    assert "{{ 7 * 7 }}" in found.text
    assert all(character.isprintable() or character == "\n" for character in whole)


def test_ten_thousand_domains_fit_on_a_page_that_says_how_many_more_there_are() -> None:
    many = [of_rule("spf-missing", number) for number in range(10_000)]
    domains = tuple(
        Publication(f"d{n}.example", {k: Known(True) for k in Kind}) for n in range(10_000)
    )
    audit = replace(report(*many), overview=replace(HOST, domains=Known(domains)))
    whole = page.write(audit, News(new=tuple(standing(each) for each in many)))
    assert len(whole.encode()) < 300_000
    told = Page(whole).text
    assert "and 9988 more: mailfix audit --all lists them" in told
    assert "and 9975 more: mailfix report --format json lists them" in told
    assert "and 9996 more domains, 9996 of them marked" in told


def test_whatever_is_found_the_page_stays_under_two_megabytes() -> None:
    long = '"<&' * 2000
    findings = [
        replace(
            of_rule(name, number),
            message=f"{long}{number}",
            evidence=tuple(f"{long}{number}{line}" for line in range(12)),
            advice=f"{number}\n\n    {long}",
        )
        for name in SHIPPED
        for number in range(12)
    ]
    audit = replace(report(*findings), overview=HOST)
    whole = page.write(audit, News(new=tuple(standing(each) for each in findings)))
    assert len(whole.encode()) < 2_000_000
    Page(whole)


def test_the_drawing_knows_the_rules_that_it_names() -> None:
    assert set(SHIPPED) >= OUTGOING_RULES
    of_domains = [each for each in SHIPPED.values() if each.each and each.part is Part.DNS]
    assert {each.id.partition("-")[0] for each in of_domains} - set(KINDS) == ZONE_WORDS


def test_an_empty_report_makes_a_page() -> None:
    nothing = Report("0.1.0", "this host", report().started, 0.0, ())
    assert "Nothing wrong" in Page(page.write(nothing)).text
