"""Rules on the client's port, which nobody knows beforehand: what they leave in doubt."""

from __future__ import annotations

import random
import tracemalloc

from mailfix.firewall import AddressSet, Backend, Direction, Dump, Question, judge, read_ruleset
from mailfix.firewall.verdict import Verdict
from mailfix.model import Family


def judged(*rules: str) -> Verdict:
    """Connections to port 25 of a host whose answers meet the rules on their way out."""
    heads = "".join(f":{chain} ACCEPT [0:0]\n" for chain in ("INPUT", "OUTPUT"))
    text = f"*filter\n{heads}" + "".join(f"-A OUTPUT {rule}\n" for rule in rules) + "COMMIT\n"
    ruleset = read_ruleset([Dump(Backend.IPTABLES_NFT, Family.IPV4, text)])
    return judge(ruleset, Question(Direction.IN, Family.IPV4, 25, "eth0", "203.0.113.10"))


def test_each_rule_doubts_those_who_were_left_when_packets_came_to_it() -> None:
    verdict = judged(
        "-p tcp -m tcp --dport 40000 -j DROP",
        "-d 198.51.100.1/32 -j ACCEPT",
        "-d 198.51.100.2/32 -j DROP",
        "-p tcp -m tcp --dport 50000 -j REJECT",
        "-d 198.51.100.3/32 -j ACCEPT",
        "-p tcp -m tcp --dport 60000 -j DROP",
    )
    accepted, dropped, last = (AddressSet.network(f"198.51.100.{number}") for number in (1, 2, 3))
    certain = verdict.space - dropped
    assert verdict.undecided_addresses == certain
    assert {each.rule.position: each.addresses for each in verdict.undecided if each.rule} == {
        1: certain,
        4: certain - accepted,
        6: certain - accepted - last,
    }
    [blocked] = verdict.blocked
    assert (blocked.rule.position, blocked.addresses) == (3, dropped)


def stateless(count: int) -> list[str]:
    """Dropped sources, and as many rules on the client's port between them."""
    chance = random.Random(25)
    rules = []
    for _ in range(count // 2):
        address = ".".join(str(chance.randrange(11, 120)) for _ in range(4))
        rules.append(f"-d {address}/32 -j DROP")
        rules.append(f"-p tcp -m tcp --dport {chance.randrange(1024, 65536)} -j REJECT")
    return rules


def peak(count: int) -> int:
    """Bytes that reading and judging so many rules takes at most."""
    rules = stateless(count)
    tracemalloc.start()
    try:
        verdict = judged(*rules)
        assert len(verdict.undecided) == count // 2
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_twice_as_many_rules_take_about_twice_the_memory() -> None:
    assert peak(2000) < 2.5 * peak(1000)
