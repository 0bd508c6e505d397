"""Damaged dumps are undecided, not open: nothing raises, nothing hangs, nothing is made up.

``fuzz_firewall`` does the same for hours; what it found is in found/ and stays tried here.
"""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailfix.firewall import Backend, Dump, Verdict, read_ruleset
from mailfix.model import Family
from tests.full import FULL
from tests.property import damage
from tests.property.fuzz_firewall import FOUND, stored

HOSTS = damage.good_hosts()
GOOD = {name: damage.verdicts(read_ruleset(dumps)) for name, dumps in HOSTS.items()}
MANY = 100_000
hosts = st.sampled_from(sorted(HOSTS))
chances = st.integers(0, 1 << 64).map(Random)
thorough = settings(max_examples=20_000 if FULL else 150)


def hold_back(good: list[Verdict], dumps: damage.Dumps) -> None:
    """Nothing is certain that the good dumps deny."""
    found = damage.verdicts(read_ruleset(dumps))
    assert not any(damage.overclaims(*pair) for pair in zip(good, found, strict=True))


def test_the_hosts_are_read_whole() -> None:
    """Otherwise the tests below would prove nothing."""
    for found in GOOD.values():
        assert all(verdict.undecided_share == 0 for verdict in found)
        assert any(verdict.blocked_share > 0.1 for verdict in found) or found == GOOD["native"]


@thorough
@given(host=hosts, chance=chances)
def test_damaged_dumps_are_read_and_judged(host: str, chance: Random) -> None:
    damage.verdicts(read_ruleset(damage.damaged(HOSTS[host], chance)))


@thorough
@given(host=hosts, chance=chances)
def test_a_rule_that_cannot_be_read_makes_nothing_more_certain(host: str, chance: Random) -> None:
    hold_back(GOOD[host], damage.with_unreadable_rule(HOSTS[host], chance))


@pytest.mark.parametrize("path", sorted(FOUND.glob("*.json")), ids=lambda path: str(path.stem))
def test_what_was_found_once_stays_right(path: Path) -> None:
    good = json.loads(path.read_text(encoding="utf-8"))["good"]
    dumps = stored(path)
    if good:
        hold_back(GOOD[good], dumps)
    else:
        damage.verdicts(read_ruleset(dumps))


@pytest.mark.parametrize("host", sorted(HOSTS))
@pytest.mark.parametrize("backend", [Backend.NFT, Backend.IPTABLES_LEGACY, Backend.IPTABLES_NFT])
def test_a_dump_cut_off_anywhere_claims_nothing_that_the_whole_denies(
    host: str, backend: Backend
) -> None:
    """A save that ends where a table is complete is not known to be cut off."""
    dumps = [each for each in HOSTS[host] if each.backend is backend][:1]
    for dump in dumps:
        others = tuple(each for each in HOSTS[host] if each is not dump)
        for end in range(0, len(dump.text.rstrip()), 1 if FULL else 53):
            text = dump.text[:end]
            if backend is Backend.NFT or not _ends_complete(text):
                hold_back(GOOD[host], (Dump(dump.backend, dump.family, text), *others))


def _ends_complete(text: str) -> bool:
    lines = [line for line in text.split("\n") if line.strip() and not line.startswith("#")]
    return not lines or lines[-1] == "COMMIT"


def saved(rules: str, chains: str = "", family: Family = Family.IPV4) -> damage.Dumps:
    head = "*filter\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n"
    return (Dump(Backend.IPTABLES_LEGACY, family, f"{head}{chains}{rules}COMMIT\n"),)


def chains(count: int) -> str:
    return "".join(f":C{at} - [0:0]\n" for at in range(count))


def listed(*entries: str) -> damage.Dumps:
    base = '"hook": "input", "prio": 0, "type": "filter", "policy": "accept"'
    chain = f'{{"chain": {{"family": "inet", "table": "t", "name": "c", {base}}}}}'
    table = '{"table": {"family": "inet", "name": "t"}}'
    text = ", ".join((table, chain, *entries))
    return (Dump(Backend.NFT, None, f'{{"nftables": [{text}]}}'),)


def rule(expressions: str) -> str:
    return f'{{"rule": {{"family": "inet", "table": "t", "chain": "c", "expr": {expressions}}}}}'


def in_set(count: int, element: str) -> damage.Dumps:
    elements = ", ".join([element] * count)
    left = '{"payload": {"protocol": "ip", "field": "saddr"}}'
    return listed(
        f'{{"set": {{"family": "inet", "table": "t", "name": "s", "elem": [{elements}]}}}}',
        rule(f'[{{"match": {{"op": "==", "left": {left}, "right": "@s"}}}}, {{"drop": null}}]'),
    )


def ipsets(text: str) -> damage.Dumps:
    rules = "-A INPUT -m set --match-set s src -j DROP\n"
    return (*saved(rules), Dump(Backend.IPSET, None, text))


DEEP = "[" * MANY + "]" * MANY
HOLES = "-A INPUT -s 10.0.0.1/170.170.170.170 -j DROP\n"
UNDECIDED = {
    "no text from nft": (Dump(Backend.NFT, None, ""),),
    "binary": (Dump(Backend.IPTABLES_LEGACY, Family.IPV4, "\x00\x7fELF\udcff" * 1000),),
    "binary from nft": (Dump(Backend.NFT, None, "\x00\x7fELF\udcff" * 1000),),
    "rule of 100,000 characters": saved(f"-A INPUT -m comment --comment {'x' * MANY} -j DROP\n"),
    "rule of quotes": saved("-A INPUT " + '"a\\' * 6000 + "\n"),
    "circle": saved("-A INPUT -j C0\n-A C0 -j C1\n-A C1 -j C0\n", chains(2)),
    "chain that calls itself": saved("-A INPUT -j C0\n-A C0 -g C0\n", chains(1)),
    "10,000 chains deep": saved(
        "-A INPUT -j C0\n" + "".join(f"-A C{at} -j C{at + 1}\n" for at in range(9999)),
        chains(10_000),
    ),
    "unknown table": (
        Dump(Backend.IPTABLES_LEGACY, Family.IPV4, "*odd\n:INPUT DROP [0:0]\nCOMMIT\n"),
    ),
    "100,000 tables": (
        Dump(Backend.IPTABLES_LEGACY, Family.IPV4, "".join(f"*t{at}\n" for at in range(MANY))),
    ),
    "a table twice": (*saved(""), Dump(Backend.IPTABLES_LEGACY, Family.IPV4, "*f\n*f\nCOMMIT\n")),
    "a chain twice": saved("", ":INPUT ACCEPT [0:0]\n"),
    "unknown policy": saved("", ":FORWARD DRO [0:0]\n"),
    "1,000,000 lines of junk": saved("junk\n" * 1_000_000),
    "mask with holes": saved(HOLES),
    "comment with a line's end": saved('-A INPUT -m comment --comment "a\n-A INPUT -j ACCEPT"\n'),
    "text that is no list": (Dump(Backend.NFT, None, '{"nftables": 5}'),),
    "100,000 deep": (Dump(Backend.NFT, None, f'{{"nftables": {DEEP}}}'),),
    "rule 100,000 deep": listed(rule(DEEP)),
    "number of 5,000 digits": listed(rule(f"[{'9' * 5000}]")),
    "NaN": listed(rule('[{"limit": {"rate": NaN}}]')),
    "table twice from nft": listed('{"table": {"family": "inet", "name": "t"}}'),
    "priority in words": listed(
        '{"chain": {"family": "inet", "table": "t", "name": "d", "hook": "input", "prio": "x"}}'
    ),
    "rule of another kind": listed(rule('[{"jump": {"target": {}}}]')),
    "1,000,000 bogus elements": in_set(1_000_000, '"x"'),
    "element of another kind": in_set(1, "{}"),
    "no such set": ipsets(""),
    "list that names itself": ipsets("create s list:set size 8\nadd s s\n"),
    "200,000 damaged lines of ipset": ipsets("create s hash:ip\n" + "junk\n" * 200_000),
}


@pytest.mark.parametrize("name", UNDECIDED)
def test_bad_input_is_undecided_with_the_reason(name: str) -> None:
    verdict = damage.verdicts(read_ruleset(UNDECIDED[name]))[0]
    assert verdict.undecided_share > 0.99
    assert len(verdict.undecided[0].reason) < 500


L4PROTO = '{"meta": {"key": "l4proto"}}'
PORT = '{"payload": {"protocol": "tcp", "field": "dport"}}'


@pytest.mark.parametrize("left", [L4PROTO, PORT])
@pytest.mark.parametrize("span", ["-1000000000000, 5", "0, 1e300", "5, 1", "null, true"])
def test_a_range_that_is_none_is_undecided(left: str, span: str) -> None:
    match = f'{{"op": "==", "left": {left}, "right": {{"range": [{span}]}}}}'
    dumps = listed(rule(f'[{{"match": {match}}}, {{"drop": null}}]'))
    assert damage.verdicts(read_ruleset(dumps))[0].undecided_share > 0.99
