"""Good dumps of real tools, and ways to damage them.

``damaged`` does anything to a text. ``with_unreadable_rule`` makes one rule such that nobody can
know what it does, so that the verdict may only become less certain than the good one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any, TypeAlias

from mailfix.firewall import Backend, Direction, Dump, Question, Ruleset, Verdict, judge
from mailfix.model import Family

Dumps: TypeAlias = tuple[Dump, ...]
Json: TypeAlias = Any

FOLDER = Path(__file__).parent / "dumps"
_BACKENDS = {"legacy": Backend.IPTABLES_LEGACY, "joint": Backend.IPTABLES_NFT}
_LOCAL = {Family.IPV4: "203.0.113.10", Family.IPV6: "2001:db8:1::10"}
QUESTIONS = tuple(
    Question(direction, family, port, "eth0", address, uid=107, gid=114)
    for family, address in _LOCAL.items()
    for direction, port in ((Direction.IN, 25), (Direction.IN, 587), (Direction.OUT, 25))
)


def good_hosts() -> dict[str, Dumps]:
    """What the tools of three hosts tell: of legacy tables, of iptables-nft's, of nft's own."""
    ipset = Dump(Backend.IPSET, None, _text("ipset.save"))
    hosts: dict[str, Dumps] = {"native": (Dump(Backend.NFT, None, _text("native.nft.json")),)}
    for name, backend in _BACKENDS.items():
        saves = tuple(Dump(backend, each, _text(f"{name}.{each.value}.save")) for each in Family)
        hosts[name] = (*saves, ipset)
    hosts["joint"] += (Dump(Backend.NFT, None, _text("joint.nft.json")),)
    return hosts


def _text(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


def verdicts(ruleset: Ruleset, questions: Sequence[Question] = QUESTIONS) -> list[Verdict]:
    """Judge, and hold that each verdict's parts make up the whole and that doubts have reasons."""
    found = [judge(ruleset, question) for question in questions]
    for verdict in found:
        shares = verdict.passed_share + verdict.blocked_share + verdict.undecided_share
        assert abs(shares - 1.0) < 1e-6, f"the shares add up to {shares}"
        assert not verdict.passed & verdict.undecided_addresses
        assert all(not each.addresses & verdict.passed for each in verdict.blocked)
        assert all(each.reason for each in verdict.undecided)
        assert bool(verdict.undecided) == bool(verdict.undecided_addresses)
        for blocked in verdict.blocked:
            blocked.rule.describe()
    return found


def overclaims(good: Verdict, new: Verdict) -> str:
    """What ``new`` is certain of and ``good``, the truth, denies; "" for nothing."""
    if new.passed - good.passed:
        return "passed"
    wrong = [each for each in new.blocked if each.addresses & good.passed]
    return f"blocked by {wrong[0].rule.describe()}" if wrong else ""


def damaged(dumps: Dumps, chance: Random) -> Dumps:
    """One of the texts changed in one to four places."""
    at = chance.randrange(len(dumps))
    text = dumps[at].text
    for _ in range(chance.randint(1, 4)):
        text = chance.choice(_DAMAGES)(text, chance)
    return (*dumps[:at], replace(dumps[at], text=text), *dumps[at + 1 :])


def _place(text: str, chance: Random) -> int:
    return chance.randint(0, len(text))


def _cut(text: str, chance: Random) -> str:
    return text[: _place(text, chance)]


def _overwritten(text: str, chance: Random) -> str:
    at = _place(text, chance)
    return text[:at] + chance.choice(_BITS) + text[at + chance.randint(0, 30) :]


def _noise(text: str, chance: Random) -> str:
    at = _place(text, chance)
    noise = bytes(chance.randrange(256) for _ in range(chance.randint(1, 20)))
    return text[:at] + noise.decode("utf-8", "surrogateescape") + text[at:]


def _words_changed(text: str, chance: Random) -> str:
    """One word in the place of another of the same text."""
    words = text.split(" ")
    words[chance.randrange(len(words))] = chance.choice([*chance.choices(words, k=3), *_BITS])
    return " ".join(words)


def _lines_changed(text: str, chance: Random) -> str:
    lines = text.split("\n")
    one, other = (chance.randrange(len(lines)) for _ in range(2))
    match chance.randrange(4):
        case 0:
            lines[one], lines[other] = lines[other], lines[one]
        case 1:
            lines.insert(one, lines[other])
        case 2:
            del lines[one]
        case 3:
            lines[one] += lines[other]
    return "\n".join(lines)


def _tree_changed(text: str, chance: Random) -> str:
    """Any value of a JSON text in the place of any other."""
    try:
        tree = json.loads(text)
    except (ValueError, RecursionError):
        return _overwritten(text, chance)
    nodes = list(_nodes(tree))
    if not nodes:
        return text
    for _ in range(chance.randint(1, 3)):
        parent, key = chance.choice(nodes)
        other, other_key = chance.choice(nodes)
        parent[key] = chance.choice([*_VALUES, json.loads(json.dumps(other[other_key]))])
    return json.dumps(tree)


def _nodes(tree: Json) -> Iterator[tuple[Json, Json]]:
    items: Iterator[tuple[Json, Json]] = iter(())
    if isinstance(tree, dict):
        items = iter(list(tree.items()))
    elif isinstance(tree, list):
        items = iter(list(enumerate(tree)))
    for key, value in items:
        yield tree, key
        yield from _nodes(value)


def _twice_the_same_key(text: str, chance: Random) -> str:
    """``{"a": 1, `` becomes ``{"a": 1, "a": 1, ``, with something else for the first 1."""
    starts = [at for at in range(len(text) - 1) if text[at : at + 2] == '{"']
    if not starts:
        return text
    at = chance.choice(starts) + 1
    key = text[at : text.find(":", at)]
    return f"{text[:at]}{key}: {json.dumps(chance.choice(_VALUES))}, {text[at:]}"


_BITS = [
    *("", " ", "!", '"', "'", "\\", "\n", "\r", "\x00", "\x0b", "\u2028", "\udcff", "²", "-", "--"),
    *("-j", "-j ACCEPT", "-j DROP", "-j INPUT", "-g mail", "-m", "-m set", "-A INPUT", "COMMIT\n"),
    *("*filter\n", "*nat\n", ":INPUT ACCEPT [0:0]\n", "# ", "[1:2] ", "! -s", "-s 0.0.0.0/0"),
    *("0", "-1", "65536", "4294967296", "1e999", "NaN", "Infinity", "9" * 5000, "0x", "1_0"),
    *(
        "0.0.0.0/0",
        "::/0",
        "1.2.3.4/85.85.85.85",
        "ffff::/fff0:f0f0:ff00::",
        "300.1.1.1",
        "01.2.3.4",
    ),
    *(
        "{",
        "}",
        "[",
        "]",
        ":",
        ",",
        "null",
        "true",
        '{"drop": null}',
        '{"accept": null}',
        "[" * 3000,
    ),
    *("inet", "ip6", "list:set", "nomatch", "timeout 5", "create bad hash:ip", "add bad 0.0.0.0/0"),
]
_VALUES: list[Json] = [
    *(None, True, False, 0, -1, 25, 1 << 70, 0.5, "", "x", "@bad", "@nosuch", "ip", "tcp", "drop"),
    *(
        [],
        {},
        [[]],
        {"x": 1},
        [None],
        {"drop": None},
        {"accept": None},
        {"jump": {"target": "mail"}},
    ),
    *({"set": []}, {"range": [5, 1]}, {"prefix": {"addr": "::", "len": 200}}, {"concat": [1]}),
    *({"elem": {"val": {"elem": {"val": 1}}}}, {"&": [1, 2, 3]}, {"|": []}, "0.0.0.0", "::"),
]
_DAMAGES: tuple[Callable[[str, Random], str], ...] = (
    *(_cut, _overwritten, _overwritten, _noise, _words_changed, _words_changed),
    *(_lines_changed, _tree_changed, _tree_changed, _twice_the_same_key),
)


def with_unreadable_rule(dumps: Dumps, chance: Random) -> Dumps:
    """One rule asks or does something that is not known, in one of the texts."""
    places = [at for at, dump in enumerate(dumps) if dump.backend is not Backend.IPSET]
    at = chance.choice(places)
    dump = dumps[at]
    spoilt = _spoilt_listing if dump.backend is Backend.NFT else _spoilt_save
    return (*dumps[:at], replace(dump, text=spoilt(dump.text, chance)), *dumps[at + 1 :])


def _spoilt_save(text: str, chance: Random) -> str:
    lines = text.split("\n")
    rules = [at for at, line in enumerate(lines) if line.startswith("-A ")]
    if not rules:
        return text
    at = chance.choice(rules)
    append, chain, *asked = lines[at].split(" ")
    place = chance.choice([0, len(asked)])
    spoil = chance.choice(_SPOILING_WORDS)
    lines[at] = " ".join([append, chain, *asked[:place], spoil, *asked[place:]])
    return "\n".join(lines)


def _spoilt_listing(text: str, chance: Random) -> str:
    tree = json.loads(text)
    rules = [each["rule"]["expr"] for each in tree["nftables"] if "rule" in each]
    rules = [each for each in rules if each]
    if not rules:
        return text
    rule = chance.choice(rules)
    at = chance.randrange(len(rule))
    rule[at] = chance.choice(_SPOILT_MATCHES if "match" in rule[at] else _SPOILT_STATEMENTS)
    return json.dumps(tree)


_SPOILING_WORDS = (
    *("nonsense", "-m nosuch --thing 5", "-j NOSUCH", "-s 300.1.1.1", "--dport 99999999x"),
    *("-m tcp --dport", "-m conntrack --nosuch 1", "\x00", "\udcff\udcfe", "-p nosuch"),
    *("-m set --match-set nosuch src", '-m comment --comment "', f"-m nosuch {'x' * 30_000}"),
    *("-d 1.2.3.4/85.85.85.85", "-m multiport --dports 25,x", "-m owner --uid-owner x", "! !"),
)
_PAYLOAD = {"payload": {"protocol": "tcp", "field": "dport"}}
_SPOILT_STATEMENTS: tuple[Json, ...] = (
    *(
        None,
        5,
        "x",
        [],
        {},
        {"nosuch": None},
        {"nosuch": {"a": 1}, "drop": None},
        {"drop": 1, "x": 2},
    ),
    *({"jump": {"target": "nosuch"}}, {"jump": None}, {"vmap": {}}, {"xt": 5}),
)
_SPOILT_MATCHES: tuple[Json, ...] = (
    *_SPOILT_STATEMENTS,
    {"match": {}},
    {"match": {"op": "==", "left": {"nosuch": {}}, "right": 5}},
    {"match": {"op": "==", "left": {"payload": {"protocol": "tcp"}}, "right": 5}},
    {"match": {"op": "~", "left": _PAYLOAD, "right": 5}},
    {"match": {"op": "==", "left": _PAYLOAD, "right": "@nosuch"}},
    {"match": {"op": "==", "left": _PAYLOAD, "right": {"range": [1]}}},
    {"match": {"op": "==", "left": _PAYLOAD, "right": None}},
)
