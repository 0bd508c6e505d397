"""Whether mail passes the firewall: the verdict, exact, with the rule that decides it.

``read_ruleset`` turns the texts of the host's tools into a Ruleset, ``judge`` sends the packets of
a Question through it, ``follow`` tells their way, ``cure`` finds the smallest change that opens a
port. Read the modules in the data's order: ``read`` (``iptables``, ``nft``, ``ipset``) ->
``ruleset``, ``matches`` and ``segments`` -> ``packet`` -> ``hooks`` -> ``walk`` -> ``outcome`` ->
``judging`` -> ``verdict`` -> ``cure``, on top of ``addresses``. Nothing here touches the world.
"""

from __future__ import annotations

from mailfix.firewall.addresses import AddressSet
from mailfix.firewall.internet import internet
from mailfix.firewall.journey import Event, Journey, Passage, follow
from mailfix.firewall.judging import judge
from mailfix.firewall.question import Direction, Network, Question
from mailfix.firewall.read import read_ruleset
from mailfix.firewall.ruleset import Backend, Dump, RuleRef, Ruleset
from mailfix.firewall.trace import Deed
from mailfix.firewall.verdict import Arrival, Blocked, Undecided, Verdict

__all__ = [
    "AddressSet",
    "Arrival",
    "Backend",
    "Blocked",
    "Deed",
    "Direction",
    "Dump",
    "Event",
    "Journey",
    "Network",
    "Passage",
    "Question",
    "RuleRef",
    "Ruleset",
    "Undecided",
    "Verdict",
    "follow",
    "internet",
    "judge",
    "read_ruleset",
]
