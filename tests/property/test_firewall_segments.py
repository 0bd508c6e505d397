"""Cutting a long chain up makes it quicker to judge and changes no verdict and no culprit."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailfix.firewall import (
    Backend,
    Direction,
    Dump,
    Question,
    Verdict,
    judge,
    read_ruleset,
    segments,
)
from mailfix.model import Family

HEAD = "*filter\n:INPUT DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n:other - [0:0]\n:more - [0:0]\n"
OTHER = """\
-A other -p tcp -m tcp --dport 25 -j DROP
-A other -s 198.51.100.0/28 -j RETURN
-A other -m mark --mark 1 -j ACCEPT
-A more -j MARK --set-xmark 1
-A more -s 198.51.100.8/32 -j ACCEPT
"""
HOSTS = st.integers(0, 511).map(lambda host: f"198.51.{100 + host // 256}.{host % 256}/32")
NETS = st.integers(0, 31).map(lambda net: f"198.51.100.{8 * net}/29")
SIDES = st.sampled_from(["-s", "-s", "-s", "-d", "! -s"])
CONDITIONS = st.sampled_from(
    [
        "",
        " -p tcp -m tcp --dport 25",
        " -p tcp -m tcp --dport 587",
        " -p tcp -m multiport --dports 25,110",
        " -p tcp -m tcp --dport 30000",
        " -m conntrack --ctstate NEW",
        " -m limit --limit 5/min",
        " -m mark --mark 1",
    ]
)
TARGETS = st.sampled_from(
    ["DROP", "DROP", "ACCEPT", "REJECT", "RETURN", "LOG", "other", "more", "MARK --set-xmark 1"]
)
SINGLES = st.builds("-A INPUT {} {}{} -j {}".format, SIDES, HOSTS, CONDITIONS, TARGETS)
ALIKE = st.builds(
    lambda hosts, condition, target: [
        f"-A INPUT -s {host}{condition} -j {target}" for host in hosts
    ],
    st.lists(HOSTS, min_size=5, max_size=25),
    CONDITIONS,
    TARGETS,
)
WIDER = st.builds("-A INPUT -s {}{} -j {}".format, NETS, CONDITIONS, TARGETS)
BROAD = st.builds("-A INPUT{} -j {}".format, CONDITIONS.filter(bool), TARGETS)
FEW_RULES = st.lists(st.one_of(SINGLES, SINGLES, WIDER, BROAD), max_size=12)
RULES = st.builds(
    lambda lists, others: [*(rule for each in lists for rule in each), *others],
    st.lists(ALIKE, min_size=8, max_size=12),
    FEW_RULES,
)


@settings(deadline=None)
@given(rules=RULES, port=st.sampled_from([25, 587, 110, 9]), order=st.randoms())
def test_verdict_and_culprits_stay(rules: list[str], port: int, order: object) -> None:
    order.shuffle(rules)  # type: ignore[attr-defined]
    text = HEAD + "\n".join(rules) + "\n" + OTHER + "COMMIT\n"
    question = Question(Direction.IN, Family.IPV4, port, "eth0", "203.0.113.10")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(segments, "FEW", 1 << 30)
        plain = _judged(text, question)
    cut_up = _judged(text, question)
    assert cut_up.passed == plain.passed
    assert cut_up.undecided_addresses == plain.undecided_addresses
    assert _culprits(cut_up) >= _culprits(plain)
    assert _chains(cut_up) == _chains(plain)


def _judged(text: str, question: Question) -> Verdict:
    ruleset = read_ruleset([Dump(Backend.IPTABLES_LEGACY, Family.IPV4, text)])
    return judge(ruleset, question, asked=frozenset({25, 587}))


def _culprits(verdict: Verdict) -> set[tuple[str, int | None]]:
    """The chains and positions of all rules that block anything."""
    return {
        (ref.chain, ref.position) for blocked in verdict.blocked for ref in blocked.every_rule()
    }


def _chains(verdict: Verdict) -> dict[str, int]:
    """How many addresses are blocked in each chain."""
    found: dict[str, int] = {}
    for blocked in verdict.blocked:
        found[blocked.rule.chain] = found.get(blocked.rule.chain, 0) + blocked.addresses.count()
    return found
