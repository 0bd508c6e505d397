"""The tools' texts as they will be once edits are made, so that a further cure can be found.

What nft then lists are made-up handles: they serve to tell the rules of one text apart.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count

from mailfix.firewall.cure.commands import element_key
from mailfix.firewall.cure.edits import ChainRef, Drifted, SetRef
from mailfix.firewall.cure.hunks import ChainEdit, Hunk, Line
from mailfix.firewall.cure.originals import keyword
from mailfix.firewall.nft.selectors import Json
from mailfix.firewall.ruleset import Backend, Dump

_FIRST_HANDLE = 1 << 40
_COUNTERS = re.compile(r"-c \d+ \d+ ")


@dataclass(frozen=True, slots=True)
class SetChange:
    """Elements that come to a set or go from it, as in ElementEdit."""

    where: SetRef
    gone: tuple[str, ...]
    come: tuple[str, ...]

    @property
    def inverse(self) -> SetChange:
        return replace(self, gone=self.come, come=self.gone)


@dataclass(frozen=True, slots=True)
class Redrawing:
    """A text of a tool while its rules are being changed."""

    texts: tuple[Dump, ...]

    def with_chain(self, edit: ChainEdit, present: Sequence[str]) -> Redrawing:
        """With the rules changed in a chain whose rules read ``present`` now; raises Drifted."""
        hunks = edit.placed(present)
        return Redrawing(tuple(_changed(dump, edit.chain, hunks) for dump in self.texts))

    def with_set(self, change: SetChange) -> Redrawing:
        """With other elements in a set."""
        return Redrawing(tuple(_with_elements(dump, change) for dump in self.texts))


def _changed(dump: Dump, chain: ChainRef, hunks: Sequence[Hunk]) -> Dump:
    if dump.backend is Backend.NFT and chain.backend is not Backend.IPTABLES_LEGACY:
        return replace(dump, text=_relisted(dump.text, chain, hunks))
    if (dump.backend, dump.family) == (chain.backend, chain.family):
        return replace(dump, text=_resaved(dump.text, chain, hunks))
    return dump


def _resaved(text: str, chain: ChainRef, hunks: Sequence[Hunk]) -> str:
    lines = text.split("\n")
    own = list(_lines_of(lines, chain))
    for hunk in reversed(hunks):
        new = [_saved(chain, each) for each in hunk.new]
        if hunk.old:
            start, end = own[hunk.at], own[hunk.at + len(hunk.old) - 1] + 1
        else:
            start = end = _place(lines, own, chain, hunk.at)
        lines[start:end] = new
    return "\n".join(lines)


def _saved(chain: ChainRef, line: Line) -> str:
    """A rule of nft has a line there that only keeps its place: nft tells what it does."""
    told = "" if line.native else _COUNTERS.sub("", line.spelling, count=1)
    return f"-A {chain.chain} {told}"


def _lines_of(lines: Sequence[str], chain: ChainRef) -> Iterator[int]:
    table = ""
    for at, line in enumerate(lines):
        if line[:1] == "*":
            table = line[1:].strip()
        elif table == chain.table and line.startswith(f"-A {chain.chain} "):
            yield at


def _place(lines: Sequence[str], own: Sequence[int], chain: ChainRef, at: int) -> int:
    if at < len(own):
        return own[at]
    if own:
        return own[-1] + 1
    table = ""
    for place, line in enumerate(lines):
        if line[:1] == "*":
            table = line[1:].strip()
        elif line == "COMMIT" and table == chain.table:
            return place
    raise Drifted(f"there is no table {chain.table}")


def _relisted(text: str, chain: ChainRef, hunks: Sequence[Hunk]) -> str:
    """In a table of iptables, too, nft lists as many rules as the save shows."""
    listing = json.loads(text)
    entries: list[Json] = listing["nftables"]
    place: dict[str, Json] = {
        "family": keyword(chain.family),
        "table": chain.table,
        "chain": chain.chain,
    }
    handles = count(max([_FIRST_HANDLE, *_handles(entries)]) + 1)
    own = [at for at, each in enumerate(entries) if place.items() <= each.get("rule", {}).items()]
    for hunk in reversed(hunks):
        new = [{"rule": {**place, "handle": next(handles), **_body(each)}} for each in hunk.new]
        if hunk.old:
            start, end = own[hunk.at], own[hunk.at + len(hunk.old) - 1] + 1
        else:
            start = end = own[hunk.at] if hunk.at < len(own) else len(entries)
            if own and hunk.at >= len(own):
                start = end = own[-1] + 1
        entries[start:end] = new
    return json.dumps(listing)


def _handles(entries: Iterable[Json]) -> Iterator[int]:
    yield from (each["rule"]["handle"] for each in entries if "rule" in each)


def _body(line: Line) -> Json:
    """A rule of iptables is one that nft cannot show: the save tells what it does."""
    if line.native:
        return json.loads(line.spelling)
    return {"expr": [{"xt": None}, {"counter": {"packets": 0, "bytes": 0}}]}


def _with_elements(dump: Dump, change: SetChange) -> Dump:
    if dump.backend is not change.where.backend and change.where.backend is Backend.IPSET:
        return dump
    if dump.backend is Backend.IPSET and change.where.backend is Backend.IPSET:
        name = change.where.name
        gone = {f"add {name} {each}" for each in change.gone}
        lines = [line for line in dump.text.split("\n") if line not in gone]
        lines[-1:] = [*(f"add {name} {each}" for each in change.come), *lines[-1:]]
        return replace(dump, text="\n".join(lines))
    if dump.backend is Backend.NFT:
        return replace(dump, text=_relisted_set(dump.text, change))
    return dump


def _relisted_set(text: str, change: SetChange) -> str:
    listing = json.loads(text)
    where = change.where
    place = {"family": keyword(where.family), "table": where.table, "name": where.name}
    for entry in listing["nftables"]:
        listed = entry.get("set") or entry.get("map")
        if listed and place.items() <= listed.items():
            gone = [element_key(json.loads(each)) for each in change.gone]
            kept = [each for each in listed.get("elem", []) if element_key(each) not in gone]
            listed["elem"] = [*kept, *map(json.loads, change.come)]
    return json.dumps(listing)
