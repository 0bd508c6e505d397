"""The question that a finding about the firewall asks, as the audit asked it."""

from __future__ import annotations

from collections.abc import Iterator

from mailfix.facts import Facts, Flow, MailUser
from mailfix.firewall import Direction, Question
from mailfix.host import Host
from mailfix.model import Fact, Family, Finding, Known, Unknown
from mailfix.probes.firewall import endpoints, question

OUTBOUND_RULES = frozenset({"firewall-outbound-blocked"})


def asked_by(finding: Finding, facts: Facts, host: Host) -> Fact[Question]:
    """The finding's subject has ``port`` and ``family``; Unknown where the host's way is not."""
    out = finding.rule in OUTBOUND_RULES
    direction = Direction.OUT if out else Direction.IN
    family = Family(str(finding.subject["family"]))
    return _question(facts, host, direction, family, int(finding.subject["port"]))


def _question(
    facts: Facts, host: Host, direction: Direction, family: Family, port: int
) -> Fact[Question]:
    if isinstance(facts.addresses, Unknown):
        return facts.addresses
    between = endpoints(host, family, facts.outgoing.of(family), facts.addresses.value)
    if isinstance(between, Unknown):
        return between
    if between.value is None:
        return Unknown(f"this host has no way to the Internet over {family.label}")
    user = _user(facts) if direction is Direction.OUT else None
    return Known(question(between.value, direction, port, user))


def _user(facts: Facts) -> MailUser | None:
    mta = facts.mta.value if isinstance(facts.mta, Known) else None
    user = mta.user if mta is not None else None
    return user.value if isinstance(user, Known) else None


def asked_besides(asked: Question, facts: Facts, host: Host) -> Iterator[Question]:
    """The same of the other family, where that is blocked and used, too: one rule may do both."""
    for family in Family:
        if family is not asked.family and _is_blocked(facts, asked, family):
            other = _question(facts, host, asked.direction, family, asked.port)
            if isinstance(other, Known) and _is_used(facts, other.value):
                yield other.value


def _is_blocked(facts: Facts, asked: Question, family: Family) -> bool:
    verdicts = facts.firewall.of(family)
    flow = Flow(asked.direction.value)
    return isinstance(verdicts, Known) and any(
        (each.flow, each.port) == (flow, asked.port)
        and any(not blocker.ban for blocker in each.blockers)
        for each in verdicts.value
    )


def _is_used(facts: Facts, asked: Question) -> bool:
    if asked.direction is Direction.OUT:
        mta = facts.mta.value if isinstance(facts.mta, Known) else None
        return mta is not None and (asked.family is Family.IPV4 or mta.speaks_ipv6)
    found = facts.listeners.value if isinstance(facts.listeners, Known) else ()
    return any(each.port == asked.port and asked.family in each.families for each in found)
