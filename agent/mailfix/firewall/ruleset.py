"""A firewall as every backend has it: tables of chains of rules, some chains on a hook.

A rule is a row of steps. A packet takes them one by one: a match lets it on to the next step or
ends the rule for it; a statement changes the packet or decides its fate.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, TypeAlias

from mailfix.firewall.matches import Match
from mailfix.model import Family

if TYPE_CHECKING:
    from mailfix.firewall.segments import Segments


class Backend(StrEnum):
    """Where a rule lives, or which tool a text comes from."""

    IPTABLES_NFT = "iptables-nft"
    IPTABLES_LEGACY = "iptables-legacy"
    NFT = "nft"
    IPSET = "ipset"


class Hook(StrEnum):
    """Where netfilter asks the base chains, in the names of nft(8)."""

    INGRESS = "ingress"
    PREROUTING = "prerouting"
    INPUT = "input"
    FORWARD = "forward"
    OUTPUT = "output"
    POSTROUTING = "postrouting"
    EGRESS = "egress"


@dataclass(frozen=True, slots=True)
class Dump:
    """One tool's text as the host gave it.

    ``family`` is None for ``nft`` (``nft -j list ruleset``) and ``ipset`` (``ipset save``).
    """

    backend: Backend
    family: Family | None
    text: str


@dataclass(frozen=True, slots=True)
class RuleRef:
    """Which rule it was, as its administrator would find it.

    ``position`` counts from 1 within the chain; it is None for a policy. ``text`` is the line of
    ``*-save``, the rule in nft syntax, or the policy (``-P INPUT DROP``, ``policy drop``). Both
    ``text`` and ``comment`` come from outside: escape them where they are printed.
    """

    backend: Backend
    family: Family | None
    table: str
    chain: str
    position: int | None
    handle: int | None
    text: str
    comment: str | None = None

    def describe(self) -> str:
        """For example ``rule 7 of INPUT (iptables-nft, filter): -A INPUT -p tcp -j DROP``."""
        where = f"{self.chain} ({self.backend}, {self.table})"
        if self.position is None:
            return f"the policy of {where}: {self.text}"
        handle = f", handle {self.handle}" if self.handle is not None else ""
        return f"rule {self.position}{handle} of {where}: {self.text}"


@dataclass(frozen=True, slots=True)
class Accept:
    """The packet is through this base chain; the next one is asked."""


@dataclass(frozen=True, slots=True)
class Block:
    """The packet's end: ``action`` is DROP, REJECT, TARPIT..."""

    action: str


@dataclass(frozen=True, slots=True)
class Return:
    """Back to the calling chain; in a base chain, to the policy."""


@dataclass(frozen=True, slots=True)
class Jump:
    chain: str


@dataclass(frozen=True, slots=True)
class Goto:
    """As a jump, but the end of the target chain returns to where this chain was called from."""

    chain: str


@dataclass(frozen=True, slots=True)
class Uncertain:
    """A verdict that cannot be known: accepted, blocked, or nothing at all."""

    reason: str


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """The packet leaves the way that is being judged (to another host, to a program)."""

    reason: str


@dataclass(frozen=True, slots=True)
class Translate:
    """Accepted with the near address translated: REDIRECT coming in, SNAT going out.

    ``port`` is the new destination port, None where it stays.
    """

    port: int | None = None


@dataclass(frozen=True, slots=True)
class SendOn:
    """Accepted with the destination translated (DNAT); a part that stays is None."""

    address: int | None
    port: int | None


@dataclass(frozen=True, slots=True)
class SetMark:
    """mark = (mark & ~mask) ^ value; on the connection's mark with ``connection``."""

    value: int
    mask: int
    connection: bool = False


@dataclass(frozen=True, slots=True)
class ForgetMark:
    """The mark, or with ``connection`` the connection's, becomes something unknown."""

    connection: bool = False


@dataclass(frozen=True, slots=True)
class CopyMark:
    """Copy the connection's mark to the packet, or with ``save`` the other way round.

    Only the bits of one mask are taken, and of the other replaced.
    """

    save: bool
    packet_mask: int = 0xFFFFFFFF
    connection_mask: int = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Untrack:
    """Connection tracking shall not see the packet."""


@dataclass(frozen=True, slots=True)
class Enlist:
    """The packet puts itself into a set, or with ``leaves`` out of it.

    ``key`` says what of the packet, in words that a look into the set compares with its own.
    """

    name: str
    key: str
    leaves: bool = False


@dataclass(frozen=True, slots=True)
class Choice:
    """A verdict map: the verdict of the first branch whose match holds; none: go on."""

    branches: tuple[tuple[Match, Verb], ...]


Verb: TypeAlias = (
    Accept
    | Block
    | Return
    | Jump
    | Goto
    | Uncertain
    | Elsewhere
    | Translate
    | SendOn
    | SetMark
    | ForgetMark
    | CopyMark
    | Untrack
    | Enlist
)
Step: TypeAlias = Match | Verb | Choice


@dataclass(frozen=True, slots=True)
class Rule:
    """``position`` counts from 1; ``text``, ``handle`` and ``comment`` as in RuleRef.

    ``wording`` is the text, or makes it when it is asked for.
    """

    position: int
    wording: str | Callable[[], str]
    steps: tuple[Step, ...]
    handle: int | None = None
    comment: str | None = None

    @property
    def text(self) -> str:
        return self.wording if isinstance(self.wording, str) else self.wording()


@dataclass(frozen=True, slots=True)
class BaseChain:
    """A chain's place on a hook. ``devices`` are those of an ingress or egress hook."""

    hook: Hook
    priority: int
    policy: Accept | Block
    nat: bool = False
    devices: tuple[str, ...] | None = None

    @property
    def turn(self) -> int:
        """The priority at which it is asked: NAT has its own, whatever that of its chains is.

        Only among each other are nat chains asked by their own (net/netfilter/nf_nat_core.c).
        """
        if not self.nat:
            return self.priority
        return -100 if self.hook in (Hook.PREROUTING, Hook.OUTPUT) else 100


@dataclass(frozen=True)
class Chain:
    name: str
    rules: tuple[Rule, ...]
    base: BaseChain | None = None

    @cached_property
    def segments(self) -> Segments:
        """The rules as packets meet them; made once for all questions."""
        from mailfix.firewall.segments import Segments

        return Segments(self.rules)


@dataclass(frozen=True, slots=True)
class Table:
    """``family`` is None for nft's inet and netdev, which see both."""

    backend: Backend
    family: Family | None
    name: str
    chains: Mapping[str, Chain] = field(default_factory=dict)

    def serves(self, family: Family) -> bool:
        return self.family is None or self.family is family

    def ref(self, chain: Chain, rule: Rule) -> RuleRef:
        """The name of ``rule`` in ``chain`` of this table."""
        return RuleRef(
            self.backend,
            self.family,
            self.name,
            chain.name,
            rule.position,
            rule.handle,
            rule.text,
            rule.comment,
        )

    def policy_ref(self, chain: Chain) -> RuleRef:
        """The name of the policy of ``chain``, a base chain of this table."""
        blocks = chain.base is not None and isinstance(chain.base.policy, Block)
        text = f"policy {'drop' if blocks else 'accept'}"
        if self.backend is not Backend.NFT:
            text = f"-P {chain.name} {'DROP' if blocks else 'ACCEPT'}"
        return RuleRef(self.backend, self.family, self.name, chain.name, None, None, text, None)


@dataclass(frozen=True, slots=True)
class Gap:
    """What could not be read, where anything may stand. ``family`` None: both."""

    backend: Backend
    family: Family | None
    reason: str


@dataclass(frozen=True, slots=True)
class Ruleset:
    """Everything a host's firewall consists of, and what of it could not be read."""

    tables: tuple[Table, ...] = ()
    gaps: tuple[Gap, ...] = ()

    def place_of(self, ref: RuleRef) -> tuple[Table, Chain, Rule | None]:
        """The table, the chain and the rule (None: the policy) that ``ref`` names.

        Raises:
            LookupError: there is no such rule.
        """
        for table in self.tables:
            if (table.backend, table.family, table.name) == (ref.backend, ref.family, ref.table):
                chain = table.chains[ref.chain]
                return table, chain, chain.rules[ref.position - 1] if ref.position else None
        raise LookupError(f"there is no table {ref.table}")
