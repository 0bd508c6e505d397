"""Whatever a ruleset holds, an edit and its inverse leave it as it was, and a cure ends."""

from __future__ import annotations

import random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mailfix.firewall import Backend, Direction, Dump, Question, Ruleset, judge, read_ruleset
from mailfix.firewall.cure import applied, commands, cure, inverted
from mailfix.firewall.cure.classes import PortClasses
from mailfix.firewall.cure.edits import (
    ChainRef,
    Edit,
    Spelled,
    deletion,
    insertion,
    replacement,
)
from mailfix.firewall.cure.originals import Originals
from mailfix.firewall.cure.traffic import contains, without
from mailfix.model import Family

_CHAINS = ("INPUT", "OUTPUT", "own")
_ENDS = ("-j DROP", "-j ACCEPT", "-j REJECT", "-j RETURN", "-j LOG", "")
_MATCHES = (
    "",
    "-p tcp",
    "-p tcp -m tcp --dport 25",
    "-p tcp -m tcp ! --dport 22",
    "-p tcp -m tcp --dport 20:30",
    "-p tcp -m multiport --dports 25,80,100:200",
    "-p udp -m udp --dport 53",
    "-s 198.51.100.7/32",
    "-s 128.0.0.0/1 -p tcp",
    "-i eth0",
    "-p tcp -m tcp --sport 25",
    "-m conntrack --ctstate RELATED,ESTABLISHED",
    "-m limit --limit 3/min",
    '-p tcp -m comment --comment "-j ACCEPT"',
    "-m comment --comment -p -p tcp -m tcp --dport 25",
)
_FIRST = Question(
    Direction.IN, Family.IPV4, 25, "eth0", "203.0.113.10", uid=107, gid=114, forwarding=False
)
QUESTIONS = (_FIRST, Question(Direction.OUT, Family.IPV4, 25, "eth0", "203.0.113.10", uid=107))


@st.composite
def texts(draw: st.DrawFn) -> str:
    """True randomness: hypothesis prefers what is simple, which is all open or all closed."""
    choice = draw(st.randoms(use_true_random=True)).choice
    lines = ["*filter"]
    lines += [f":{chain} {choice(('ACCEPT', 'DROP'))} [0:0]" for chain in _CHAINS[:2]]
    lines.append(":own - [0:0]")
    for chain in _CHAINS:
        calls = ("-j own", "-g own") if chain != "own" else ()
        for _ in range(choice(range(5))):
            words = (f"-A {chain}", choice(_MATCHES), choice(_ENDS + calls))
            lines.append(" ".join(filter(None, words)))
    return "\n".join([*lines, "COMMIT", ""])


def _dump(text: str) -> Dump:
    return Dump(Backend.IPTABLES_LEGACY, Family.IPV4, text)


@st.composite
def edited(draw: st.DrawFn) -> tuple[Ruleset, tuple[Edit, ...]]:
    """A ruleset, and edits of it that follow one another."""
    dump = _dump(draw(texts()))
    before = now = read_ruleset([dump])
    originals = Originals.of([dump])
    chance = random.Random(draw(st.integers(0, 1 << 32)))
    edits: list[Edit] = []
    for _ in range(draw(st.integers(1, 5))):
        edits.append(_edit(now, originals, chance))
        now = applied(now, edits[-1:])
    return before, tuple(edits)


def _edit(ruleset: Ruleset, originals: Originals, chance: random.Random) -> Edit:
    place = ChainRef(Backend.IPTABLES_LEGACY, Family.IPV4, "filter", chance.choice(_CHAINS))
    rules = place.find(ruleset)[1].rules
    new = originals.iptables_rule(place, "-p tcp -m tcp --dport 25 -j ACCEPT")
    if not rules or chance.random() < 0.4:
        return insertion(place, chance.randint(1, len(rules) + 1), new)
    old = Spelled(chance.choice(rules), "-p tcp -j DROP")
    return deletion(place, old) if chance.random() < 0.5 else replacement(place, old, new)


@given(made=edited())
def test_the_inverse_takes_everything_back(made: tuple[Ruleset, tuple[Edit, ...]]) -> None:
    ruleset, edits = made
    assert applied(applied(ruleset, edits), inverted(edits)) == ruleset


@settings(suppress_health_check=list(HealthCheck), deadline=None)
@given(text=texts())
def test_an_automatic_cure_opens_completely_and_can_be_taken_back(text: str) -> None:
    dump = _dump(text)
    ruleset = read_ruleset([dump])
    for question in QUESTIONS:
        before = judge(ruleset, question)
        found = cure(ruleset, question, [dump])
        after = applied(ruleset, found.edits)
        assert applied(after, found.inverse) == ruleset
        assert bool(before.faults) or not found.plan
        if found.automatic:
            told = judge(after, question)
            assert not told.faults
            assert not before.passed - told.passed
            assert not told.undecided_addresses - before.undecided_addresses
            assert found.commands(ruleset)
            assert commands(found.inverse, after)
        else:
            assert found.why_not


@given(text=texts(), cut=st.integers(0, 400), extra=st.text(max_size=20))
def test_a_damaged_ruleset_has_no_automatic_cure(text: str, cut: int, extra: str) -> None:
    damaged = text[: max(len(text) - 8 - cut, 0)] + extra
    dump = _dump(damaged)
    found = cure(read_ruleset([dump]), _FIRST, [dump])
    assert not found.automatic or "COMMIT" in damaged


@given(
    ranges=st.lists(
        st.tuples(st.integers(0, 65535), st.integers(0, 65535)).map(sorted).map(tuple), max_size=6
    )
)
def test_the_classes_are_all_ports_once(ranges: list[tuple[int, int]]) -> None:
    classes = list(PortClasses.of(ranges))
    assert [port for low, high in classes for port in (low, high + 1)][1:-1:2] == [
        low for low, _ in classes
    ][1:]
    assert (classes[0][0], classes[-1][1]) == (0, 65535)
    for low, high in ranges:
        inside = [each for each in classes if low <= each[0] and each[1] <= high]
        assert sum(last - first + 1 for first, last in inside) == high - low + 1


@given(low=st.integers(0, 65535), size=st.integers(0, 100), port=st.integers(0, 65535))
def test_one_port_is_cut_out(low: int, size: int, port: int) -> None:
    kept = list(without([(low, low + size)], port))
    for each in (low - 1, low, port - 1, port, port + 1, low + size, low + size + 1):
        assert contains(kept, each) is (low <= each <= low + size and each != port)
