"""What the match extensions of iptables ask, each from its options (iptables-extensions(8)).

An extension that is not in MODULES, and an option that its reader does not know, make the rule's
match undecidable. A ``-p`` that is not the question's protocol still rules the rule out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from mailfix.firewall.addresses import AddressSet, address_number
from mailfix.firewall.iptables.options import Option
from mailfix.firewall.matches import (
    Address,
    Addrtype,
    AllOf,
    Answering,
    AnyOf,
    Chosen,
    Constant,
    Enlisted,
    Interface,
    LocallySent,
    Mark,
    Match,
    Not,
    OriginalPort,
    Owner,
    Ports,
    Protocol,
    Quantity,
    Side,
    State,
    TcpFlags,
    Tracked,
    Undecidable,
)
from mailfix.firewall.protocols import (
    address_and_mask,
    number,
    port_range,
    protocol,
    tcp_flags,
)

Directions = Sequence[Side]
SetReader = Callable[[str, Directions, bool], Match]
"""A set's name, the sides of the packet that are looked up, and --return-nomatch."""
Reader = Callable[[Sequence[Option]], Match]


def unless(negated: bool, match: Match) -> Match:
    return Not(match) if negated else match


class _NotUnderstood(Exception):
    """An option may turn the sense of the others, so that none of them can be decided."""


def _unknown_option(module: str, option: Option) -> _NotUnderstood:
    return _NotUnderstood(f"the option {option.name} of -m {module} is not understood")


def general(option: Option) -> Match:
    """An option that every rule may have."""
    return unless(option.negated, _GENERAL[option.name](option))


def _address(side: Side) -> Callable[[Option], Match]:
    def read(option: Option) -> Match:
        parts = [address_and_mask(text) for text in option.value.split(",")]
        return Address(side, AddressSet.union_of(parts) if len(parts) > 1 else parts[0])

    return read


def _interface(incoming: bool) -> Callable[[Option], Match]:
    def read(option: Option) -> Match:
        name = option.value
        return Interface(incoming, name.removesuffix("+"), prefix=name.endswith("+"))

    return read


def _protocol(option: Option) -> Match:
    wanted = protocol(option.value)
    return Protocol(frozenset({wanted})) if wanted else Constant(True)


_GENERAL: Mapping[str, Callable[[Option], Match]] = {
    "--source": _address(Side.SOURCE),
    "--destination": _address(Side.DESTINATION),
    "--in-interface": _interface(True),
    "--out-interface": _interface(False),
    "--protocol": _protocol,
    "--fragment": lambda _: Constant(False),
}


def _ports(side: Side, option: Option) -> Match:
    ranges = tuple(port_range(text) for text in option.value.split(","))
    return unless(option.negated, Ports(side, ranges))


def _transport(module: str) -> Reader:
    """tcp, udp, dccp and sctp share the port options."""

    def read(option: Option) -> Match:
        match option.name:
            case "--sport" | "--source-port":
                return _ports(Side.SOURCE, option)
            case "--dport" | "--destination-port":
                return _ports(Side.DESTINATION, option)
            case "--tcp-flags":
                mask, value = option.values
                return unless(option.negated, TcpFlags(tcp_flags(mask), tcp_flags(value)))
            case "--syn":
                return unless(option.negated, TcpFlags(tcp_flags("SYN,RST,ACK,FIN"), 0x02))
            case "--tcp-option":
                return Undecidable("the sender chooses the options of TCP (--tcp-option)")
        raise _unknown_option(module, option)

    return _each(read, Protocol(frozenset({protocol(module)})))


def _each(read: Callable[[Option], Match], first: Match | None = None) -> Reader:
    """All options must hold."""

    def read_all(options: Sequence[Option]) -> Match:
        matches = tuple(read(option) for option in options)
        return AllOf(matches if first is None else (first, *matches))

    return read_all


def _multiport(option: Option) -> Match:
    source, destination = (
        _ports(side, Option(option.name, option.values, False))
        for side in (Side.SOURCE, Side.DESTINATION)
    )
    match option.name:
        case "--sports" | "--source-ports":
            wanted = source
        case "--dports" | "--destination-ports":
            wanted = destination
        case "--ports" | "--port":
            wanted = AnyOf((source, destination))
        case _:
            raise _unknown_option("multiport", option)
    return unless(option.negated, wanted)


def _state(option: Option) -> Match:
    return unless(option.negated, State(frozenset(option.value.upper().split(","))))


def _only_state(option: Option) -> Match:
    if option.name != "--state":
        raise _unknown_option("state", option)
    return _state(option)


def _conntrack(options: Sequence[Option]) -> Match:
    """Of a packet without a connection only the state is looked at (xt_conntrack.c)."""
    states = [_state(each) for each in options if each.name == "--ctstate"]
    others = [_conntrack_other(each) for each in options if each.name != "--ctstate"]
    if not others:
        return AllOf(tuple(states))
    full = AllOf((Tracked(), *states, *others))
    return AnyOf((full, AllOf((Not(Tracked()), *states)))) if states else full


def _conntrack_other(option: Option) -> Match:
    match option.name:
        case "--ctdir":
            wanted = unless(option.value.upper() == "ORIGINAL", Answering())
        case "--ctproto":
            wanted = Protocol(frozenset({protocol(option.value)}))
        case "--ctorigdstport":
            wanted = OriginalPort((port_range(option.value),))
        case "--ctorigsrc":
            wanted = Address(Side.SOURCE, address_and_mask(option.value), of_connection=True)
        case "--ctorigdst":
            wanted = Address(Side.DESTINATION, address_and_mask(option.value), of_connection=True)
        case "--ctstatus":
            wanted = State(frozenset(option.value.upper().replace("_", "-").split(",")) & _STATUS)
        case _:
            raise _unknown_option("conntrack", option)
    return unless(option.negated, wanted)


_STATUS = frozenset({"ASSURED", "CONFIRMED", "SEEN-REPLY"})
"""What of --ctstatus a connection may have while it is made."""


def _addrtype(options: Sequence[Option]) -> Match:
    names = {"--src-type": Side.SOURCE, "--dst-type": Side.DESTINATION}
    matches: list[Match] = []
    for option in options:
        if option.name in names:
            types = frozenset(option.value.upper().split(","))
            matches.append(unless(option.negated, Addrtype(names[option.name], types)))
        elif option.name not in ("--limit-iface-in", "--limit-iface-out"):
            raise _unknown_option("addrtype", option)
    return AllOf(tuple(matches))


def _iprange(option: Option) -> Match:
    names = {"--src-range": Side.SOURCE, "--dst-range": Side.DESTINATION}
    side = names.get(option.name)
    if side is None:
        raise _unknown_option("iprange", option)
    low, dash, high = option.value.partition("-")
    first = address_number(low)
    last = address_number(high) if dash else first
    return unless(option.negated, Address(side, AddressSet.of([(first, last)])))


def _owner(option: Option) -> Match:
    match option.name:
        case "--uid-owner" | "--gid-owner":
            low, dash, high = option.value.partition("-")
            span = (number(low), number(high) if dash else number(low))
            wanted: Match = Owner((span,), group=option.name == "--gid-owner")
        case "--socket-exists":
            wanted = Constant(True)
        case _:
            raise _unknown_option("owner", option)
    return AllOf((LocallySent(), unless(option.negated, wanted)))


def _mark(option: Option, connection: bool = False) -> Match:
    if option.name != "--mark":
        raise _unknown_option("mark", option)
    value, _, mask = option.value.partition("/")
    wanted = Mark(number(value), number(mask) if mask else 0xFFFFFFFF, connection)
    return unless(option.negated, wanted)


def _connmark(option: Option) -> Match:
    return AllOf((Tracked(), _mark(option, connection=True)))


def _rpfilter(options: Sequence[Option]) -> Match:
    """An address of the Internet is reached by the interface with the default route."""
    return Constant(not any(option.name == "--invert" for option in options))


def _policy(option: Option) -> Match:
    match option.name:
        case "--dir":
            return Constant(True)
        case "--pol":
            return unless(option.negated, Constant(option.value == "none"))
    return Undecidable("an IPsec policy is not known")


def _pkttype(option: Option) -> Match:
    if option.name != "--pkt-type":
        raise _unknown_option("pkttype", option)
    return unless(option.negated, Constant(option.value.lower() in ("unicast", "host")))


def _hop_limit(option: Option) -> Match:
    value = number(option.value)
    match option.name.removeprefix("--hl-").removeprefix("--ttl-"):
        case "eq" | "--ttl":
            ranges = ((value, value),)
        case "lt":
            ranges = ((0, value - 1),)
        case "gt":
            ranges = ((value + 1, 255),)
        case _:
            raise _unknown_option("ttl", option)
    return unless(option.negated, Chosen(Quantity.HOPS, ranges))


def _length(option: Option) -> Match:
    if option.name != "--length":
        raise _unknown_option("length", option)
    return unless(option.negated, Chosen(Quantity.LENGTH, (port_range(option.value),)))


def _physdev(options: Sequence[Option]) -> Match:
    """Only what came through a port of a bridge has one, and it does not leave by one."""
    if any(each.name in ("--physdev-in", "--physdev-is-in") for each in options):
        return Undecidable("whether the packet came through a bridge is not known")
    return Constant(all(each.negated for each in options))


def _helper(option: Option) -> Match:
    """Of connections that another one has announced, which those for mail are not."""
    if option.name != "--helper":
        raise _unknown_option("helper", option)
    return Constant(option.negated)


def _cgroup(options: Sequence[Option]) -> Match:
    return AllOf((LocallySent(), Undecidable("the mail service's control group is not known")))


def _recent(options: Sequence[Option]) -> Match:
    names = {option.name for option in options}
    if "--set" in names and not names & {"--rttl", "--rcheck", "--update", "--remove"}:
        return Constant(not any(each.negated for each in options if each.name == "--set"))
    return Undecidable("it depends on earlier connections from the same address (-m recent)")


def _comment(options: Sequence[Option]) -> Match:
    return Constant(True)


def _never(options: Sequence[Option]) -> Match:
    """Extension headers and protocols that the first packet of a mail connection has not."""
    return Constant(False)


def _depends(on: str) -> Reader:
    return lambda options: Undecidable(on)


_MODULES: Mapping[str, Reader] = {
    "tcp": _transport("tcp"),
    "udp": _transport("udp"),
    "udplite": _transport("udplite"),
    "multiport": _each(_multiport),
    "state": _each(_only_state),
    "conntrack": _conntrack,
    "addrtype": _addrtype,
    "iprange": _each(_iprange),
    "owner": _each(_owner),
    "mark": _each(_mark),
    "connmark": _each(_connmark),
    "rpfilter": _rpfilter,
    "policy": _each(_policy),
    "pkttype": _each(_pkttype),
    "hl": _each(_hop_limit),
    "ttl": _each(_hop_limit),
    "length": _each(_length),
    "physdev": _physdev,
    "helper": _each(_helper),
    "cgroup": _cgroup,
    "recent": _recent,
    "comment": _comment,
    "ah": _never,
    "dccp": _never,
    "dst": _never,
    "esp": _never,
    "frag": _never,
    "hbh": _never,
    "icmp": _never,
    "icmp6": _never,
    "icmpv6": _never,
    "ipcomp": _never,
    "mh": _never,
    "rt": _never,
    "sctp": _never,
    "limit": _depends("it depends on the rate of earlier packets (-m limit)"),
    "hashlimit": _depends("it depends on the rate of earlier packets (-m hashlimit)"),
    "connlimit": _depends("it depends on the number of open connections (-m connlimit)"),
    "statistic": _depends("it depends on chance (-m statistic)"),
    "time": _depends("it depends on the time of day (-m time)"),
    "string": _depends("it depends on the packet's content (-m string)"),
    "mac": _depends("it depends on the sender's MAC address (-m mac)"),
    "bpf": _depends("it depends on the packet's content (-m bpf)"),
    "u32": _depends("it depends on the packet's content (-m u32)"),
    "tcpmss": _depends("the sender chooses the options of TCP (-m tcpmss)"),
    "dscp": _depends("the sender chooses the DSCP (-m dscp)"),
    "ecn": _depends("the sender chooses ECN (-m ecn)"),
    "tos": _depends("the sender chooses the TOS (-m tos)"),
    "osf": _depends("it depends on the sender's operating system (-m osf)"),
    "socket": _depends("which sockets are open is not known (-m socket)"),
    "devgroup": _depends("the group of the interface is not known (-m devgroup)"),
    "realm": _depends("the realm of the route is not known (-m realm)"),
    "cpu": _depends("it depends on the CPU that takes the packet (-m cpu)"),
    "cluster": _depends("it depends on a hash of the packet (-m cluster)"),
    "nfacct": _depends("it depends on the number of bytes so far (-m nfacct)"),
    "quota": _depends("it depends on the number of bytes so far (-m quota)"),
    "connbytes": _depends("it depends on the number of bytes so far (-m connbytes)"),
    "rateest": _depends("it depends on the rate of earlier packets (-m rateest)"),
}


@dataclass(frozen=True, slots=True)
class Modules:
    """All match extensions; ``read_set`` knows the sets that ``-m set`` looks up.

    ``changing`` are the names of those that rules put packets into.
    """

    read_set: SetReader
    changing: frozenset[str] = frozenset()

    def read(self, module: str, options: Sequence[Option]) -> Match:
        """What the extension asks with these options.

        Raises:
            ValueError: an option has a value that it cannot have.
        """
        reader = self._set if module == "set" else _MODULES.get(module)
        if reader is None:
            return Undecidable(f"the match extension {module!r} is not understood")
        try:
            return reader(options)
        except _NotUnderstood as problem:
            return Undecidable(str(problem))

    def _set(self, options: Sequence[Option]) -> Match:
        names = {option.name for option in options}
        for option in options:
            if option.name not in _SET_OPTIONS:
                raise _unknown_option("set", option)
        matches: list[Match] = []
        for option in options:
            if option.name in ("--match-set", "--set"):
                name, directions = option.values
                sides = [_SET_SIDES[each] for each in directions.split(",")]
                found = self.read_set(name, sides, "--return-nomatch" in names)
                if name in self.changing:
                    found = Enlisted(f"ipset {name}", directions, found)
                matches.append(unless(option.negated, found))
        return AllOf(tuple(matches))


_SET_OPTIONS = frozenset(
    {"--match-set", "--set", "--return-nomatch", "--update-counters", "--update-subcounters"}
)


_SET_SIDES = {"src": Side.SOURCE, "dst": Side.DESTINATION}
