"""Elements that a blocker's set could do without: a port, or networks too large for a ban."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from mailfix.firewall.addresses import AddressSet
from mailfix.firewall.cure.edits import ChainRef, ElementEdit, RuleChange, SetRef, Spelled
from mailfix.firewall.cure.nft_words import element, pairs_without, port_ranges
from mailfix.firewall.cure.originals import Originals
from mailfix.firewall.cure.traffic import Traffic, contains, without
from mailfix.firewall.internet import internet
from mailfix.firewall.iptables.options import words
from mailfix.firewall.nft.selectors import Json, address_set
from mailfix.firewall.protocols import address_and_mask
from mailfix.firewall.ruleset import Backend, Ruleset
from mailfix.firewall.verdict import BAN_SHARE
from mailfix.model import Family


@dataclass(frozen=True, slots=True)
class Removal:
    """An edit of a set; ``keeps_bans`` where it takes networks and leaves a list of bans."""

    edit: ElementEdit
    set_name: str
    keeps_bans: bool = False

    def networks(self) -> list[str]:
        """What is taken, as a rule of the same backend names it."""
        if self.edit.where.backend is Backend.IPSET:
            return [each.split(" ")[0] for each in self.edit.gone]
        return [json.dumps(plain(json.loads(each))) for each in self.edit.gone]


def plain(listed: Json) -> Json:
    """An element of nft without its timeout, counter and comment."""
    return listed["elem"]["val"] if isinstance(listed, dict) and "elem" in listed else listed


def removals(
    ruleset: Ruleset, chain: ChainRef, blocker: Spelled, traffic: Traffic, originals: Originals
) -> Iterator[Removal]:
    """The edits of sets that may stop ``blocker`` from blocking the traffic."""
    if not blocker.native:
        yield from _of_ipset(ruleset, blocker, traffic, originals)
        return
    body = json.loads(blocker.spelling) if blocker.spelling else {"expr": []}
    for expression in body["expr"]:
        for name, listed in _looked_up(expression, originals.sets(chain)):
            kept = _kept(expression, listed, traffic)
            if kept is not None:
                yield _removal(ruleset, chain, listed, kept, originals, name)


def _looked_up(expression: Json, sets: Mapping[str, Json]) -> Iterator[tuple[str, Json]]:
    match expression:
        case {"match": {"op": "==" | "in", "right": str(name)}} | {"vmap": {"data": str(name)}}:
            if name.startswith("@") and name[1:] in sets:
                yield name[1:], sets[name[1:]]


def _kept(expression: Json, listed: Json, traffic: Traffic) -> Sequence[Json] | None:
    """The elements that stay; None where none is to go, or all would have to."""
    elements = listed.get("elem", [])
    ((_, body),) = expression.items()
    left = body.get("left", body.get("key"))
    payload = left.get("payload", {}) if isinstance(left, dict) else {}
    field = payload.get("field")
    if field == ("sport" if traffic.answer else "dport"):
        kept = _other_ports(elements, traffic, is_map="map" in listed)
    elif field in ("saddr", "daddr") and "map" not in listed:
        kept = [each for each in elements if not _is_broad(each, traffic.family)] or None
    else:
        return None
    return None if kept is None or kept == elements else kept


def _other_ports(elements: Sequence[Json], traffic: Traffic, *, is_map: bool) -> list[Json] | None:
    if is_map:
        return pairs_without(elements, traffic.port)
    kept: list[Json] = []
    for each in elements:
        ranges = port_ranges(each)
        if ranges is None:
            return None
        if contains(ranges, traffic.port):
            kept += map(element, without(ranges, traffic.port))
        else:
            kept.append(each)
    return kept


def _is_broad(listed: Json, family: Family) -> bool:
    try:
        return _share(address_set([plain(listed)]), family) >= BAN_SHARE
    except (ValueError, KeyError, TypeError):
        return False


def _share(addresses: AddressSet, family: Family) -> float:
    space = internet(family)
    return (addresses & space).share_of(space)


def _removal(
    ruleset: Ruleset,
    chain: ChainRef,
    listed: Json,
    kept: Sequence[Json],
    originals: Originals,
    name: str,
) -> Removal:
    elements = listed.get("elem", [])
    where = SetRef(chain.backend, chain.family, chain.table, name)
    changed = {**listed, "elem": kept}
    effects = []
    for caller, handle in originals.looking_into(where):
        place = ChainRef(chain.backend, chain.family, chain.table, caller)
        rule = next((each for each in place.find(ruleset)[1].rules if each.handle == handle), None)
        if rule is not None:
            new = originals.with_elements(place, rule, changed)
            effects.append(RuleChange(place, rule, new))
    gone = tuple(json.dumps(each) for each in elements if each not in kept)
    come = tuple(json.dumps(each) for each in kept if each not in elements)
    edit = ElementEdit(where, gone, come, tuple(effects))
    return Removal(edit, name, keeps_bans=not come and "map" not in listed)


def _of_ipset(
    ruleset: Ruleset, blocker: Spelled, traffic: Traffic, originals: Originals
) -> Iterator[Removal]:
    found = words(blocker.spelling)
    for at, word in enumerate(found[:-1]):
        negated = at > 0 and found[at - 1] == "!"
        if word == "--match-set" and not negated:
            name = found[at + 1]
            gone = _gone(originals, name, traffic)
            if gone:
                effects = _effects(ruleset, originals, name, gone)
                where = SetRef(Backend.IPSET, None, "", name)
                yield Removal(ElementEdit(where, gone, (), effects), name, keeps_bans=True)


def _gone(originals: Originals, name: str, traffic: Traffic) -> tuple[str, ...]:
    """The elements to be removed; none where nothing would be left, or lists hold the set."""
    found = originals.ipsets.get(name)
    if found is None or found.damage or found.netmask or originals.is_listed(name):
        return ()
    elements = originals.ipset_elements(name)
    if found.kind == "bitmap:port":
        return tuple(each for each in elements if each.split(" ")[0] == str(traffic.port))
    if found.kind not in ("hash:net", "hash:ip"):
        return ()
    gone = tuple(each for each in elements if _is_broad_network(each, traffic.family))
    return gone if len(gone) < len(elements) else ()


def _is_broad_network(text: str, family: Family) -> bool:
    address, *settings = text.split(" ")
    try:
        return "nomatch" not in settings and _share(address_and_mask(address), family) >= BAN_SHARE
    except ValueError:
        return False


def _effects(
    ruleset: Ruleset, originals: Originals, name: str, gone: Sequence[str]
) -> tuple[RuleChange, ...]:
    changed = originals.without_elements(name, gone)
    found = []
    for table in ruleset.tables:
        for chain in table.chains.values():
            place = ChainRef(table.backend, table.family, table.name, chain.name)
            for rule in chain.rules:
                if f"--match-set {name} " in rule.text:
                    new = changed.read_again(place, rule, table.chains)
                    found.append(RuleChange(place, rule, new))
    return tuple(found)
