"""ufw is told by its command line, ufw(8). Its rules are in /etc/ufw/user.rules and user6.rules.

A rule that asks for the same packets as a known one does not come beside it: ``allow`` turns a
known ``deny`` into an ``allow`` where it stands, ``insert`` and ``prepend`` leave it as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice, pairwise

from mailfix.firewall.cure.candidates import OwnersWay, Proposal, Site
from mailfix.firewall.cure.difference import local_address_of
from mailfix.firewall.cure.edits import ChainRef, Edit, Spelled, deletion, insertion, replacement
from mailfix.firewall.cure.telling import EVERYWHERE, accepted, advised, at_the_end, by_command
from mailfix.firewall.judging import judge
from mailfix.firewall.question import Direction
from mailfix.firewall.ruleset import Rule, Table
from mailfix.model import Family

NAME = "ufw"
FILES = ("/etc/ufw/user.rules", "/etc/ufw/user6.rules")
RELOAD = ("ufw", "reload")

_CHAIN = re.compile(r"ufw6?-")
_FIXED_CHAIN = re.compile(r"ufw6?-(before|after)-")
_DENIALS: Mapping[str, str] = {"DROP": "deny", "REJECT": "reject"}
_PROFILE = re.compile(r"dapp_(\w[\w%. +-]*)")
_PART_OF_A_RULE = re.compile(r"-j ufw6?-user-(logging-\w+|limit)$|-m recent --set .*--rsource$")
"""Lines that come before the one that decides: of ``log`` and of ``limit``."""

Words = tuple[str, ...]


def owns(site: Site, table: Table) -> bool:
    """Whether the rule is in a chain of ufw's, or the policy is of a table with such chains."""
    by_policy = site.rule is None and any(map(_CHAIN.match, table.chains))
    return by_policy or _CHAIN.match(site.place.chain) is not None


def ways(site: Site) -> Iterator[Proposal]:
    """What ufw can be told: to take a denial back, or to allow the port before it or at the end."""
    if site.fault.answer:
        return
    chains = _user_chains(site)
    if site.place in chains:
        yield from _denial_taken_back(site, chains)
        yield from _allowed_first(site, chains)
        yield from _allowed_before(site, chains)
        yield from advised(site, NAME, _DELETE.format(port=site.question.port))
    elif _FIXED_CHAIN.match(site.place.chain):
        place = f"a file of /etc/ufw/*.rules that holds {site.place.chain}"
        yield from advised(site, NAME, f"change the rule in {place}, then run ufw reload")
    else:
        for words, told in _both_or_one(site, chains, _service(site), _ports(site)):
            edits = [at_the_end(site, each, accepted(site, each)) for each in told]
            yield from _allowed(site, ("allow",), words, edits, told)


_DELETE = "delete or move the rule that has port {port}: ufw status numbered, ufw delete NUMBER"


def _user_chains(site: Site) -> list[ChainRef]:
    """Where the rules are that the administrator makes with ufw, for each family."""
    way = "output" if site.question.direction is Direction.OUT else "input"
    names = {Family.IPV4: f"ufw-user-{way}", Family.IPV6: f"ufw6-user-{way}"}
    return [
        ChainRef(table.backend, table.family, table.name, names[table.family])
        for table in site.ruleset.tables
        if table.name == "filter" and table.backend is site.place.backend
        if table.family is not None and names[table.family] in table.chains
    ]


def _both_or_one(
    site: Site, chains: Sequence[ChainRef], both: Words, one: Words
) -> Iterator[tuple[Words, list[ChainRef]]]:
    """A rule in words for both families, and in words for the one that was asked about."""
    yield both, list(chains)
    yield one, [each for each in chains if each.family is site.question.family]


def _service(site: Site) -> Words:
    return (*_direction(site), f"{site.question.port}/{site.question.protocol}")


def _ports(site: Site) -> Words:
    asked = site.question
    port = ("port", str(asked.port))
    return (*_direction(site), "proto", asked.protocol, *_to(site), *port)


def _to(site: Site) -> Words:
    return ("from", "any", "to", EVERYWHERE[site.question.family])


def _direction(site: Site) -> Words:
    return ("out",) if site.question.direction is Direction.OUT else ()


def _rules(site: Site, chain: ChainRef) -> tuple[Rule, ...]:
    return chain.find(site.ruleset)[1].rules


def _allowed(
    site: Site, verb: Words, words: Words, edits: Sequence[Edit], told: Sequence[ChainRef]
) -> Iterator[Proposal]:
    """``verb`` with what it takes back, unless ufw would change a known rule instead."""
    if not edits or any(_is_known(site, each) for each in told):
        return
    yield by_command(_way((*verb, *words), ("delete", "allow", *words)), edits)


def _is_known(site: Site, chain: ChainRef) -> bool:
    """Whether there is a rule about just these packets, whatever it does with them."""
    start = _opening(site, chain)
    return any(
        each.text.startswith(start) and not _of_profile(each) for each in _rules(site, chain)
    )


def _denial_taken_back(site: Site, chains: Sequence[ChainRef]) -> Iterator[Proposal]:
    """The rule is deleted by its words, or turned into an allowance where it stands.

    What is deleted comes back by the files: ufw cannot always add it at its old place.
    """
    found = None if site.rule is None else _denial(site, site.rule)
    if found is None:
        return
    verb, both, one = found
    forms = [
        (words, told, _denials(site, told)) for words, told in _both_or_one(site, chains, both, one)
    ]
    known = [each for each in forms if len(each[2]) == len(each[1])]
    for words, _, denials in known:
        edits: list[Edit] = [deletion(chain, rule) for chain, rule in denials]
        yield by_command(_way(("delete", verb, *words)), edits)
    for words, _, denials in known:
        edits = [replacement(chain, rule, accepted(site, chain)) for chain, rule in denials]
        yield by_command(_way(("allow", *words), (verb, *words)), edits)


def _way(told: Words, undo: Words = ()) -> OwnersWay:
    taking_back = (("ufw", *undo),) if undo else ()
    return OwnersWay(NAME, (("ufw", *told),), taking_back, files=FILES, reload=RELOAD)


def _denial(site: Site, rule: Rule) -> tuple[str, Words, Words] | None:
    """Its verb, and the words for it in both families and in one."""
    verb = next((verb for target, verb in _DENIALS.items() if f" -j {target}" in rule.text), None)
    if verb is None or not _stands_alone(site, rule):
        return None
    profile = _PROFILE.search(rule.text)
    if profile:
        if "sapp_" in rule.text or _lines_of(site, profile[0]) > 1:
            return None
        name = profile[1].replace("%20", " ")
        return verb, (*_direction(site), name), (*_direction(site), *_to(site), "app", name)
    plain = f"{_opening(site, site.place)}-j "
    return (verb, _service(site), _ports(site)) if rule.text.startswith(plain) else None


def _lines_of(site: Site, profile: str) -> int:
    """How many lines of the chain may be of one profile's rule."""
    return sum(profile in each.text for each in _rules(site, site.place))


def _stands_alone(site: Site, rule: Rule) -> bool:
    """Whether the line is all of ufw's rule: without one that logs, or one for UDP."""
    beside = _rules(site, site.place)[max(rule.position - 2, 0) : rule.position + 1]
    logged = any(_PART_OF_A_RULE.search(each.text) for each in beside[: beside.index(rule)])
    for_both = any(map(_may_be_one, pairwise(beside)))
    return rule.text.startswith(_opening(site, site.place)) and not (logged or for_both)


def _opening(site: Site, chain: ChainRef) -> str:
    asked = site.question
    return f"-A {chain.chain} -p {asked.protocol} -m {asked.protocol} --dport {asked.port} "


def _denials(site: Site, chains: Sequence[ChainRef]) -> list[tuple[ChainRef, Spelled]]:
    """The first rule of each chain that reads like the one that blocks."""
    if site.rule is None:
        return []
    wanted = _without_refusal(site.rule.text.removeprefix(f"-A {site.place.chain} "))
    found = []
    for chain in chains:
        like_it = (
            rule
            for rule in _rules(site, chain)
            if _without_refusal(rule.text.removeprefix(f"-A {chain.chain} ")) == wanted
        )
        found += [(chain, site.originals.spelled(chain, rule)) for rule in islice(like_it, 1)]
    return found


def _without_refusal(text: str) -> str:
    """Without the answer of REJECT, which is another one in each family."""
    return text.partition(" --reject-with ")[0]


def _allowed_first(site: Site, chains: Sequence[ChainRef]) -> Iterator[Proposal]:
    for words, told in _both_or_one(site, chains, _service(site), _ports(site)):
        edits = [insertion(each, 1, accepted(site, each)) for each in told]
        yield from _allowed(site, ("prepend", "allow"), words, edits, told)


def _allowed_before(site: Site, chains: Sequence[ChainRef]) -> Iterator[Proposal]:
    """Right before the rule, where its number is certain."""
    number = _number(site, chains)
    if number is None or site.rule is None:
        return
    edits = [insertion(site.place, site.rule.position, accepted(site, site.place))]
    verb = ("insert", str(number), "allow")
    yield from _allowed(site, verb, _ports(site), edits, [site.place])


def _number(site: Site, chains: Sequence[ChainRef]) -> int | None:
    """The rule's number as ``ufw status numbered`` tells it; None where the chains do not show it.

    Rules in, out and on are numbered together, those of IPv6 after those of IPv4: while IPv4 waits
    for its own cure, the numbers of IPv6 are about to change.
    """
    if site.rule is None or any(_rules(site, each) for each in _other_chains(site)):
        return None
    before = list(_rules(site, site.place)[: site.rule.position - 1])
    if site.place.family is Family.IPV6:
        if _is_blocked_over_ipv4(site):
            return None
        before += [
            rule for chain in chains if chain.family is Family.IPV4 for rule in _rules(site, chain)
        ]
    if any(map(_may_be_one, pairwise(before))) or any(map(_of_profile, before)):
        return None
    return 1 + sum(not _PART_OF_A_RULE.search(rule.text) for rule in before)


def _is_blocked_over_ipv4(site: Site) -> bool:
    asked = site.question
    own = local_address_of(asked, Family.IPV4)
    question = replace(asked, family=Family.IPV4, local_address=own, far=None)
    return bool(judge(site.ruleset, question).faults)


def _other_chains(site: Site) -> Iterator[ChainRef]:
    mine = {each.chain for each in _user_chains(site)}
    for table in site.ruleset.tables:
        if table.name == "filter" and table.backend is site.place.backend:
            for name in table.chains:
                if re.fullmatch(r"ufw6?-user-(input|output|forward)", name) and name not in mine:
                    yield ChainRef(table.backend, table.family, table.name, name)


def _may_be_one(pair: tuple[Rule, Rule]) -> bool:
    """Whether it may be one rule for TCP and UDP, of which two lines are made."""
    first, second = (each.text for each in pair)
    return "tcp" in first and first.replace("tcp", "udp") == second


def _of_profile(rule: Rule) -> bool:
    """Whether a profile of applications made it, of which one rule may be several lines."""
    return _PROFILE.search(rule.text) is not None
