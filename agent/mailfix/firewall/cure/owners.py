"""Programs that own rules: ufw, firewalld, CSF, docker, fail2ban.

What is changed beneath them is lost when they load their rules again. So each is told in its own
way; the rules that it then makes serve to compute what changes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum

from mailfix.firewall.cure import csf, firewalld, ufw
from mailfix.firewall.cure.candidates import Proposal, Site
from mailfix.firewall.cure.telling import advised
from mailfix.firewall.ruleset import Hook


class Owner(StrEnum):
    UFW = ufw.NAME
    FIREWALLD = firewalld.NAME
    CSF = csf.NAME
    DOCKER = "docker"
    FAIL2BAN = "fail2ban"


def owner_of(site: Site) -> Owner | None:
    """Whose the blocking rule or policy is; None for the administrator's own."""
    table, _ = site.place.find(site.ruleset)
    name, chains = site.place.chain, table.chains.keys()
    if name.startswith("f2b-") or table.name.startswith("f2b-"):
        return Owner.FAIL2BAN
    if firewalld.owns(site, table):
        return Owner.FIREWALLD
    if csf.owns(table):
        return Owner.CSF
    if name.startswith("DOCKER") or (site.fault.hook is Hook.FORWARD and "DOCKER" in chains):
        return Owner.DOCKER
    return Owner.UFW if ufw.owns(site, table) else None


def owners_proposals(site: Site, owner: Owner) -> Iterator[Proposal]:
    """What the owner can be told to do about the fault."""
    return _WAYS[owner](site)


def _docker(site: Site) -> Iterator[Proposal]:
    port = site.question.port
    yield from advised(site, Owner.DOCKER, f"publish port {port} of the container with docker")


def _nothing(site: Site) -> Iterator[Proposal]:
    yield from ()


_WAYS: Mapping[Owner, Callable[[Site], Iterator[Proposal]]] = {
    Owner.UFW: ufw.ways,
    Owner.FIREWALLD: firewalld.ways,
    Owner.CSF: csf.ways,
    Owner.DOCKER: _docker,
    Owner.FAIL2BAN: _nothing,
}
