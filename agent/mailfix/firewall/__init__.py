"""Whether mail passes the firewall: the verdict, exact, with the rule that decides it.

``read_ruleset`` turns the texts of the host's tools into a Ruleset, ``judge`` sends the packets of
a Question through it. Read the modules in the data's order: ``read`` (``iptables``,
``nft``, ``ipset``) -> ``ruleset`` and ``matches`` -> ``walk`` -> ``judging`` -> ``verdict``,
on top of ``addresses``. Nothing here touches the world.
"""

from __future__ import annotations

from mailfix.firewall.addresses import AddressSet
from mailfix.firewall.internet import internet
from mailfix.firewall.judging import judge
from mailfix.firewall.question import Direction, Question
from mailfix.firewall.read import read_ruleset
from mailfix.firewall.ruleset import Backend, Dump, RuleRef, Ruleset
from mailfix.firewall.verdict import Arrival, Blocked, Undecided, Verdict

__all__ = [
    "AddressSet",
    "Arrival",
    "Backend",
    "Blocked",
    "Direction",
    "Dump",
    "Question",
    "RuleRef",
    "Ruleset",
    "Undecided",
    "Verdict",
    "internet",
    "judge",
    "read_ruleset",
]
