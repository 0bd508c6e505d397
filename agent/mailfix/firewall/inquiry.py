"""One question being looked into: what is known, what has been found, what may be spent."""

from __future__ import annotations

import ipaddress

from mailfix.firewall.addresses import AddressSet
from mailfix.firewall.outcome import Outcome
from mailfix.firewall.packet import Packet, View
from mailfix.firewall.question import Question
from mailfix.firewall.ruleset import Hook, Ruleset
from mailfix.firewall.trace import Trace

SPARE_EFFORT = 100_000
EFFORT_PER_RULE = 20
"""How many rules are looked at for one question before giving up, beyond and per rule there is."""


class TooMuchEffort(Exception):
    """The ruleset sends packets round so often that following them takes too long."""


class Inquiry:
    """A question about a ruleset.

    ``space`` holds the far addresses that it is about, ``asked`` the ports of all questions that
    shall share the work.
    """

    def __init__(
        self,
        ruleset: Ruleset,
        question: Question,
        space: AddressSet,
        asked: frozenset[int] = frozenset(),
        trace: Trace | None = None,
    ) -> None:
        self.ruleset = ruleset
        self.question = question
        self.space = space
        self.asked = asked | {question.port}
        self.trace = trace
        self.outcome = Outcome()
        self.own_addresses = own_addresses(question)
        rules = sum(len(chain.rules) for table in ruleset.tables for chain in table.chains.values())
        self._effort = SPARE_EFFORT + EFFORT_PER_RULE * rules
        self._views: dict[tuple[Hook, Packet], View] = {}

    def view(self, hook: Hook, packet: Packet) -> View:
        key = (hook, packet)
        if key not in self._views:
            self._views[key] = View(self.question, packet, hook)
        return self._views[key]

    def spend(self, effort: int) -> None:
        """Raises TooMuchEffort when more has been spent than there is."""
        self._effort -= effort
        if self._effort < 0:
            raise TooMuchEffort


def own_addresses(question: Question) -> frozenset[int]:
    """The host's addresses of the question's family as numbers.

    Raises:
        ValueError: one of them is no address.
    """
    own = (question.local_address, *question.own_addresses)
    addresses = (ipaddress.ip_address(text.partition("%")[0]) for text in own)
    version = 6 if question.family.value == "ipv6" else 4
    return frozenset(int(each) for each in addresses if each.version == version)
