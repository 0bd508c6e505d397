"""Whatever a tool's text holds, reading it and judging it ends, and never says "open" for garbage.

Texts are made by damaging good ones: cut, lines swapped and doubled, bytes changed.
"""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailfix.firewall import Backend, Direction, Dump, Question, Ruleset, judge, read_ruleset
from mailfix.firewall.iptables.options import words
from mailfix.firewall.iptables.save import MAX_RULE_LENGTH
from mailfix.model import Family

SAVE = """\
*raw
:PREROUTING ACCEPT [0:0]
-A PREROUTING -p tcp -j CT --notrack
COMMIT
*filter
:INPUT DROP [1:2]
:OUTPUT ACCEPT [0:0]
:f2b - [0:0]
[1:2] -A INPUT -p tcp -m multiport --dports 25,465:587 -m comment --comment "a \\"b\\"" -j f2b
-A INPUT ! -i lo -p tcp -m tcp --dport 25 -m conntrack --ctstate NEW -g f2b
-A INPUT -m set --match-set bad src -m limit --limit 3/min -j LOG --log-prefix "-j DROP "
-A OUTPUT -p tcp -m owner --uid-owner 100-200 -m mark --mark 0x1/0xff -j REJECT
-A f2b -s 198.51.100.0/24 -j DROP
-A f2b -m iprange --src-range 1.1.1.1-2.2.2.2 -j RETURN
COMMIT
"""
IPSET = "create bad hash:net family inet\nadd bad 8.8.8.0/24\nadd bad 8.8.8.8 nomatch\n"
RULE = {
    "family": "inet",
    "table": "t",
    "chain": "c",
    "handle": 3,
    "expr": [
        {"match": {"op": "==", "left": {"payload": {"protocol": "ip", "field": "saddr"}},
                   "right": {"set": ["1.2.3.4", {"prefix": {"addr": "8.0.0.0", "len": 8}}]}}},
        {"match": {"op": "in", "left": {"ct": {"key": "state"}}, "right": ["new"]}},
        {"vmap": {"key": {"payload": {"protocol": "tcp", "field": "dport"}},
                  "data": {"set": [[25, {"drop": None}], [26, {"jump": {"target": "c"}}]]}}},
    ],
}  # fmt: skip
CHAIN = {"family": "inet", "table": "t", "name": "c", "handle": 1, "type": "filter",
         "hook": "input", "prio": 0, "policy": "accept"}  # fmt: skip
TABLE = {"table": {"family": "inet", "name": "t", "handle": 1}}
NFT = json.dumps({"nftables": [TABLE, {"chain": CHAIN}, {"rule": RULE}]})

QUESTIONS = [
    Question(direction, family, 25, "eth0", address, uid=107)
    for direction in Direction
    for family, address in ((Family.IPV4, "203.0.113.10"), (Family.IPV6, "2001:db8::10"))
]


@st.composite
def damaged(draw: st.DrawFn, text: str) -> str:
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(len(text) - 1, 0)))
        length = draw(st.integers(0, 40))
        bits = st.text(max_size=8) | st.sampled_from(["!", " ", '"', "-j", "\n", "COMMIT\n", "{"])
        text = text[:at] + draw(bits) + text[at + length :]
    return text


def judge_all(ruleset: Ruleset) -> None:
    """Each verdict's parts make up the whole."""
    for question in QUESTIONS:
        verdict = judge(ruleset, question)
        shares = verdict.passed_share + verdict.blocked_share + verdict.undecided_share
        assert shares == pytest.approx(1.0)
        assert not verdict.passed & verdict.undecided_addresses
        assert all(not each.addresses & verdict.passed for each in verdict.blocked)
        assert all(each.reason for each in verdict.undecided)
        assert bool(verdict.undecided) == bool(verdict.undecided_addresses)


@given(text=damaged(SAVE) | st.text(), backend=st.sampled_from([Backend.IPTABLES_NFT]))
def test_any_save_is_read(text: str, backend: Backend) -> None:
    ipset = Dump(Backend.IPSET, None, IPSET)
    judge_all(read_ruleset([Dump(backend, Family.IPV4, text), ipset]))


@given(text=damaged(IPSET) | st.text())
def test_any_ipset_is_read(text: str) -> None:
    save = Dump(Backend.IPTABLES_LEGACY, Family.IPV4, SAVE)
    judge_all(read_ruleset([save, Dump(Backend.IPSET, None, text)]))


@given(text=damaged(NFT) | st.text())
def test_any_nft_list_is_read(text: str) -> None:
    judge_all(read_ruleset([Dump(Backend.NFT, None, text)]))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6)
    | st.sampled_from(["@s", "ip", "tcp", "saddr", "dport", "1.2.3.4", "new"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["match", "op", "left", "right", "payload", "protocol", "field", "meta",
                         "key", "set", "vmap", "data", "concat", "range", "prefix", "elem", "jump",
                         "target", "drop", "limit", "&", "ct", "fib", "xt", "mangle"]),
        inner, max_size=3,
    ),
    max_leaves=12,
)  # fmt: skip


@given(expressions=st.lists(json_values, max_size=4))
def test_any_nft_rule_is_read(expressions: list[object]) -> None:
    rule = RULE | {"expr": expressions}
    text = json.dumps({"nftables": [TABLE, {"chain": CHAIN}, {"rule": rule}]})
    judge_all(read_ruleset([Dump(Backend.NFT, None, text)]))


@given(st.lists(st.text("ab\\\" '!-", min_size=1), min_size=1, max_size=4))
def test_quoted_words_come_back(found: list[str]) -> None:
    """As xtables_save_string of iptables writes them."""
    quoted = ['"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"' for word in found]
    assert words(" ".join(quoted)) == found


@given(cut=st.integers(1, len(SAVE) - 1))
def test_a_cut_off_save_is_never_all_open(cut: int) -> None:
    dump = Dump(Backend.IPTABLES_NFT, Family.IPV4, SAVE[: len(SAVE) - cut])
    verdict = judge(read_ruleset([dump]), QUESTIONS[0])
    assert verdict.passed_share == 0 or SAVE[: len(SAVE) - cut].rstrip().endswith("COMMIT")


@given(st.integers(MAX_RULE_LENGTH, 150_000))
def test_a_rule_without_end_is_undecided(length: int) -> None:
    rule = "-A INPUT -m comment --comment " + "x" * length + " -j ACCEPT\n"
    text = SAVE.replace("-A f2b -s", rule + "-A f2b -s", 1)
    verdict = judge(read_ruleset([Dump(Backend.IPTABLES_NFT, Family.IPV4, text)]), QUESTIONS[0])
    assert verdict.undecided_share > 0.99
    assert "too long" in verdict.undecided[0].reason
