"""Chains of one hook and one priority: which runs first cannot be seen, and is not assumed."""

from __future__ import annotations

import json

from mailfix.firewall import Backend, Direction, Dump, Question, judge, read_ruleset
from mailfix.model import Family

MARK = {"meta": {"key": "mark"}}


def table(name: str, *rules: list[object]) -> list[dict[str, object]]:
    where = {"family": "inet", "table": name}
    hook = {"type": "filter", "hook": "input", "prio": 0, "policy": "accept"}
    entries: list[dict[str, object]] = [
        {"table": {"family": "inet", "name": name, "handle": 1}},
        {"chain": {**where, "name": "inbound", "handle": 1, **hook}},
    ]
    for at, rule in enumerate(rules):
        entries.append({"rule": {**where, "chain": "inbound", "handle": 2 + at, "expr": rule}})
    return entries


def test_a_mark_set_by_a_chain_of_the_same_priority_may_come_too_late() -> None:
    """Measured: of two chains of one priority the kernel runs the one first that came last."""
    marks = table("one", [{"mangle": {"key": MARK, "value": 1}}])
    asks = table(
        "two",
        [{"match": {"op": "==", "left": MARK, "right": 1}}, {"accept": None}],
        [{"drop": None}],
    )
    ruleset = read_ruleset([Dump(Backend.NFT, None, json.dumps({"nftables": marks + asks}))])
    question = Question(Direction.IN, Family.IPV4, 25, "eth0", "203.0.113.10")
    assert judge(ruleset, question).undecided_share == 1.0
