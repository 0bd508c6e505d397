"""Programs that own rules: ufw, firewalld, CSF, docker, fail2ban.

What is changed beneath them is lost when they load their rules again. So each is told in its own
way; the rules that it then makes serve to compute what changes. ufw(8), firewall-cmd(1), and the
readme of CSF.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from enum import StrEnum

from mailfix.firewall.cure import nft_words
from mailfix.firewall.cure.calls import Calls
from mailfix.firewall.cure.candidates import Kind, OwnersWay, Proposal, Site, proposals
from mailfix.firewall.cure.edits import ChainRef, Edit, deletion, insertion
from mailfix.firewall.cure.traffic import Traffic
from mailfix.firewall.question import Direction
from mailfix.firewall.ruleset import Backend, Hook
from mailfix.model import Family

MAX_ZONES = 8

_UFW_CHAIN = re.compile(r"ufw6?-")
_ZONE = re.compile(r"(?:filter_)?IN_(.+)")
_CSF_CHAINS = frozenset({"LOCALINPUT", "LOCALOUTPUT", "LOGDROPIN", "LOGDROPOUT"})
_EVERYWHERE = {Family.IPV4: "0.0.0.0/0", Family.IPV6: "::/0"}


class Owner(StrEnum):
    UFW = "ufw"
    FIREWALLD = "firewalld"
    CSF = "CSF"
    DOCKER = "docker"
    FAIL2BAN = "fail2ban"


def owner_of(site: Site) -> Owner | None:
    """Whose the blocking rule or policy is; None for the administrator's own."""
    table, _ = site.place.find(site.ruleset)
    name, chains = site.place.chain, table.chains.keys()
    if name.startswith("f2b-") or table.name.startswith("f2b-"):
        return Owner.FAIL2BAN
    if table.name == "firewalld" or any(each.endswith("_ZONES") for each in chains):
        return Owner.FIREWALLD
    if len(_CSF_CHAINS & chains) > 1:
        return Owner.CSF
    if name.startswith("DOCKER") or (site.fault.hook is Hook.FORWARD and "DOCKER" in chains):
        return Owner.DOCKER
    policy_of_ufw = site.rule is None and any(map(_UFW_CHAIN.match, chains))
    return Owner.UFW if _UFW_CHAIN.match(name) or policy_of_ufw else None


def owners_proposals(site: Site, owner: Owner) -> Iterator[Proposal]:
    """What the owner can be told to do about the fault."""
    return _WAYS[owner](site)


def _advised(owner: Owner, text: str) -> Callable[[Site], Iterator[Proposal]]:
    """No command does it; what an edit would change is computed all the same."""

    def propose(site: Site) -> Iterator[Proposal]:
        advice = text.format(port=site.question.port, setting=_csf_setting(site))
        for each in proposals(site):
            yield replace(
                each, kind=Kind.OWNER, owner=OwnersWay(owner, (), (), advice), summary=advice
            )

    return propose


def _csf_setting(site: Site) -> str:
    six = "6" if site.question.family is Family.IPV6 else ""
    return f"{site.question.protocol.upper()}{six}_{site.question.direction.upper()}"


def _nothing(site: Site) -> Iterator[Proposal]:
    yield from ()


def _ufw(site: Site) -> Iterator[Proposal]:
    if site.fault.answer:
        return
    chains = _user_chains_of_ufw(site)
    if site.place in chains:
        yield from _denied_by_ufw(site, chains)
        return
    asked = site.question
    out = ("out",) if asked.direction is Direction.OUT else ()
    service = f"{asked.port}/{asked.protocol}"
    target = (*("proto", asked.protocol, "from", "any", "to", _EVERYWHERE[asked.family], "port"),)
    for words, told in (
        ((*out, service), chains),
        ((*out, *target, str(asked.port)), [each for each in chains if _is_asked(site, each)]),
    ):
        edits = _appended(site, told)
        if edits:
            yield _by_command(
                Owner.UFW, [("ufw", "allow", *words)], [("ufw", "delete", "allow", *words)], edits
            )


def _user_chains_of_ufw(site: Site) -> list[ChainRef]:
    """Where the rules are that ``ufw allow`` makes, for each family."""
    way = "output" if site.question.direction is Direction.OUT else "input"
    names = {Family.IPV4: f"ufw-user-{way}", Family.IPV6: f"ufw6-user-{way}"}
    return [
        ChainRef(table.backend, table.family, table.name, names[table.family])
        for table in site.ruleset.tables
        if table.name == "filter" and table.backend is site.place.backend
        if table.family is not None and names[table.family] in table.chains
    ]


def _is_asked(site: Site, chain: ChainRef) -> bool:
    return chain.family is site.question.family


_DENIALS: Mapping[str, str] = {"DROP": "deny", "REJECT": "reject"}


def _denied_by_ufw(site: Site, chains: Sequence[ChainRef]) -> Iterator[Proposal]:
    """A rule of the user's own is taken back, in both families, as ufw does."""
    asked = site.question
    out = ("out",) if asked.direction is Direction.OUT else ()
    options = f" -p {asked.protocol} -m {asked.protocol} --dport {asked.port} -j "
    for target, verb in _DENIALS.items():
        edits: list[Edit] = []
        for chain in chains:
            rules = chain.find(site.ruleset)[1].rules
            line = f"-A {chain.chain}{options}{target}"
            found = [rule for rule in rules if rule.text.startswith(line)]
            edits += (deletion(chain, site.originals.spelled(chain, rule)) for rule in found[:1])
        if site.rule is not None and edits and options + target in site.rule.text:
            words = (verb, *out, f"{asked.port}/{asked.protocol}")
            back = ("ufw", "insert", str(site.rule.position), *words)
            yield _by_command(Owner.UFW, [("ufw", "delete", *words)], [back], edits)


def _by_command(
    owner: Owner,
    commands: Sequence[tuple[str, ...]],
    undo: Sequence[tuple[str, ...]],
    edits: Sequence[Edit],
) -> Proposal:
    summary = "run " + " and ".join(" ".join(each) for each in commands)
    way = OwnersWay(owner, tuple(commands), tuple(undo))
    return Proposal(Kind.OWNER, tuple(edits), summary, way)


def _appended(site: Site, chains: Sequence[ChainRef], *, with_family: bool = False) -> list[Edit]:
    """The accept that an owner appends to each of its chains."""
    asked = site.question
    edits: list[Edit] = []
    for chain in chains:
        end = len(chain.find(site.ruleset)[1].rules) + 1
        if chain.backend is Backend.NFT:
            traffic = Traffic(asked.family, asked.protocol, asked.port)
            of_family = with_family and chain.family is None
            body = nft_words.letting_through(traffic, "accept", with_family=of_family)
            rule = site.originals.native_rule(chain, body)
        else:
            port = f"-p {asked.protocol} -m {asked.protocol} --dport {asked.port}"
            rule = site.originals.iptables_rule(chain, f"{port} -j ACCEPT")
        edits.append(insertion(chain, end, rule))
    return edits


def _firewalld(site: Site) -> Iterator[Proposal]:
    if site.question.direction is Direction.OUT or site.fault.answer:
        return
    if "direct" in site.place.chain or site.place.chain.endswith(("_deny", "_pre")):
        yield from _advised(Owner.FIREWALLD, _REMOVE_RULE)(site)
        return
    for zone, chains in _zones(site):
        yield from _port_in_zone(site, zone, chains)


_REMOVE_RULE = (
    "take back the rule against port {port} where it was made: a rich rule (firewall-cmd "
    "--remove-rich-rule) or a direct one (firewall-cmd --direct --remove-rule)"
)


def _zones(site: Site) -> Iterator[tuple[str, list[ChainRef]]]:
    """The zones and the chains that their open ports are in. The difference tells the right one."""
    zones: dict[str, list[ChainRef]] = {}
    for table in site.ruleset.tables:
        if table.backend is site.place.backend and table.name == site.place.table:
            for name in _called_zones(Calls.of(table)):
                found = _ZONE.fullmatch(name)
                if found and f"{name}_allow" in table.chains:
                    chain = ChainRef(table.backend, table.family, table.name, f"{name}_allow")
                    zones.setdefault(found[1], []).append(chain)
    yield from list(zones.items())[:MAX_ZONES]


def _called_zones(calls: Calls) -> list[str]:
    return [
        name
        for name, found in calls.by_callee.items()
        if any(call.caller.chain.endswith("INPUT_ZONES") for call in found)
    ]


def _port_in_zone(site: Site, zone: str, chains: Sequence[ChainRef]) -> Iterator[Proposal]:
    """Open for both families, or by a rich rule for one."""
    asked = site.question
    rich = (
        f'rule family="{asked.family}" port port="{asked.port}" protocol="{asked.protocol}" accept'
    )
    own = [each for each in chains if each.family in (None, asked.family)]
    for option, value, edits in (
        ("port", f"{asked.port}/{asked.protocol}", _appended(site, chains)),
        ("rich-rule", rich, _appended(site, own, with_family=True)),
    ):
        adding, removing = f"--add-{option}={value}", f"--remove-{option}={value}"
        commands = _permanent_and_now(zone, adding)
        yield _by_command(Owner.FIREWALLD, commands, _permanent_and_now(zone, removing), edits)


def _permanent_and_now(zone: str, option: str) -> list[tuple[str, ...]]:
    now = ("firewall-cmd", f"--zone={zone}", option)
    return [(now[0], "--permanent", *now[1:]), now]


_WAYS: Mapping[Owner, Callable[[Site], Iterator[Proposal]]] = {
    Owner.UFW: _ufw,
    Owner.FIREWALLD: _firewalld,
    Owner.CSF: _advised(Owner.CSF, "add {port} to {setting} in /etc/csf/csf.conf, then run csf -r"),
    Owner.DOCKER: _advised(Owner.DOCKER, "publish port {port} of the container with docker"),
    Owner.FAIL2BAN: _nothing,
}
