"""firewalld is told by firewall-cmd(1), once for now and once for good.

Ports open in a zone's chain ``_allow``; before it come ``_pre`` and ``_deny``, with the rich rules
of a negative priority and those that refuse (firewalld.richlanguage(5)).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from mailfix.firewall.cure.calls import Calls
from mailfix.firewall.cure.candidates import OwnersWay, Proposal, Site
from mailfix.firewall.cure.edits import ChainRef, Edit
from mailfix.firewall.cure.telling import accepted, advised, at_the_end, by_command
from mailfix.firewall.question import Direction
from mailfix.firewall.ruleset import Backend, Table

NAME = "firewalld"
MAX_ZONES = 8
BEFORE_ALL = -100
"""The priority of a rich rule that comes before those that refuse."""

_ZONE = re.compile(r"(?:filter_)?IN_([\w-]+)")
_BUILT_IN = frozenset({"INPUT", "OUTPUT", "FORWARD"})
_DIRECT_CHAINS = frozenset(f"{each}_direct" for each in _BUILT_IN)

Words = tuple[str, ...]


def owns(site: Site, table: Table) -> bool:
    """Whether the rule is firewalld's, or may be: its direct rules are in the chains of iptables.

    They carry no mark; with nftables beneath, they stand in INPUT and OUTPUT themselves.
    """
    return table.name == "firewalld" or _has_zones(table) or _may_be_direct(site, table)


def ways(site: Site) -> Iterator[Proposal]:
    """What firewalld can be told: to open the port in the zone, before refusals if need be."""
    if site.fault.answer:
        return
    table, _ = site.place.find(site.ruleset)
    if _may_be_direct(site, table):
        yield from advised(site, NAME, _DIRECT.format(chain=site.place.chain))
    elif site.question.direction is Direction.IN:
        for zone, name in _zones(site):
            yield from _port_in_zone(site, zone, name)
        yield from advised(site, NAME, _REMOVE_RULE.format(port=site.question.port))


def _has_zones(table: Table) -> bool:
    return any(each.endswith("_ZONES") for each in table.chains)


def _may_be_direct(site: Site, table: Table) -> bool:
    if site.rule is None or table.backend is Backend.NFT:
        return False
    runs = any(
        each.backend is Backend.NFT and each.name == "firewalld" for each in site.ruleset.tables
    )
    return site.place.chain in _DIRECT_CHAINS or (
        runs and site.place.chain in _BUILT_IN and not _has_zones(table)
    )


_DIRECT = (
    'if "firewall-cmd --direct --get-all-rules" or /etc/firewalld/direct.xml tells the rule in '
    "{chain}, take it back with firewall-cmd --direct --remove-rule, with --permanent, too"
)
_REMOVE_RULE = (
    "take back the rule against port {port} where it was made: a rich rule (firewall-cmd "
    "--remove-rich-rule), a policy or a direct rule (firewall-cmd --direct --remove-rule)"
)


def _zones(site: Site) -> Iterator[tuple[str, str]]:
    """The zones and the names of their chains. The difference tells the right one."""
    zones: dict[str, str] = {}
    for table in site.ruleset.tables:
        if table.backend is site.place.backend and table.name == site.place.table:
            for name in _called_zones(Calls.of(table)):
                found = _ZONE.fullmatch(name)
                if found and f"{name}_allow" in table.chains:
                    zones.setdefault(found[1], name)
    yield from list(zones.items())[:MAX_ZONES]


def _called_zones(calls: Calls) -> list[str]:
    return [
        name
        for name, found in calls.by_callee.items()
        if any(call.caller.chain.endswith("INPUT_ZONES") for call in found)
    ]


def _port_in_zone(site: Site, zone: str, name: str) -> Iterator[Proposal]:
    """Open for both families, or by a rich rule for one; or by one before rules that refuse."""
    asked = site.question
    port = f'port port="{asked.port}" protocol="{asked.protocol}" accept'
    one = f'family="{asked.family}" {port}'
    first = f'priority="{BEFORE_ALL}"'
    allow, pre = (_chains(site, f"{name}_{part}") for part in ("allow", "pre"))
    yield from _told(site, zone, f"port={asked.port}/{asked.protocol}", _appended(site, allow))
    yield from _told(site, zone, f"rich-rule=rule {one}", _appended_for_one(site, allow))
    yield from _told(site, zone, f"rich-rule=rule {first} {port}", _appended(site, pre))
    yield from _told(site, zone, f"rich-rule=rule {first} {one}", _appended_for_one(site, pre))


def _chains(site: Site, name: str) -> list[ChainRef]:
    """The chain of that name in each of firewalld's tables."""
    return [
        ChainRef(table.backend, table.family, table.name, name)
        for table in site.ruleset.tables
        if table.backend is site.place.backend and table.name == site.place.table
        if name in table.chains
    ]


def _appended(site: Site, chains: Sequence[ChainRef]) -> list[Edit]:
    return [at_the_end(site, each, accepted(site, each)) for each in chains]


def _appended_for_one(site: Site, chains: Sequence[ChainRef]) -> list[Edit]:
    own = [each for each in chains if each.family in (None, site.question.family)]
    return [at_the_end(site, each, accepted(site, each, with_family=True)) for each in own]


def _told(site: Site, zone: str, option: str, edits: Sequence[Edit]) -> Iterator[Proposal]:
    if edits:
        file = f"/etc/firewalld/zones/{zone}.xml"
        adding = _now_and_for_good(zone, "add", option)
        removing = _now_and_for_good(zone, "remove", option)
        yield by_command(OwnersWay(NAME, adding, removing, files=(file, f"{file}.old")), edits)


def _now_and_for_good(zone: str, deed: str, option: str) -> tuple[Words, Words]:
    told = (f"--zone={zone}", f"--{deed}-{option}")
    return ("firewall-cmd", "--permanent", *told), ("firewall-cmd", *told)
