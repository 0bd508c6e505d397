"""The firewall as the backends in use tell it, and the engine's verdict on each mail port."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, replace

from mailfix.facts import (
    MAIL_PORTS,
    Arrival,
    Blocker,
    Doubt,
    Flow,
    MailUser,
    Outgoing,
    PortVerdict,
)
from mailfix.firewall import (
    Backend,
    Direction,
    Dump,
    Question,
    RuleRef,
    Ruleset,
    Verdict,
    judge,
    read_ruleset,
)
from mailfix.host import Deadline, Host, netlink
from mailfix.model import Fact, Family, Known, Unknown

LEGACY_TABLES = {
    Family.IPV4: "/proc/net/ip_tables_names",
    Family.IPV6: "/proc/net/ip6_tables_names",
}
SAVE = {
    (Backend.IPTABLES_NFT, Family.IPV4): "iptables-nft-save",
    (Backend.IPTABLES_NFT, Family.IPV6): "ip6tables-nft-save",
    (Backend.IPTABLES_LEGACY, Family.IPV4): "iptables-legacy-save",
    (Backend.IPTABLES_LEGACY, Family.IPV6): "ip6tables-legacy-save",
}
UNUSED_PORT = 9
OUT_PORTS = (25,)
PATIENCE_S = 8.0
LAST_MOMENT_S = 3.0


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Between what the packets of a family travel on this host."""

    family: Family
    leaving: Outgoing
    own_addresses: tuple[str, ...]


async def read(host: Host) -> Fact[Ruleset]:
    """Return the rules of every backend that is in use."""
    dumps = await read_dumps(host)
    return dumps if isinstance(dumps, Unknown) else Known(read_ruleset(dumps.value))


async def read_dumps(host: Host) -> Fact[tuple[Dump, ...]]:
    """Return the text of every backend that is in use; creates no table by looking.

    Unknown where a backend is in use that cannot be read: its rules could block anything.
    """
    if not host.is_root:
        return Unknown("reading the firewall needs root")
    legacy, nft = await asyncio.gather(_legacy(host), _nft(host))
    for part in (legacy, nft):
        if isinstance(part, Unknown):
            return part
    assert isinstance(legacy, Known)
    assert isinstance(nft, Known)
    dumps = (*legacy.value, *nft.value)
    if not any("--match-set" in dump.text or "--add-set" in dump.text for dump in dumps):
        return Known(dumps)
    sets = await host.run("ipset", "save", timeout_s=PATIENCE_S)
    if isinstance(sets, Known) and sets.value.code == 0:
        return Known((*dumps, Dump(Backend.IPSET, None, sets.value.stdout)))
    return Known(dumps)


async def _legacy(host: Host) -> Fact[tuple[Dump, ...]]:
    dumps: list[Dump] = []
    for family, names in LEGACY_TABLES.items():
        tables = host.read(names)
        if isinstance(tables, Unknown):
            return tables
        if (tables.value or "").strip():
            dump = await _saved(host, Backend.IPTABLES_LEGACY, family)
            if isinstance(dump, Unknown):
                return dump
            dumps.append(dump.value)
    return Known(tuple(dumps))


async def _nft(host: Host) -> Fact[tuple[Dump, ...]]:
    """Native tables come from nft, those of iptables-nft from the save text (see ``read``)."""
    if not host.has_program("nft"):
        return await _nft_without_its_tool(host)
    told, ipv4, ipv6 = await asyncio.gather(
        host.run("nft", "-j", "list", "ruleset", timeout_s=PATIENCE_S),
        _saved(host, Backend.IPTABLES_NFT, Family.IPV4),
        _saved(host, Backend.IPTABLES_NFT, Family.IPV6),
    )
    if isinstance(told, Unknown):
        return told
    if told.value.code != 0:
        return Unknown(f"nft cannot list its rules: {told.value.complaint}")
    native = Dump(Backend.NFT, None, told.value.stdout)
    if not has_tables(told.value.stdout):
        return Known((native,))
    return Known((native, *(dump.value for dump in (ipv4, ipv6) if isinstance(dump, Known))))


async def _nft_without_its_tool(host: Host) -> Fact[tuple[Dump, ...]]:
    tables = netlink.nft_tables()
    if isinstance(tables, Unknown):
        return tables
    if not tables.value:
        return Known(())
    return Unknown(
        f"the kernel has nftables rules ({', '.join(tables.value[:5])}), but nft is not installed: "
        "apt install nftables"
    )


async def _saved(host: Host, backend: Backend, family: Family) -> Fact[Dump]:
    program = SAVE[backend, family]
    told = await host.run(program, timeout_s=PATIENCE_S)
    if isinstance(told, Unknown):
        return told
    if told.value.code != 0:
        return Unknown(f"{program} failed: {told.value.complaint}")
    return Known(Dump(backend, family, told.value.stdout))


def has_tables(listing: str) -> bool:
    """Tell whether ``nft -j list ruleset`` lists any table (libnftables-json(5))."""
    try:
        entries = json.loads(listing).get("nftables", [])
    except (ValueError, AttributeError, RecursionError):
        return True
    if not isinstance(entries, list):
        return True
    return any(isinstance(entry, dict) and "table" in entry for entry in entries)


async def verdicts(
    ruleset: Ruleset, endpoints: Endpoints, user: Fact[MailUser], deadline: Deadline
) -> Fact[tuple[PortVerdict, ...]]:
    """Judge tcp/25 out as the mail user, and every mail port in, as far as the time allows."""
    sender = user.value if isinstance(user, Known) else None
    questions = [_question(endpoints, Direction.OUT, port, sender) for port in OUT_PORTS]
    questions += [_question(endpoints, Direction.IN, port) for port in MAIL_PORTS]
    judged = []
    for question in questions:
        await asyncio.sleep(0)
        in_time = deadline.within(LAST_MOMENT_S) == LAST_MOMENT_S
        judged.append(_judged(ruleset, question) if in_time else _not_judged(question))
    return Known(tuple(judged))


def _judged(ruleset: Ruleset, question: Question) -> PortVerdict:
    verdict = judge(ruleset, question)
    if not verdict.faults:
        return _told(verdict, frozenset())
    unused = judge(ruleset, replace(question, port=UNUSED_PORT))
    return _told(verdict, frozenset(blocked.rule for blocked in unused.faults))


def _not_judged(question: Question) -> PortVerdict:
    doubt = Doubt("there are too many rules to judge them in the time that an audit may take", 1.0)
    return PortVerdict(
        flow=Flow(question.direction.value),
        family=question.family,
        port=question.port,
        passes=0.0,
        doubts=(doubt,),
        local_address=question.local_address,
    )


def _question(
    endpoints: Endpoints, direction: Direction, port: int, user: MailUser | None = None
) -> Question:
    return Question(
        direction=direction,
        family=endpoints.family,
        port=port,
        interface=endpoints.leaving.interface,
        local_address=endpoints.leaving.source,
        uid=user.uid if user else None,
        gid=user.gid if user else None,
        own_addresses=endpoints.own_addresses,
    )


def _told(verdict: Verdict, general: frozenset[RuleRef]) -> PortVerdict:
    question = verdict.question
    return PortVerdict(
        flow=Flow(question.direction.value),
        family=question.family,
        port=question.port,
        passes=verdict.passed_share,
        blockers=tuple(
            Blocker(
                rule=blocked.rule.describe(),
                share=blocked.share,
                action=blocked.action,
                ban=blocked.is_ban,
                general=blocked.rule in general,
                answer=blocked.answer,
            )
            for blocked in verdict.blocked
        ),
        doubts=tuple(
            Doubt(_doubt(undecided.reason, undecided.rule), undecided.share)
            for undecided in verdict.undecided
        ),
        local_address=question.local_address,
        arrivals=tuple(
            Arrival(each.port, each.share, each.rule.describe())
            for each in verdict.arrivals
            if each.is_broad
        ),
    )


def _doubt(reason: str, rule: RuleRef | None) -> str:
    return f"{reason} ({rule.describe()})" if rule else reason
