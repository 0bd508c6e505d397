"""What the tools' texts hold beyond the ruleset: nft's JSON of rules and sets, ipset's elements.

A rule is changed, and brought back, in the words of the tool that showed it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from mailfix.firewall.cure.edits import ChainRef, SetRef, Spelled
from mailfix.firewall.ipset import IpSet, read_ipsets
from mailfix.firewall.nft.selectors import Json
from mailfix.firewall.read import read_ruleset
from mailfix.firewall.ruleset import Backend, Dump, Rule
from mailfix.model import Family

_KEYWORDS: Mapping[Family | None, str] = {
    Family.IPV4: "ip",
    Family.IPV6: "ip6",
    None: "inet",
}

_SPEAKABLE = frozenset(
    {
        "accept",
        "counter",
        "drop",
        "goto",
        "jump",
        "limit",
        "log",
        "match",
        "notrack",
        "reject",
        "return",
        "vmap",
    }
)
"""Statements that ``nft -j -f`` makes again as ``nft -j list`` shows them."""
CUT = " ..."
_UNSPEAKABLE_KEYS = frozenset({"xt", "exthdr", "tcp option", "ip option", "osf", "socket", "base"})
"""Expressions that nft lists in another way than it reads them, or not at all."""


@dataclass(frozen=True, slots=True)
class Originals:
    """The texts, taken apart where an edit needs it."""

    dumps: tuple[Dump, ...]
    ipsets: Mapping[str, IpSet]
    _tables: Mapping[tuple[str, str], _Listed]

    @classmethod
    def of(cls, dumps: Iterable[Dump]) -> Originals:
        texts = tuple(dumps)
        ipsets: dict[str, IpSet] = {}
        for dump in texts:
            if dump.backend is Backend.IPSET:
                ipsets |= read_ipsets(dump.text)
        return cls(texts, ipsets, _listed(texts))

    def spelled(self, chain: ChainRef, rule: Rule) -> Spelled:
        """A rule of the ruleset as its tool would be told to make it."""
        prefix = f"-A {chain.chain} "
        if chain.backend is not Backend.NFT and rule.text.startswith(prefix):
            return Spelled(rule, rule.text.removeprefix(prefix))
        body = self._listed_in(chain).rules.get(rule.handle or 0)
        return Spelled(rule, "" if body is None else _spelling(body), native=True)

    def reading(self, chain: ChainRef, rule: Rule, spelling: str = "") -> str:
        """The rule's text, of which no two are the same that are not the same rule.

        That of nft leaves out the comment, and is cut where it is long: a digest is added then, by
        the ``spelling`` where the rule is a new one.
        """
        if rule.text.startswith(f"-A {chain.chain}"):
            return rule.text
        told = rule.text if rule.comment is None else f'{rule.text} comment "{rule.comment}"'
        if not rule.text.endswith(CUT):
            return told
        body = self._listed_in(chain).rules.get(rule.handle or 0) or json.loads(spelling or "{}")
        expressions = json.dumps(_without_counts(body.get("expr")))
        return f"{told} # {hashlib.sha256(expressions.encode()).hexdigest()[:16]}"

    def sets(self, chain: ChainRef) -> Mapping[str, Json]:
        """The sets and maps of the chain's table, by name, as nft lists them."""
        return self._listed_in(chain).sets

    def iptables_rule(self, chain: ChainRef, spelling: str, calls: Iterable[str] = ()) -> Spelled:
        """A new rule of iptables; ``calls`` are the user chains that it may name.

        Raises:
            ValueError: the text is no rule.
        """
        heads = "".join(f":{name} - [0:0]\n" for name in {chain.chain, *calls})
        text = f"*{chain.table}\n{heads}-A {chain.chain} {spelling}\nCOMMIT\n"
        kinds = {Backend.IPSET} if "--match-set" in spelling else set()
        sets = [dump for dump in self.dumps if dump.backend in kinds]
        save = Dump(chain.backend, chain.family, text)
        return Spelled(_only_rule((save, *sets), chain.chain), spelling)

    def native_rule(self, chain: ChainRef, body: Mapping[str, Json]) -> Spelled:
        """A new rule of nft, from its ``expr`` and, where it has one, its ``comment``.

        Raises:
            ValueError: it is no rule.
        """
        text = self._listing(chain, body, self.sets(chain))
        return Spelled(_only_rule((text,), chain.chain), _spelling(body), native=True)

    def with_elements(self, chain: ChainRef, rule: Rule, changed: Mapping[str, Json]) -> Rule:
        """A rule of nft as it reads when a set of its table has other elements."""
        body = self._listed_in(chain).rules[rule.handle or 0]
        text = self._listing(chain, body, {**self.sets(chain), changed["name"]: changed})
        new = _only_rule((text,), chain.chain)
        return replace(new, position=rule.position, handle=rule.handle)

    def looking_into(self, where: SetRef) -> Iterable[tuple[str, int]]:
        """The rules of nft that use a set, by chain and handle."""
        word = f'"@{where.name}"'
        for handle, body in self._table(where.family, where.table).rules.items():
            if word in json.dumps(body):
                yield body["chain"], handle

    def read_again(self, chain: ChainRef, rule: Rule, calls: Iterable[str]) -> Rule:
        """A rule of iptables as it reads with these sets of ipset."""
        spelling = self.spelled(chain, rule).spelling
        new = self.iptables_rule(chain, spelling, calls).rule
        return replace(new, position=rule.position, handle=rule.handle)

    def ipset_elements(self, name: str) -> list[str]:
        """The set's elements with their settings, as ``ipset save`` shows them."""
        prefix = f"add {name} "
        return [
            line.removeprefix(prefix)
            for dump in self.dumps
            if dump.backend is Backend.IPSET
            for line in dump.text.splitlines()
            if line.startswith(prefix)
        ]

    def is_listed(self, name: str) -> bool:
        """Whether the set of ipset is a member of another one."""
        return any(
            each.kind == "list:set" and any(part.parts[0] == name for part in each.elements)
            for each in self.ipsets.values()
        )

    def without_elements(self, name: str, gone: Iterable[str]) -> Originals:
        """As the texts would be without these elements of a set of ipset."""
        lines = {f"add {name} {each}" for each in gone}
        return Originals.of(
            replace(dump, text=_without_lines(dump.text, lines))
            if dump.backend is Backend.IPSET
            else dump
            for dump in self.dumps
            if dump.backend is not Backend.NFT
        )

    def _listing(self, chain: ChainRef, body: Mapping[str, Json], sets: Mapping[str, Json]) -> Dump:
        place = {"family": keyword(chain.family), "table": chain.table}
        used = json.dumps(body)
        needed = [each for name, each in sets.items() if f'"@{name}"' in used]
        objects = [
            {"table": {"family": place["family"], "name": chain.table}},
            {"chain": {**place, "name": chain.chain}},
            *({"map" if "map" in each else "set": {**each, **place}} for each in needed),
            {"rule": {**body, **place, "chain": chain.chain}},
        ]
        return Dump(Backend.NFT, None, json.dumps({"nftables": objects}))

    def _listed_in(self, chain: ChainRef) -> _Listed:
        return self._table(chain.family, chain.table)

    def _table(self, family: Family | None, name: str) -> _Listed:
        return self._tables.get((keyword(family), name), _EMPTY)


@dataclass(frozen=True, slots=True)
class _Listed:
    """A table as nft lists it: rules by handle, sets and maps by name."""

    rules: dict[int, Json] = field(default_factory=dict)
    sets: dict[str, Json] = field(default_factory=dict)


_EMPTY = _Listed()


def keyword(family: Family | None) -> str:
    """nft's name for a table's family."""
    return _KEYWORDS[family]


def _without_lines(text: str, lines: set[str]) -> str:
    return "".join(each for each in text.splitlines(True) if each.rstrip("\n") not in lines)


def _listed(dumps: Iterable[Dump]) -> Mapping[tuple[str, str], _Listed]:
    """Never raises: what cannot be read cannot be edited natively, either."""
    tables: dict[tuple[str, str], _Listed] = {}
    for dump in dumps:
        if dump.backend is Backend.NFT:
            try:
                for entry in json.loads(dump.text)["nftables"]:
                    _list(tables, entry)
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
                continue
    return tables


def _list(tables: dict[tuple[str, str], _Listed], entry: Json) -> None:
    ((kind, body),) = entry.items()
    if kind not in ("rule", "set", "map"):
        return
    table = tables.setdefault((body["family"], body["table"]), _Listed())
    if kind == "rule":
        table.rules[body["handle"]] = body
    else:
        table.sets[body["name"]] = body


def _spelling(body: Mapping[str, Json]) -> str:
    """Without the place; "" where nft would not make the same rule of it again."""
    expressions = body.get("expr", [])
    if not all(_SPEAKABLE.issuperset(each) for each in expressions) or _hides(expressions):
        return ""
    kept = {name: body[name] for name in ("expr", "comment") if name in body}
    return json.dumps(kept)


def _without_counts(value: Json) -> Json:
    if isinstance(value, dict):
        kept = {name: each for name, each in value.items() if name not in ("packets", "bytes")}
        return {name: _without_counts(each) for name, each in kept.items()}
    return [_without_counts(each) for each in value] if isinstance(value, list) else value


def _hides(value: Json) -> bool:
    if isinstance(value, dict):
        return not _UNSPEAKABLE_KEYS.isdisjoint(value) or any(map(_hides, value.values()))
    return isinstance(value, list) and any(map(_hides, value))


def _only_rule(dumps: Iterable[Dump], chain: str) -> Rule:
    ruleset = read_ruleset(dumps)
    if ruleset.gaps or len(ruleset.tables) != 1:
        raise ValueError("the rule cannot be read back")
    (rule,) = ruleset.tables[0].chains[chain].rules
    return rule
