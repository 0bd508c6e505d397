"""The firewall as the backends in use tell it, and the engine's verdict on each mail port."""

from __future__ import annotations

import asyncio
import ipaddress
import json
from collections.abc import Iterable
from dataclasses import dataclass, replace

from mailfix.facts import (
    MAIL_PORTS,
    Arrival,
    Blocker,
    Doubt,
    Flow,
    HostAddress,
    MailUser,
    Outgoing,
    PortVerdict,
)
from mailfix.firewall import (
    AddressSet,
    Backend,
    Blocked,
    Direction,
    Dump,
    Network,
    Question,
    RuleRef,
    Ruleset,
    Verdict,
    judge,
    read_ruleset,
)
from mailfix.host import Deadline, Host, netlink, routes
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
OUT_PORTS = (25, 465, 587)
DNS_PORT = 53
ASKED = frozenset({*MAIL_PORTS, *OUT_PORTS, DNS_PORT, UNUSED_PORT})
FORWARDING = {
    Family.IPV4: "/proc/sys/net/ipv4/ip_forward",
    Family.IPV6: "/proc/sys/net/ipv6/conf/all/forwarding",
}
PATIENCE_S = 8.0
LAST_MOMENT_S = 3.0


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Between what the packets of a family travel on this host.

    ``networks`` are those that its routes lead to, the narrowest first; ``forwarding`` tells
    whether it hands packets on to them, None where that is not known.
    """

    family: Family
    leaving: Outgoing
    own_addresses: tuple[str, ...]
    networks: tuple[Network, ...] = ()
    forwarding: bool | None = None


def endpoints(
    host: Host, family: Family, leaving: Fact[Outgoing | None], own: Iterable[HostAddress]
) -> Fact[Endpoints | None]:
    """Add what the kernel's routes tell; None where the family has no way out."""
    if isinstance(leaving, Unknown):
        return leaving
    if leaving.value is None:
        return Known(None)
    found = routes.networks(family)
    networks = found.value if isinstance(found, Known) else ()
    forwarding = host.read(FORWARDING[family])
    return Known(
        Endpoints(
            family,
            leaving.value,
            tuple(each.address for each in own if each.family is family),
            tuple(Network(device, AddressSet.network(network)) for device, network in networks),
            _is_on(forwarding.value) if isinstance(forwarding, Known) else None,
        )
    )


def _is_on(value: str | None) -> bool | None:
    return None if value is None else value.strip() != "0"


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
    if '{"table": {' in listing:
        return True
    try:
        entries = json.loads(listing).get("nftables", [])
    except (ValueError, AttributeError, RecursionError):
        return True
    if not isinstance(entries, list):
        return True
    return any(isinstance(entry, dict) and "table" in entry for entry in entries)


async def verdicts(
    ruleset: Ruleset, between: Endpoints, user: Fact[MailUser], deadline: Deadline
) -> Fact[tuple[PortVerdict, ...]]:
    """Judge the ports out as the mail user, and every mail port in, as far as the time allows."""
    sender = user.value if isinstance(user, Known) else None
    questions = [question(between, Direction.OUT, 25, sender)]
    questions += [question(between, Direction.IN, port) for port in MAIL_PORTS]
    questions += [question(between, Direction.OUT, port, sender) for port in OUT_PORTS[1:]]
    return Known(tuple([await _in_time(ruleset, each, deadline) for each in questions]))


async def dns_verdicts(
    ruleset: Ruleset,
    between: Endpoints,
    user: Fact[MailUser],
    nameservers: tuple[str, ...],
    deadline: Deadline,
) -> Fact[tuple[PortVerdict, ...]]:
    """Judge the mail user's way to each resolver that is another host, by UDP and by TCP."""
    sender = user.value if isinstance(user, Known) else None
    judged = []
    for nameserver in nameservers:
        asked = question(between, Direction.OUT, DNS_PORT, sender)
        far = _far_address(nameserver, asked)
        if far is None:
            continue
        to_it = replace(asked, far=AddressSet.of([(far, far)]), interface=asked.interface_to(far))
        for protocol in ("udp", "tcp"):
            verdict = await _in_time(ruleset, replace(to_it, protocol=protocol), deadline)
            judged.append(replace(verdict, far=nameserver))
    return Known(tuple(judged))


def _far_address(text: str, asked: Question) -> int | None:
    """The number of another host's address of the question's family; None for anything else."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    local = ipaddress.ip_address(asked.local_address.partition("%")[0])
    if address.version != local.version or address.is_loopback or address.is_link_local:
        return None
    return None if str(address) in (str(local), *asked.own_addresses) else int(address)


async def _in_time(ruleset: Ruleset, asked: Question, deadline: Deadline) -> PortVerdict:
    await asyncio.sleep(0)
    in_time = deadline.within(LAST_MOMENT_S) == LAST_MOMENT_S
    return _judged(ruleset, asked) if in_time else _not_judged(asked)


def _judged(ruleset: Ruleset, asked: Question) -> PortVerdict:
    verdict = judge(ruleset, asked, asked=ASKED)
    if not verdict.faults:
        return _told(verdict, frozenset())
    unused = judge(ruleset, replace(asked, port=UNUSED_PORT), asked=ASKED)
    return _told(verdict, frozenset(blocked.rule for blocked in unused.faults))


def _not_judged(asked: Question) -> PortVerdict:
    doubt = Doubt("there are too many rules to judge them in the time that an audit may take", 1.0)
    return PortVerdict(
        flow=Flow(asked.direction.value),
        family=asked.family,
        port=asked.port,
        passes=0.0,
        doubts=(doubt,),
        local_address=asked.local_address,
        protocol=asked.protocol,
    )


def question(
    between: Endpoints, direction: Direction, port: int, user: MailUser | None = None
) -> Question:
    """A question to the firewall about tcp/``port`` of this host, or out from it."""
    return Question(
        direction=direction,
        family=between.family,
        port=port,
        interface=between.leaving.interface,
        local_address=between.leaving.source,
        uid=user.uid if user else None,
        gid=user.gid if user else None,
        own_addresses=between.own_addresses,
        networks=between.networks,
        forwarding=between.forwarding,
    )


def _told(verdict: Verdict, general: frozenset[RuleRef]) -> PortVerdict:
    asked = verdict.question
    return PortVerdict(
        flow=Flow(asked.direction.value),
        family=asked.family,
        port=asked.port,
        passes=verdict.passed_share,
        blockers=tuple(
            Blocker(
                rule=_cause(blocked),
                share=blocked.share,
                action=blocked.action,
                ban=blocked.is_ban,
                general=blocked.rule in general,
                answer=blocked.answer,
                later=blocked.later,
                rules=blocked.rules,
            )
            for blocked in verdict.blocked
        ),
        doubts=tuple(
            Doubt(_doubt(undecided.reason, undecided.rule), undecided.share)
            for undecided in verdict.undecided
        ),
        local_address=asked.local_address,
        protocol=asked.protocol,
        arrivals=tuple(
            Arrival(each.port, each.share, each.rule.describe())
            for each in verdict.arrivals
            if each.is_broad
        ),
    )


def _cause(blocked: Blocked) -> str:
    told = blocked.rule.describe()
    return told if blocked.rules == 1 else f"{told} (and {blocked.rules - 1} more like it)"


def _doubt(reason: str, rule: RuleRef | None) -> str:
    return f"{reason} ({rule.describe()})" if rule else reason
