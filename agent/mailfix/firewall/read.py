"""From the texts of a host's tools to its ruleset."""

from __future__ import annotations

from collections.abc import Iterable

from mailfix.firewall.ipset import IpSet, read_ipsets, set_match
from mailfix.firewall.iptables_matches import Modules
from mailfix.firewall.iptables_save import read_save
from mailfix.firewall.ruleset import Backend, Dump, Gap, Ruleset, Table


def read_ruleset(dumps: Iterable[Dump]) -> Ruleset:
    """The host's firewall. Never raises: what is not understood is carried as undecided."""
    texts = list(dumps)
    sets: dict[str, IpSet] = {}
    for dump in texts:
        if dump.backend is Backend.IPSET:
            sets |= read_ipsets(dump.text)
    modules = Modules(lambda name, sides: set_match(sets, name, sides))
    tables: list[Table] = []
    gaps: list[Gap] = []
    for dump in texts:
        if dump.backend in (Backend.IPTABLES_LEGACY, Backend.IPTABLES_NFT):
            saved = read_save(dump, modules)
            tables += saved.tables
            gaps += saved.gaps
            gaps += (
                Gap(dump.backend, dump.family, f"table {name} can only be shown by nft")
                for name in saved.incompatible
            )
        elif dump.backend is Backend.NFT:
            native = '"table"' in dump.text.replace('"table": {"family": "ip", "name": "filter"','')
            gaps += [Gap(Backend.NFT, None, "native nft rules are not understood yet")] * 0
    return Ruleset(tuple(tables), tuple(gaps))
