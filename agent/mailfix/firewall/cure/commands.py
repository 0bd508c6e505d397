"""The exact edit as the backend's own tool takes it: argument lists and texts, never a shell.

Rules of iptables come by number and go by what they read, with iptables of the same backend: were
the numbers to shift at that moment, no other rule would go. Native ones are edited by handle with
nft, elements of sets with nft or ipset. Several edits of one backend in a row are one call, which
changes all or nothing within a table.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from mailfix.firewall.cure.edits import (
    ChainRef,
    Drifted,
    Edit,
    ElementEdit,
    RuleEdit,
    Spelled,
    as_made,
)
from mailfix.firewall.cure.originals import keyword
from mailfix.firewall.iptables.options import words
from mailfix.firewall.nft.selectors import Json
from mailfix.firewall.ruleset import Backend, Chain, Rule, Ruleset
from mailfix.model import Family

NFT = ("nft", "-j", "-f", "-")
IPSET = ("ipset", "restore")


@dataclass(frozen=True, slots=True)
class Command:
    """A program with its arguments, and what it reads from its standard input."""

    arguments: tuple[str, ...]
    stdin: str = ""


@dataclass(frozen=True, slots=True)
class _Told:
    """One edit in the words of ``tool``: a line of iptables' rule, of ipset, or objects of nft."""

    tool: tuple[str, ...]
    table: str
    words: tuple[str, ...] = ()
    line: str = ""
    objects: tuple[Json, ...] = ()


def commands(edits: Iterable[Edit], ruleset: Ruleset) -> tuple[Command, ...]:
    """What makes the edits, in this order, on a host whose firewall is ``ruleset``.

    For the way back, give the inverted edits and the ruleset as it was read afterwards: rules that
    have come since have handles only there.

    Raises:
        Drifted: the ruleset is not what the edits were made for, or a rule cannot be told to nft.
    """
    told: list[_Told] = []
    for edit in edits:
        told.append(_told(edit, ruleset))
        ruleset = as_made(edit).applied(ruleset)
    grouped = groupby(told, key=lambda each: each.tool)
    return tuple(_command(tool, list(group)) for tool, group in grouped)


def _told(edit: Edit, ruleset: Ruleset) -> _Told:
    if isinstance(edit, ElementEdit):
        return _elements(edit)
    native = any(each.native for each in (edit.old, edit.new) if each is not None)
    return _native(edit, ruleset) if native else _of_iptables(edit, ruleset)


def _command(tool: tuple[str, ...], told: Sequence[_Told]) -> Command:
    if tool == NFT:
        objects = [each for one in told for each in one.objects]
        return Command(NFT, json.dumps({"nftables": objects}))
    if tool == IPSET:
        return Command(IPSET, "".join(each.line for each in told))
    if len(told) == 1 and told[0].words:
        return Command((*tool, "-w", "-t", told[0].table, *told[0].words))
    tables = (
        "\n".join([f"*{table}", *(each.line for each in group), "COMMIT", ""])
        for table, group in groupby(told, key=lambda each: each.table)
    )
    return Command((f"{tool[0]}-restore", "--noflush", "-w"), "".join(tables))


def _of_iptables(edit: RuleEdit, ruleset: Ruleset) -> _Told:
    lines = []
    if edit.new is not None:
        lines.append(f"-I {edit.chain.chain} {edit.position} {edit.new.spelling}")
    if edit.old is not None:
        lines.append(_deletion(edit, ruleset))
    only = tuple(words(lines[0])) if len(lines) == 1 else ()
    return _Told((_binary(edit.chain),), edit.chain.table, only, "\n".join(lines))


def _deletion(edit: RuleEdit, ruleset: Ruleset) -> str:
    """By what the rule reads; by number only where the chain has another like it before."""
    assert edit.old is not None
    text = edit.old.rule.text
    before = edit.chain.find(ruleset)[1].rules[: edit.position - 1]
    if all(each.text != text for each in before) and (
        edit.new is None or edit.new.rule.text != text
    ):
        return f"-D {text.removeprefix('-A ')}"
    return f"-D {edit.chain.chain} {edit.position + (edit.new is not None)}"


def _binary(chain: ChainRef) -> str:
    """The backend's own: plain ``iptables`` may be of either backend."""
    name = "ip6tables" if chain.family is Family.IPV6 else "iptables"
    return f"{name}-{'legacy' if chain.backend is Backend.IPTABLES_LEGACY else 'nft'}"


def _native(edit: RuleEdit, ruleset: Ruleset) -> _Told:
    """A rule is changed by putting the new one before it: nft 1.0.6 cannot replace sets of ranges.

    Both happen in one transaction.
    """
    _, chain = edit.chain.find(ruleset)
    place: dict[str, Json] = {
        "family": keyword(edit.chain.family),
        "table": edit.chain.table,
        "chain": edit.chain.chain,
    }
    objects: list[Json] = []
    if edit.new is not None:
        deed, anchor = _anchor(chain.rules, edit.position)
        objects.append({deed: {"rule": {**place, **anchor, **_body(edit.new)}}})
    if edit.old is not None:
        objects.append({"delete": {"rule": {**place, "handle": _handle(chain, edit.position)}}})
    return _Told(NFT, edit.chain.table, objects=tuple(objects))


def _handle(chain: Chain, position: int) -> int:
    handle = chain.rules[position - 1].handle if position <= len(chain.rules) else None
    if handle is None:
        raise Drifted(f"rule {position} of chain {chain.name} has no handle")
    return handle


def _body(spelled: Spelled) -> Json:
    if not spelled.spelling:
        raise Drifted("nft does not show the rule so that it could be made again")
    return json.loads(spelled.spelling)


def _anchor(rules: Sequence[Rule], position: int) -> tuple[str, Json]:
    """How nft is told to put a rule in this place: before or after a handle, or at an end."""
    if position > len(rules):
        return "add", {}
    following = rules[position - 1].handle
    if following is not None:
        return "insert", {"handle": following}
    if position == 1:
        return "insert", {}
    before = rules[position - 2].handle
    if before is None:
        raise Drifted(f"the rules around place {position} have no handles")
    return "add", {"handle": before}


def _elements(edit: ElementEdit) -> _Told:
    where = edit.where
    if where.backend is Backend.IPSET:
        lines = [f"del {where.name} {each.split(' ', 1)[0]}\n" for each in edit.gone]
        lines += [f"add {where.name} {each}\n" for each in edit.come]
        return _Told(IPSET, "", line="".join(lines))
    place: dict[str, Json] = {
        "family": keyword(where.family),
        "table": where.table,
        "name": where.name,
    }
    objects = tuple(
        {deed: {"element": {**place, "elem": elements}}}
        for deed, elements in (
            ("delete", [element_key(json.loads(each)) for each in edit.gone]),
            ("add", [json.loads(each) for each in edit.come]),
        )
        if elements
    )
    return _Told(NFT, where.table, objects=objects)


def element_key(element: Json) -> Json:
    """What identifies an element: without its verdict, timeout and comment."""
    key = element[0] if isinstance(element, list) else element
    return key["elem"]["val"] if isinstance(key, dict) and "elem" in key else key
