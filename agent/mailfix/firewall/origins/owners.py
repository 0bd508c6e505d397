"""Programs that make their own firewall rules anew at every start."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from mailfix.firewall.ruleset import Backend, Chain, Choice, Goto, Jump, Rule, Ruleset, Table

_NOTHING = re.compile(r"(?!)")


@dataclass(frozen=True, slots=True)
class Owner:
    """How a program's rules show.

    ``chains`` are those that it makes, ``tables`` its own native nft tables, ``rules`` what it puts
    into built-in chains besides the jumps to its chains. With ``whole`` every rule beside its
    chains is its own, too. Chains in ``left_empty`` are made without the rules that others put
    there. ``units`` are the services, of which one brings the rules back.
    """

    name: str
    units: tuple[str, ...]
    chains: re.Pattern[str] = _NOTHING
    tables: frozenset[str] = frozenset()
    rules: re.Pattern[str] = _NOTHING
    whole: bool = False
    left_empty: frozenset[str] = field(default_factory=frozenset)


OWNERS = (
    Owner("ufw", ("ufw.service",), re.compile(r"ufw6?-")),
    Owner(
        "firewalld",
        ("firewalld.service",),
        re.compile(r"(INPUT|OUTPUT|FORWARD\w*|PREROUTING|POSTROUTING)_(direct|ZONES\w*)$"),
        frozenset({"firewalld"}),
        whole=True,
    ),
    Owner(
        "CSF",
        ("csf.service",),
        re.compile(r"(LOCALINPUT|LOCALOUTPUT|LOGDROPIN|LOGDROPOUT|ALLOWIN|DENYIN)$"),
        whole=True,
    ),
    Owner(
        "docker",
        ("docker.service", "docker.socket"),
        re.compile(r"DOCKER"),
        frozenset({"docker-bridges"}),
        re.compile(r"-[io] (docker0|br-[0-9a-f]{12})\b"),
        left_empty=frozenset({"DOCKER-USER"}),
    ),
    Owner(
        "fail2ban",
        ("fail2ban.service",),
        re.compile(r"(f2b|fail2ban)-"),
        frozenset({"f2b-table"}),
    ),
    Owner(
        "podman",
        ("podman.service", "podman.socket", "podman-restart.service"),
        re.compile(r"NETAVARK|CNI-"),
        frozenset({"netavark"}),
    ),
    Owner("Kubernetes", ("kubelet.service", "k3s.service"), re.compile(r"KUBE-|cali-|CILIUM_")),
    Owner("libvirt", ("libvirtd.service", "virtnetworkd.service"), re.compile(r"LIBVIRT_")),
    Owner(
        "CrowdSec",
        ("crowdsec-firewall-bouncer.service",),
        re.compile(r"CROWDSEC"),
        frozenset({"crowdsec", "crowdsec6"}),
    ),
    Owner("sshguard", ("sshguard.service",), re.compile(r"sshguard$"), frozenset({"sshguard"})),
)


def owners_in(ruleset: Ruleset) -> frozenset[str]:
    """The names of the owners that have rules there."""
    return frozenset(
        owner.name
        for owner in OWNERS
        if any(owns_table(owner, table) or _marks(owner, table) for table in ruleset.tables)
    )


def owns_table(owner: Owner, table: Table) -> bool:
    """Whether the whole table is the owner's."""
    if table.backend is Backend.NFT:
        return table.name in owner.tables
    return owner.whole and _marks(owner, table)


def owns_chain(owner: Owner, chain: Chain) -> bool:
    return chain.base is None and owner.chains.match(chain.name) is not None


def owns_rule(owner: Owner, chain: Chain, rule: Rule) -> bool:
    """Whether the owner put ``rule`` into ``chain``, be it its own or a built-in one."""
    if owns_chain(owner, chain):
        return True
    if chain.base is None:
        return False
    sent = any(owner.chains.match(target) for target in targets(rule))
    return sent or owner.rules.search(rule.text) is not None


def targets(rule: Rule) -> Iterator[str]:
    """The chains that the rule may send packets to."""
    for step in rule.steps:
        if isinstance(step, (Jump, Goto)):
            yield step.chain
        elif isinstance(step, Choice):
            for _, verb in step.branches:
                if isinstance(verb, (Jump, Goto)):
                    yield verb.chain


def _marks(owner: Owner, table: Table) -> bool:
    return any(owns_chain(owner, chain) for chain in table.chains.values())
