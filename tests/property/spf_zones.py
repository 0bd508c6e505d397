"""SPF records and the zones around them, well formed and not."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from hypothesis import strategies as st

from mailfix.mail_records.spf.evaluation import Mail
from tests.unit.records import Zone

DOMAIN = "example.com"
NAMES = (DOMAIN, "a.example.com", "b.example.com", "inc.example.net", "spf.example.net")
HOSTS = (*NAMES, "mail.example.com", "missing.example.org", "void.example.org", "x..example.com")
IPV4 = ("192.0.2.1", "192.0.2.2", "192.0.2.77", "198.51.100.7")
IPV6 = ("2001:db8::1", "2001:db8::2", "2001:db8:1::7")
ADDRESSES = IPV4 + IPV6

qualifiers = st.sampled_from(("", "", "", "+", "-", "~", "?"))
hosts = st.sampled_from(HOSTS)
macros = st.sampled_from(("%{d2}", "a.%{o}", "%{l}.example.com", "%{h}", "%{i}.x.org"))
targets = st.one_of(st.sampled_from(NAMES), hosts, macros)
prefixes = st.sampled_from(("", "", "", "", "/24", "//64", "/24//64", "/0", "//0"))
broken = st.sampled_from(
    (
        *("moo", "a:", "ip4:192.0.2", "ip6:192.0.2.1", "ipv4:192.0.2.1", "ptr/24", "-all:x"),
        *("include", "mx:example", "a:192.0.2.1", "exists", "ip4:192.0.2.1/33", "=x", "%{d}"),
        *("a:%{x}.example.com", "a:%d.example.com", "exists:%{d}/24", "redirect:example.com"),
        *("exp=", "redirect=", "mx,", "a/33", "a/08", "a:example.com\t", "include=%"),
        *("ip6:::g", "1a=b"),
    )
)


@st.composite
def mechanisms(draw: st.DrawFn) -> str:
    """Draw one well-formed mechanism other than ``all``."""
    kind = draw(st.sampled_from(("a", "mx", "ip4", "ip6", "include", "exists", "ptr", "A", "Mx")))
    qualifier = draw(qualifiers)
    if kind == "ip4":
        return f"{qualifier}ip4:{draw(st.sampled_from(IPV4))}{draw(st.sampled_from(('', '/28')))}"
    if kind == "ip6":
        return f"{qualifier}ip6:{draw(st.sampled_from(IPV6))}{draw(st.sampled_from(('', '/48')))}"
    if kind in ("include", "exists"):
        return f"{qualifier}{kind}:{draw(targets)}"
    target = draw(st.one_of(st.just(""), targets.map(":{}".format)))
    prefix = "" if kind == "ptr" else draw(prefixes)
    return f"{qualifier}{kind}{target}{prefix}"


@st.composite
def records(draw: st.DrawFn, *, faulty: bool = True) -> str:
    """Draw an SPF record; without ``faulty`` its syntax is right."""
    terms = draw(st.lists(mechanisms(), max_size=5))
    if faulty and draw(st.integers(0, 15)) == 7:
        terms.insert(draw(st.integers(0, len(terms))), draw(broken))
    if draw(st.booleans()):
        terms.append(f"{draw(qualifiers)}all")
    elif draw(st.booleans()):
        terms.append(f"redirect={draw(targets)}")
    return " ".join(["v=spf1", *terms])


@dataclass(frozen=True)
class World:
    """A zone and a mail that is checked against it."""

    zone: Zone
    mail: Mail

    def __repr__(self) -> str:
        return f"World({self.zone.records!r}, {self.zone.failing!r}, {self.mail!r})"


texts = st.one_of(records().map(lambda text: [text]), st.lists(records(), max_size=2))


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Draw a zone in which records lead to one another, and a mail from one of its addresses."""
    held: dict[tuple[str, str], list[str]] = {}
    for name in NAMES:
        held[name, "TXT"] = [*draw(texts), "another text"]
        held[name, "A"] = draw(st.lists(st.sampled_from(IPV4), max_size=2, unique=True))
        held[name, "AAAA"] = draw(st.lists(st.sampled_from(IPV6), max_size=2, unique=True))
        hosts_of = draw(st.lists(st.sampled_from(HOSTS[:8]), max_size=3, unique=True))
        held[name, "MX"] = [f"{10 * place} {host}" for place, host in enumerate(hosts_of)]
    held[DOMAIN, "TXT"] = [draw(records())]
    held["mail.example.com", "A"] = ["192.0.2.1"]
    held["mail.example.com", "AAAA"] = ["2001:db8::1"]
    address = draw(st.sampled_from(ADDRESSES))
    pointer = ipaddress.ip_address(address).reverse_pointer
    held[pointer, "PTR"] = draw(st.lists(st.sampled_from(HOSTS[:7]), max_size=3, unique=True))
    return World(Zone(held, draw(_failures())), Mail(address, f"user@{DOMAIN}", "mail.example.com"))


def _failures() -> st.SearchStrategy[dict[tuple[str, str], str]]:
    questions = st.tuples(st.sampled_from(HOSTS[:6]), st.sampled_from(("A", "AAAA", "MX", "TXT")))
    none: dict[tuple[str, str], str] = {}
    return st.one_of(
        st.just(none), st.just(none), st.dictionaries(questions, st.just("SERVFAIL"), max_size=2)
    )
