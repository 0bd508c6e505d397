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


COUNTER: dict[str, object] = {"counter": {"packets": 0, "bytes": 0}}
DROP: dict[str, object] = {"drop": None}


def extension(name: str) -> dict[str, object]:
    return {"xt": {"type": "match", "name": name}}


def passed(saved_rule: str, *shown: dict[str, object]) -> float:
    """The share that passes out to port 587 by one rule, seen both ways where nft shows it."""
    head, _, _ = SAVED.partition("-A OUTPUT")
    backend = Backend.IPTABLES_NFT if shown else Backend.IPTABLES_LEGACY
    dumps = [Dump(backend, Family.IPV4, f"{head}-A OUTPUT {saved_rule}\nCOMMIT\n")]
    if shown:
        dumps.append(Dump(Backend.NFT, None, listed([*shown, COUNTER, DROP])))
    question = Question(Direction.OUT, Family.IPV4, 587, "eth0", "203.0.113.10", uid=1, gid=1)
    return judge(read_ruleset(dumps), question).passed_share


def flag_set(name: str) -> dict[str, object]:
    left = {"&": [{"payload": {"protocol": "tcp", "field": "flags"}}, name]}
    return {"match": {"op": "==", "left": left, "right": name}}


def test_a_second_match_on_other_bits_of_the_same_field_is_not_lost() -> None:
    saved = "-p tcp -m tcp --tcp-flags SYN SYN -m conntrack --ctstate NEW -j DROP"
    shown = [extension("conntrack"), flag_set("syn")]
    assert passed(saved, *shown) == 0.0
    assert passed(saved, flag_set("urg"), *shown) == 1.0


def test_what_nft_shows_rules_out_a_rule_that_the_save_leaves_unclear() -> None:
    saved = "-m nosuch --thing -j DROP"
    assert passed(saved, extension("nosuch")) < 1.0
    assert passed(saved, extension("nosuch"), port(25, 25)) == 1.0


def test_a_list_of_nft_of_any_depth_raises_nothing() -> None:
    """What can just be decoded may be too deep to be looked into."""
    save = SAVED.replace("-m connmark", "-m nosuch")
    text = listed([extension("nosuch"), {"log": "DEEP"}, COUNTER, DROP])
    for depth in range(400, 500):
        deep = text.replace('"DEEP"', '{"|": [' * depth + "1" + "]}" * depth)
        dumps = [Dump(Backend.IPTABLES_NFT, Family.IPV4, save), Dump(Backend.NFT, None, deep)]
        assert read_ruleset(dumps).tables


def test_a_comment_that_looks_like_an_option_is_a_comment() -> None:
    for comment in ("-j", "--comment", "!", "-p", '"-j ACCEPT"'):
        assert passed(f"-p tcp -m comment --comment {comment} -j DROP") == 0.0
        assert passed(f"-p udp -m comment --comment {comment} -j DROP") == 1.0


def test_options_of_the_protocol_belong_to_the_protocol_of_their_own_rule() -> None:
    """iptables before 1.4 and people leave out ``-m tcp``."""
    asked = "-d 0.0.0.0/0 --dport 587 -j DROP"
    rules = f"-p udp {asked}\n-A OUTPUT -p {{}} {asked}"
    assert passed(rules.format("tcp")) == 0.0
    assert passed(rules.format("udp")) == 1.0


def test_nothing_may_stand_after_the_target() -> None:
    assert passed("-j DROP") == 0.0
    head, _, _ = SAVED.partition("-A OUTPUT")
    text = f"{head}-A OUTPUT -j DROP -p udp\nCOMMIT\n"
    ruleset = read_ruleset([Dump(Backend.IPTABLES_LEGACY, Family.IPV4, text)])
    question = Question(Direction.OUT, Family.IPV4, 587, "eth0", "203.0.113.10")
    (doubt,) = judge(ruleset, question).undecided
    assert "--protocol stands after the target" in doubt.reason
