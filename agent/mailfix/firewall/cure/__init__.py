"""The smallest cure: the edit that opens what was asked, and the proof that nothing else changes.

``cure`` gives the plan. Read the modules in the data's order: ``edits`` (what may change),
``originals`` and ``commands`` (how the tools say it), ``candidates`` and ``owners`` with ``ufw``,
``firewalld`` and ``csf`` (what may help), ``ideal`` and ``difference`` (what each changes),
``planning`` (which are chosen). ``hunks``, ``states`` and ``redrawn`` tell an edit by the rules'
texts alone, for when it is made, or taken back, later.
"""

from __future__ import annotations

from mailfix.firewall.cure.candidates import Kind, ListedSetting, OwnersWay
from mailfix.firewall.cure.commands import Command, commands
from mailfix.firewall.cure.difference import Change, Difference, Effect
from mailfix.firewall.cure.edits import ChainRef, Drifted, Edit, applied, inverted
from mailfix.firewall.cure.hunks import ChainEdit, Hunk, Line
from mailfix.firewall.cure.planning import Candidate, Cure, cure
from mailfix.firewall.cure.redrawn import Redrawing, SetChange
from mailfix.firewall.cure.states import States

__all__ = [
    "Candidate",
    "ChainEdit",
    "ChainRef",
    "Change",
    "Command",
    "Cure",
    "Difference",
    "Drifted",
    "Edit",
    "Effect",
    "Hunk",
    "Kind",
    "Line",
    "ListedSetting",
    "OwnersWay",
    "Redrawing",
    "SetChange",
    "States",
    "applied",
    "commands",
    "cure",
    "inverted",
]
