"""One ruleset from two views of it: what iptables-nft-save leaves out, nft's list tells."""

from __future__ import annotations

import json

from mailfix.firewall import Backend, Direction, Dump, Question, judge, read_ruleset
from mailfix.model import Family

SAVED = """*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A OUTPUT -p tcp -m connmark --mark 0x0/0x1 -m tcp --dport 26:65535 -j DROP
COMMIT
"""


def port(low: int, high: int) -> dict[str, object]:
    left = {"payload": {"protocol": "tcp", "field": "dport"}}
    return {"match": {"op": "==", "left": left, "right": {"range": [low, high]}}}


def listed(*rules: list[dict[str, object]]) -> str:
    where = {"family": "ip", "table": "filter"}
    hook = {"type": "filter", "hook": "output", "prio": 0, "policy": "accept"}
    entries: list[dict[str, object]] = [
        {"table": {"family": "ip", "name": "filter", "handle": 1}},
        {"chain": {**where, "name": "OUTPUT", "handle": 1, **hook}},
    ]
    entries += [
        {"rule": {**where, "chain": "OUTPUT", "handle": 5 + at, "expr": rule}}
        for at, rule in enumerate(rules)
    ]
    return json.dumps({"nftables": entries})


def test_a_second_match_on_the_same_port_is_not_lost() -> None:
    """Measured: ``--dport 1:24 -m tcp --dport 26:65535`` is saved with its last range alone."""
    counter: dict[str, object] = {"counter": {"packets": 0, "bytes": 0}}
    hidden: dict[str, object] = {"xt": {"type": "match", "name": "connmark"}}
    rule: list[dict[str, object]] = [hidden, port(1, 24), port(26, 65535), counter, {"drop": None}]
    ruleset = read_ruleset(
        [
            Dump(Backend.IPTABLES_NFT, Family.IPV4, SAVED),
            Dump(Backend.NFT, None, listed(rule)),
        ]
    )
    question = Question(Direction.OUT, Family.IPV4, 587, "eth0", "203.0.113.10", uid=101, gid=101)
    assert judge(ruleset, question).passed_share == 1.0
