"""Taking a rule out of the kernel's ruleset with the administrator's own tools."""

from __future__ import annotations

from collections.abc import Sequence

from mailfix.firewall import Backend, RuleRef
from mailfix.model import Family
from tests.kernel.rig import must_run


def remove(rules: Sequence[RuleRef]) -> None:
    """Delete rules of one chain; a policy becomes accept.

    Raises:
        RuntimeError: the tool refuses.
    """
    for ref in sorted(rules, key=lambda each: -(each.position or 0)):
        must_run(*(_of_nft(ref) if ref.backend is Backend.NFT else _of_iptables(ref)))


def _of_nft(ref: RuleRef) -> list[str]:
    family = {None: "inet", Family.IPV4: "ip", Family.IPV6: "ip6"}[ref.family]
    place = [family, ref.table, ref.chain]
    if ref.position is None:
        return ["nft", "chain", *place, "{ policy accept; }"]
    return ["nft", "delete", "rule", *place, "handle", str(ref.handle)]


def _of_iptables(ref: RuleRef) -> list[str]:
    prefix = "ip6tables" if ref.family is Family.IPV6 else "iptables"
    start = [f"{prefix}-{ref.backend.removeprefix('iptables-')}", "-w", "-t", ref.table]
    if ref.position is None:
        return [*start, "-P", ref.chain, "ACCEPT"]
    return [*start, "-D", ref.chain, str(ref.position)]
