"""Rules of iptables-legacy go by libiptc, which re-encodes none of the others.

It is asked in a process of its own: a crash there harms neither the table nor this one.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from mailfix.changes.change import Drift, Failed
from mailfix.firewall.cure import ChainRef, Edit
from mailfix.firewall.cure.edits import RuleEdit
from mailfix.firewall.ruleset import Backend
from mailfix.host import iptc_child, program
from mailfix.model import Family, Unknown

_CHILD = str(Path(iptc_child.__file__))
PATIENCE_S = 30.0


class Shifted(Drift):
    """Another program was quicker: the rule has another number by now. Nothing was changed."""


def removes(edit: Edit) -> bool:
    """Whether the edit takes away a rule of iptables-legacy and puts none in its place."""
    return (
        isinstance(edit, RuleEdit)
        and edit.chain.backend is Backend.IPTABLES_LEGACY
        and edit.new is None
    )


def delete(edits: Sequence[Edit]) -> None:
    """Make the edits, which all remove a rule; all those of a table at once.

    Raises:
        Shifted: a rule is not at its number.
        Failed: it could not be done.
    """
    rules = [each for each in edits if isinstance(each, RuleEdit) and each.old is not None]
    for (family, table), group in groupby(rules, key=_table):
        _delete_in(family, table, list(group))


def _table(edit: RuleEdit) -> tuple[Family, str]:
    return edit.chain.family or Family.IPV4, edit.chain.table


def _delete_in(family: Family, table: str, edits: Sequence[RuleEdit]) -> None:
    wanted = {
        "ipv6": family is Family.IPV6,
        "table": table,
        "rules": [[each.chain.chain, each.position, _text(each)] for each in edits],
    }
    argv = (sys.executable, "-I", _CHILD)
    told = program.run(argv, text_in=json.dumps(wanted), timeout_s=PATIENCE_S)
    if isinstance(told, Unknown):
        raise Failed(told.reason)
    code = told.value.code
    if code == iptc_child.CHANGED:
        raise Shifted(f"table {table} (iptables-legacy): {told.value.complaint}")
    if code == iptc_child.NO_LIBRARY:
        for each in edits:
            _delete_by_text(each.chain, _text(each))
    elif code < 0:
        raise Failed(f"libiptc crashed (signal {-code}); table {table} is as it was")
    elif code != 0:
        raise Failed(f"libiptc could not change table {table}: {told.value.complaint}")


def _text(edit: RuleEdit) -> str:
    return edit.old.rule.text if edit.old is not None else ""


def _delete_by_text(chain: ChainRef, text: str) -> None:
    """Without python-iptables: iptables itself finds the rule by what it reads."""
    name = "ip6tables" if chain.family is Family.IPV6 else "iptables"
    lines = f"*{chain.table}\n-D {text.removeprefix('-A ')}\nCOMMIT\n"
    told = program.run((f"{name}-legacy-restore", "--noflush", "-w"), text_in=lines)
    if isinstance(told, Unknown):
        raise Failed(told.reason)
    if told.value.code != 0:
        raise Failed(f"{name}-legacy refused the change: {told.value.complaint}")
