"""The answer: which part of the Internet gets through, which rule blocks which, what is open."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mailfix.firewall.addresses import AddressSet
from mailfix.firewall.question import Question
from mailfix.firewall.ruleset import Hook, RuleRef

if TYPE_CHECKING:
    from mailfix.firewall.outcome import Place

BAN_SHARE = 0.001
"""A rule that blocks less of the Internet than this is a ban: 3.7 million IPv4 addresses."""


@dataclass(frozen=True, slots=True)
class Blocked:
    """What one rule (or policy) blocks, and how: ``action`` is DROP, REJECT, TARPIT...

    With ``answer`` it stops the answers to first packets that have passed, with ``later`` what
    follows the answers. ``rule`` may be one of
    several ``rules`` of its chain that each block a few addresses alike, a list. ``path`` are the
    rules that sent the packets into its chain, the base chain's first.
    """

    rule: RuleRef
    action: str
    addresses: AddressSet
    share: float
    answer: bool = False
    hook: Hook = Hook.INPUT
    rules: int = 1
    path: tuple[RuleRef, ...] = ()
    places: tuple[Place, ...] = field(default=(), repr=False, compare=False)
    later: bool = False

    def every_rule(self) -> list[RuleRef]:
        """``rule``, or all rules of the list, in the chain's order."""
        found = [ref for place in self.places for ref in place.refs(self.addresses)]
        return sorted(found or [self.rule], key=lambda ref: ref.position or 0)

    @property
    def is_ban(self) -> bool:
        """Whether it keeps out a short list of addresses rather than the Internet.

        What fail2ban, CSF and administrators ban are addresses and small networks, each in a rule
        of its own or thousands in a set; even 10,000 networks of 256 addresses are less than
        BAN_SHARE. A country or a wrong rule is more.
        """
        return self.share < BAN_SHARE


@dataclass(frozen=True, slots=True)
class Undecided:
    """Addresses whose fate hangs on something that cannot be known from the rules.

    Where it hangs on two rules, the addresses are in both entries. ``rule`` is None where a part
    of the ruleset could not be read.
    """

    reason: str
    rule: RuleRef | None
    addresses: AddressSet
    share: float


@dataclass(frozen=True, slots=True)
class Arrival:
    """Passing packets that ``rule`` sends on to another port of the host than the one asked."""

    port: int
    rule: RuleRef
    addresses: AddressSet
    share: float

    @property
    def is_broad(self) -> bool:
        """Whether it concerns more than a short list of addresses, as BAN_SHARE has it."""
        return self.share >= BAN_SHARE


@dataclass(frozen=True, slots=True)
class Verdict:
    """The three parts of ``space``: disjoint, and together all of it.

    ``space`` is the Internet without the host's own addresses; shares (0.0 to 1.0) are parts of
    it. ``blocked`` is disjoint and ordered by share, the largest first.
    """

    question: Question
    space: AddressSet
    passed: AddressSet
    blocked: tuple[Blocked, ...]
    undecided: tuple[Undecided, ...]
    undecided_addresses: AddressSet
    arrivals: tuple[Arrival, ...] = ()

    @property
    def passed_share(self) -> float:
        return self.passed.share_of(self.space)

    @property
    def blocked_share(self) -> float:
        blocked = sum(each.addresses.count() for each in self.blocked)
        return blocked / self.space.count()

    @property
    def undecided_share(self) -> float:
        return self.undecided_addresses.share_of(self.space)

    @property
    def faults(self) -> tuple[Blocked, ...]:
        """The broad blocks."""
        return tuple(each for each in self.blocked if not each.is_ban)

    @property
    def bans(self) -> tuple[Blocked, ...]:
        """The short lists of addresses that are kept out on purpose."""
        return tuple(each for each in self.blocked if each.is_ban)
