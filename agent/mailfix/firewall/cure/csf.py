"""CSF is told by its settings in csf.conf, of which ``csf -r`` makes its rules anew (readme.txt).

That loads whatever else has changed in /etc/csf since, and drops what others have put beside
CSF's rules: no program should do it by itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from mailfix.firewall.cure.candidates import Kind, ListedSetting, OwnersWay, Proposal, Site
from mailfix.firewall.cure.edits import Edit, insertion
from mailfix.firewall.cure.telling import advised
from mailfix.firewall.question import Direction
from mailfix.firewall.ruleset import Table
from mailfix.model import Family

NAME = "CSF"
CONFIG = "/etc/csf/csf.conf"
RELOAD = ("csf", "-r")

_CHAINS = frozenset({"LOCALINPUT", "LOCALOUTPUT", "LOGDROPIN", "LOGDROPOUT"})
_OF_USERS = "SMTPOUTPUT"
_OF_BANS = frozenset({"DENYIN", "DENYOUT"})
_PORTS = re.compile(r"--dports ([\d,:]+)")


def owns(table: Table) -> bool:
    """Whether the table is CSF's: it makes all of it."""
    return len(_CHAINS & table.chains.keys()) > 1


def ways(site: Site) -> Iterator[Proposal]:
    """The port among those that CSF opens, or the mail server's user among those who may send."""
    if site.fault.answer:
        return
    yield from _port_listed(site)
    of_users = list(_user_listed(site))
    yield from of_users
    if not of_users:
        file = "csf.deny" if site.place.chain in _OF_BANS else "csf.conf"
        advice = f"change what closes port {site.question.port} in /etc/csf/{file}, then run csf -r"
        yield from advised(site, NAME, advice)


def _port_listed(site: Site) -> Iterator[Proposal]:
    asked = site.question
    six = "6" if asked.family is Family.IPV6 else ""
    name = f"{asked.protocol.upper()}{six}_{asked.direction.upper()}"
    advice = f"add {asked.port} to {name} in {CONFIG}, then run csf -r"
    setting = ListedSetting(CONFIG, name, str(asked.port))
    way = OwnersWay(NAME, (RELOAD,), (), advice, (CONFIG,), RELOAD, (setting,))
    for state in ("-m conntrack --ctstate NEW ", ""):
        for edit in _before_the_last(site, state):
            yield Proposal(Kind.OWNER, (edit,), advice, way)


def _before_the_last(site: Site, state: str) -> Iterator[Edit]:
    """Where CSF accepts ports: before the last rule, which drops everything else.

    It asks for the ``state`` unless its setting LF_SPI turns that off.
    """
    asked = site.question
    base, side = ("OUTPUT", "-o") if asked.direction is Direction.OUT else ("INPUT", "-i")
    table, _ = site.place.find(site.ruleset)
    if base in table.chains:
        chain = replace(site.place, chain=base)
        port = f"-p {asked.protocol} {state}-m {asked.protocol} --dport {asked.port}"
        rule = site.originals.iptables_rule(chain, f"! {side} lo {port} -j ACCEPT")
        yield insertion(chain, max(1, len(table.chains[base].rules)), rule)


def _user_listed(site: Site) -> Iterator[Proposal]:
    """SMTP_BLOCK refuses the mail ports to all users but those of SMTP_ALLOWUSER."""
    table, _ = site.place.find(site.ruleset)
    uid = site.question.uid
    if _OF_USERS not in table.chains or site.question.direction is Direction.IN or uid is None:
        return
    ports = next(filter(None, (_PORTS.search(r.text) for r in table.chains[_OF_USERS].rules)), None)
    if ports:
        chain = replace(site.place, chain=_OF_USERS)
        words = f"-p tcp -m multiport --dports {ports[1]} -m owner --uid-owner {uid} -j ACCEPT"
        edit = insertion(chain, 1, site.originals.iptables_rule(chain, words))
        advice = f"add the user with the uid {uid} to SMTP_ALLOWUSER in {CONFIG}, then run csf -r"
        way = OwnersWay(NAME, (), (), advice, (CONFIG,), RELOAD)
        yield Proposal(Kind.OWNER, (edit,), advice, way)
