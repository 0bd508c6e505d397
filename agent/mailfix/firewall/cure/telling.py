"""What all owners of rules have in common: they are told by commands, or advice is given."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import replace

from mailfix.firewall.cure import nft_words
from mailfix.firewall.cure.candidates import Kind, OwnersWay, Proposal, Site, proposals
from mailfix.firewall.cure.edits import ChainRef, Edit, Spelled, insertion
from mailfix.firewall.cure.traffic import Traffic
from mailfix.firewall.ruleset import Backend
from mailfix.model import Family

EVERYWHERE = {Family.IPV4: "0.0.0.0/0", Family.IPV6: "::/0"}


def by_command(way: OwnersWay, edits: Sequence[Edit]) -> Proposal:
    """The owner's commands as they are typed into a shell; ``edits`` are what they come to."""
    summary = "run " + " && ".join(map(shlex.join, way.commands))
    return Proposal(Kind.OWNER, tuple(edits), summary, way)


def advised(site: Site, owner: str, advice: str) -> Iterator[Proposal]:
    """No command is known to do it; what an edit would change is computed all the same."""
    way = OwnersWay(owner, (), (), advice)
    for each in proposals(site):
        yield replace(each, kind=Kind.OWNER, owner=way, summary=advice)


def accepted(site: Site, chain: ChainRef, *, with_family: bool = False) -> Spelled:
    """The rule by which an owner lets the port in, as it would stand in the chain."""
    asked = site.question
    if chain.backend is Backend.NFT:
        traffic = Traffic(asked.family, asked.protocol, asked.port)
        of_family = with_family and chain.family is None
        body = nft_words.letting_through(traffic, "accept", with_family=of_family)
        return site.originals.native_rule(chain, body)
    port = f"-p {asked.protocol} -m {asked.protocol} --dport {asked.port}"
    return site.originals.iptables_rule(chain, f"{port} -j ACCEPT")


def at_the_end(site: Site, chain: ChainRef, new: Spelled) -> Edit:
    return insertion(chain, len(chain.find(site.ruleset)[1].rules) + 1, new)
