"""Rulesets at random, in the words of the tools that load them.

The pools of addresses are small and overlap, so that rules meet. What a tool refuses to load the
test throws away.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hypothesis import strategies as st

from mailfix.model import Family

Draw = Callable[[Sequence[str]], str]
"""Takes one of some words."""

NETWORKS = {
    Family.IPV4: [
        "8.0.0.0/8", "8.8.0.0/16", "8.8.8.0/24", "8.8.8.8", "128.0.0.0/1", "0.0.0.0/1",
        "203.0.113.0/24", "203.0.113.10", "172.17.0.2", "198.51.100.0/22", "198.51.100.7",
        "45.0.0.0/9", "45.6.7.8/255.0.255.0", "1.1.1.1", "10.0.0.0/8", "127.0.0.0/8",
    ],
    Family.IPV6: [
        "2000::/4", "3000::/4", "2001:db8::/32", "2001:db8:1::/64", "2001:db8:1::10",
        "2a00::/12", "2a00:1450::/32", "2a00:1450:4000::1", "2001:db8:7::/48", "fe80::/10",
        "fd00:17::2",
    ],
}  # fmt: skip
RANGES = {
    Family.IPV4: ["8.8.8.3-8.8.9.200", "1.0.0.0-99.255.255.255", "203.0.113.2-203.0.113.20"],
    Family.IPV6: ["2001:db8::1-2001:db8:2::", "2000::-2fff::", "2001:db8:1::9-2001:db8:1::11"],
}
# Not 0:65535: iptables-save leaves it out, and its negation, which never matches, with it.
PORTS = ["25", "587", "80", "24", "25:587", "1:65535", "1:24", "26:65535", "465", "0:25"]
SOURCE_PORTS = ["1024:65535", "0:1023", "25", "1000:65535"]
SOME_SOURCE_PORTS = ["1024:2000", "30000:65535", "40000"]
STATES = ["NEW", "INVALID", "UNTRACKED", "ESTABLISHED", "RELATED", "NEW,ESTABLISHED", "NEW,INVALID"]
SETS = [
    "addresses", "networks", "pairs", "ports", "all", "masked", "services", "links", "triples",
]  # fmt: skip


def pick(*words: str) -> tuple[str, ...]:
    return words


def _or_not(draw: Draw, text: str) -> str:
    return draw(pick("", "", "! ")) + text


@dataclass(frozen=True)
class Ruleset:
    """Texts by the command that loads each, in this order.

    Not ``decidable``: rules may ask for what cannot be known (rates, chance, the sender's choice).
    """

    loads: tuple[tuple[tuple[str, ...], str], ...]
    decidable: bool = True

    def __repr__(self) -> str:
        return "\n".join(f"--- {' '.join(command)}\n{text}" for command, text in self.loads)


@dataclass(frozen=True)
class Style:
    """What a ruleset is drawn for: a family, and whether it may ask for what nobody knows."""

    family: Family
    decidable: bool


def _match(draw: Draw, style: Style, table: str, chain: str, transport: str) -> str:
    kinds = [*_MATCHES, *(_MATCHES_OF_TRANSPORT if transport else ())]
    if not style.decidable:
        kinds += [*_UNDECIDABLE, *(_UNDECIDABLE_OF_TRANSPORT if transport else ())]
    return _MATCHES_BY_NAME[draw(kinds)](draw, style.family, table, chain)


def _dport(draw: Draw, *_: object) -> str:
    return "-m tcp " + _or_not(draw, f"--dport {draw(pick(*PORTS))}")


def _sport(draw: Draw, *_: object) -> str:
    return "-m tcp " + _or_not(draw, f"--sport {draw(pick(*SOURCE_PORTS))}")


def _flags(draw: Draw, *_: object) -> str:
    flags = pick("SYN", "ALL SYN", "SYN,ACK SYN", "ACK ACK", "FIN,SYN,RST,ACK SYN", "ALL NONE")
    text = draw(flags)
    return "-m tcp " + _or_not(draw, "--syn" if text == "SYN" else f"--tcp-flags {text}")


def _multiport(draw: Draw, *_: object) -> str:
    ports = ",".join(draw(pick("25", "587", "80,443", "20:24", "24:26")) for _ in range(2))
    return "-m multiport " + _or_not(draw, f"{draw(pick('--dports', '--ports'))} {ports}")


def _conntrack(draw: Draw, *_: object) -> str:
    options = [
        _or_not(draw, f"--ctstate {draw(pick(*STATES, 'DNAT', 'SNAT', 'NEW,DNAT'))}"),
        draw(pick("--ctdir ORIGINAL", "--ctdir REPLY")),
        _or_not(draw, f"--ctorigdstport {draw(pick('25', '26', '1:100'))}"),
        _or_not(draw, "--ctproto 6"),
    ]
    first = draw(pick("0", "0", "0", "1", "2", "3"))
    chosen = [options[int(first)]]
    if draw(pick("", "", "more")):
        chosen.append(options[(int(first) + 1) % 4])
    return "-m conntrack " + " ".join(chosen)


def _far(draw: Draw, family: Family, chain: str) -> str:
    """Something about the far address, so that rules leave a part of the space to later ones."""
    outgoing = chain in ("OUTPUT", "POSTROUTING") or (
        chain.startswith("own") and bool(draw(pick("", "out")))
    )
    option, side = ("-d", "dst") if outgoing else ("-s", "src")
    name, port = draw(pick("addresses", "networks", "networks", "all", "masked", "pairs")), ""
    if name == "pairs":
        port = ",dst"
    return draw(
        pick(
            _or_not(draw, f"{option} {draw(pick(*NETWORKS[family]))}"),
            _or_not(draw, f"{option} {draw(pick(*NETWORKS[family]))}"),
            f"-m iprange {_or_not(draw, f'--{side}-range {draw(pick(*RANGES[family]))}')}",
            f"-m set {_or_not(draw, f'--match-set {name} {side}{port}')}",
        )
    )


def _set(draw: Draw, *_: object) -> str:
    name = draw(pick(*SETS))
    two = pick("src,dst", "dst,dst", "dst,src", "src")
    sides = {
        "pairs": two,
        "services": two,
        "links": pick("src,src", "dst,dst", "src,dst", "dst,src"),
        "triples": pick("dst,dst,src", "src,dst,dst", "dst,dst"),
        "ports": pick("dst"),
    }
    directions = draw(sides.get(name, pick("src", "dst")))
    exceptions = draw(pick("", "", " --return-nomatch"))
    return "-m set " + _or_not(draw, f"--match-set {name} {directions}") + exceptions


def _status(draw: Draw, *_: object) -> str:
    names = pick("NONE", "CONFIRMED", "SEEN_REPLY", "ASSURED,EXPECTED", "SEEN_REPLY,CONFIRMED")
    return "-m conntrack " + _or_not(draw, f"--ctstatus {draw(names)}")


def _hop_limit(draw: Draw, family: Family, *_: object) -> str:
    name = "ttl" if family is Family.IPV4 else "hl"
    return f"-m {name} --{name}-{draw(pick('lt 1', 'gt 0', 'eq 0', 'gt 254'))}"


def _some_hop_limit(draw: Draw, family: Family, *_: object) -> str:
    name = "ttl" if family is Family.IPV4 else "hl"
    return f"-m {name} --{name}-{draw(pick('lt 64', 'eq 64', 'gt 100'))}"


def _owner(draw: Draw, family: Family, table: str, chain: str) -> str:
    if chain not in ("OUTPUT", "POSTROUTING"):
        return ""
    value = draw(pick("--uid-owner 107", "--uid-owner 0-106", "--gid-owner 114", "--uid-owner 0"))
    return "-m owner " + _or_not(draw, value)


def _interface(draw: Draw, family: Family, table: str, chain: str) -> str:
    option = draw(pick("-i", "-o"))
    if chain in ("INPUT", "PREROUTING"):
        option = "-i"
    if chain in ("OUTPUT", "POSTROUTING"):
        option = "-o"
    names = pick(
        "eth0", "eth+", "lo", "wlan0", "e+", *(["docker0"] * 3 if chain == "FORWARD" else [])
    )
    return _or_not(draw, f"{option} {draw(names)}")


def _rpfilter(draw: Draw, family: Family, table: str, chain: str) -> str:
    if chain != "PREROUTING" or table not in ("raw", "mangle"):
        return ""
    return f"-m rpfilter {draw(pick('', '--invert', '--loose'))}"


_MATCHES_OF_TRANSPORT = ("dport", "dport", "dport", "sport", "flags", "multiport", "multiport")
_MATCHES_BY_NAME: dict[str, Callable[..., str]] = {
    "dport": _dport,
    "sport": _sport,
    "flags": _flags,
    "multiport": _multiport,
    "source": lambda draw, family, *_: _or_not(draw, f"-s {draw(pick(*NETWORKS[family]))}"),
    "destination": lambda draw, family, *_: _or_not(draw, f"-d {draw(pick(*NETWORKS[family]))}"),
    "range": lambda draw, family, *_: (
        "-m iprange "
        + _or_not(draw, f"{draw(pick('--src-range', '--dst-range'))} {draw(pick(*RANGES[family]))}")
    ),
    "interface": _interface,
    "state": lambda draw, *_: "-m state " + _or_not(draw, f"--state {draw(pick(*STATES))}"),
    "conntrack": _conntrack,
    "addrtype": lambda draw, *_: (
        "-m addrtype "
        + _or_not(
            draw, f"{draw(pick('--dst-type', '--src-type'))} {draw(pick('LOCAL', 'UNICAST'))}"
        )
    ),
    "set": _set,
    "owner": _owner,
    "mark": lambda draw, *_: (
        "-m mark " + _or_not(draw, f"--mark {draw(pick('0', '0x1', '0x2/0x3', '0x0/0x1'))}")
    ),
    "connmark": lambda draw, *_: (
        "-m connmark " + _or_not(draw, f"--mark {draw(pick('0', '0x1', '0x0/0x1'))}")
    ),
    "status": _status,
    "hop limit": _hop_limit,
    "length": lambda draw, *_: (
        "-m length "
        + _or_not(draw, f"--length {draw(pick('0:39', '40:1500', '1000:', '0:65535'))}")
    ),
    "bridge": lambda draw, *_: "-m physdev " + _or_not(draw, "--physdev-is-bridged"),
    "helper": lambda draw, *_: "-m helper " + _or_not(draw, "--helper ftp"),
    "policy": lambda draw, family, table, chain: (
        f"-m policy --dir {'out' if chain in ('OUTPUT', 'POSTROUTING') else 'in'} "
        f"--pol {draw(pick('none', 'ipsec'))}"
    ),
    "some sports": lambda draw, *_: (
        "-m tcp " + _or_not(draw, f"--sport {draw(pick(*SOME_SOURCE_PORTS))}")
    ),
    "tcp option": lambda draw, *_: "-m tcp " + _or_not(draw, "--tcp-option 2"),
    "some length": lambda draw, *_: "-m length " + _or_not(draw, "--length 40:60"),
    "some hop limit": _some_hop_limit,
    "dscp": lambda draw, *_: "-m dscp " + _or_not(draw, "--dscp 0x08"),
    "statistic": lambda draw, *_: "-m statistic --mode random --probability 0.5",
    "string": lambda draw, *_: '-m string --string "a -j DROP" --algo bm',
    "connlimit": lambda draw, *_: "-m connlimit --connlimit-above 5",
    "hashlimit": lambda draw, *_: (
        "-m hashlimit --hashlimit-upto 3/min --hashlimit-mode srcip --hashlimit-name h"
    ),
    "time": lambda draw, *_: "-m time --timestart 10:00 --timestop 11:00",
    "comment": lambda draw, *_: f"-m comment --comment {draw(pick('plain', '-j', COMMENT))}",
    "limit": lambda draw, *_: "-m limit --limit 3/min",
    "recent": lambda draw, *_: f"-m recent --name r {draw(pick('--set', '--rcheck', '--update'))}",
    "rpfilter": _rpfilter,
    "pkttype": lambda draw, *_: (
        "-m pkttype " + _or_not(draw, f"--pkt-type {draw(pick('unicast', 'broadcast'))}")
    ),
}
COMMENT = '"said \\"-j ACCEPT\\" and \\\\ left"'
_MATCHES = (
    "source", "source", "source", "destination", "range", "interface", "state", "conntrack",
    "addrtype", "set", "set", "set", "owner", "mark", "connmark", "comment", "rpfilter", "pkttype",
    "status", "hop limit", "length", "bridge", "helper", "policy",
)  # fmt: skip
_UNDECIDABLE_OF_TRANSPORT = ("some sports", "tcp option")
_UNDECIDABLE = (
    "limit", "recent", "some length", "some hop limit", "dscp", "statistic", "string", "connlimit",
    "hashlimit", "time",
)  # fmt: skip

_TARGETS = {
    "raw": ["-j NOTRACK", "-j CT --notrack", "-j CT --notrack"],
    "mangle": [
        "-j MARK --set-mark 1", "-j MARK --set-xmark 0x3/0x3", "-j MARK --and-mark 0x2",
        "-j MARK --or-mark 0x2", "-j CONNMARK --save-mark", "-j CONNMARK --restore-mark",
        "-j CONNMARK --set-mark 1", "-j MARK --xor-mark 1", "-j TOS --set-tos 0x10",
        "-j CONNMARK --set-xmark 0x2/0x3",
    ],
    "filter": ["-j REJECT", "-j REJECT --reject-with tcp-reset"],
    "nat": [],
    "security": [],
}  # fmt: skip
_ANYWHERE = ["-j ACCEPT", "-j DROP", "-j RETURN", "-j LOG", ""]
_CHAINS = {
    "raw": ["PREROUTING", "OUTPUT"],
    "mangle": ["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"],
    "filter": ["INPUT", "FORWARD", "OUTPUT"],
    "security": ["INPUT", "FORWARD", "OUTPUT"],
    "nat": ["PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"],
}
_CONTAINERS = {
    Family.IPV4: ("172.17.0.2:2525", "172.17.0.3", ":2525"),
    Family.IPV6: ("[fd00:17::2]:2525", "fd00:17::3"),
}
_NAT_TARGETS = {
    "PREROUTING": ["-j REDIRECT --to-ports 2525", "-j REDIRECT --to-ports 25", "-j REDIRECT"],
    "OUTPUT": [],
    "POSTROUTING": ["-j MASQUERADE"],
    "INPUT": [],
}


def _target(draw: Draw, style: Style, table: str, chain: str, later: list[str]) -> str:
    choices = _ANYWHERE + _TARGETS[table]
    if table == "nat":
        choices = ["-j ACCEPT", "-j RETURN", *_NAT_TARGETS.get(chain, [])]
    if (table, chain) == ("nat", "PREROUTING"):
        choices += [f"-j DNAT --to-destination {where}" for where in _CONTAINERS[style.family]]
    if (table, chain, style.decidable) == ("nat", "OUTPUT", False):
        # The mail goes to the host itself: neither to its destination nor nowhere.
        choices.append("-j REDIRECT --to-ports 2525")
    if later and draw(pick("", "call")):
        return f"{draw(pick('-j', '-j', '-g'))} {draw(pick(*later))}"
    return draw(pick(*choices))


def _rule(draw: Draw, style: Style, table: str, chain: str, later: list[str]) -> str:
    family = style.family
    target = _target(draw, style, table, chain, later)
    transport = draw(pick("-p tcp", "-p tcp", "-p tcp", "", "-p udp", "! -p udp", "-p icmp"))
    if "REDIRECT" in target or "DNAT" in target or "tcp-reset" in target:
        transport = "-p tcp"
    with_ports = transport == "-p tcp"
    count = int(draw(pick("0", "1", "1", "2", "3")))
    drawn = [
        _match(draw, style, table, chain, transport if with_ports else "") for _ in range(count)
    ]
    if target[-6:] in ("ACCEPT", "j DROP", "RETURN", "REJECT") and draw(pick("", "far", "far")):
        drawn.insert(0, _far(draw, family, chain))
    # iptables takes -s, -d, -i and -o only once each.
    matches = {match.removeprefix("! ").partition(" ")[0]: match for match in drawn[::-1]}
    matches.pop("-m", None)
    extended = dict.fromkeys(match for match in drawn if match.startswith("-m"))
    if family is Family.IPV6:
        transport = transport.replace("-p icmp", "-p icmpv6")
    return " ".join(
        part for part in (f"-A {chain}", transport, *matches.values(), *extended, target) if part
    )


def _table(draw: Draw, style: Style, table: str) -> str:
    base_chains = _CHAINS[table]
    own = [f"own{number}" for number in range(int(draw(pick("0", "1", "3"))))]
    policies = pick("ACCEPT") if table == "nat" else pick("ACCEPT", "ACCEPT", "DROP")
    lines = [f"*{table}"]
    lines += [f":{chain} {draw(policies)} [0:0]" for chain in base_chains]
    lines += [f":{chain} - [0:0]" for chain in own]
    for chain in base_chains:
        count = int(draw(pick("0", "1", "3", "6")))
        lines += [_rule(draw, style, table, chain, own) for _ in range(count)]
    for at, chain in enumerate(own):
        count = int(draw(pick("1", "2", "4")))
        lines += [_rule(draw, style, table, chain, own[at + 1 :]) for _ in range(count)]
    return "\n".join([*lines, "COMMIT", ""])


def _tables(draw: Draw, style: Style) -> str:
    others = [
        table for table in ("raw", "mangle", "nat", "security") if draw(pick("", "", "", "yes"))
    ]
    return "".join(_table(draw, style, table) for table in [*others, "filter"])


_IPSETS = {
    Family.IPV4: """\
create addresses hash:ip
add addresses 8.8.8.8
add addresses 198.51.100.7
add addresses 203.0.113.10
create networks hash:net
add networks 8.0.0.0/8
add networks 8.8.0.0/16 nomatch
add networks 8.8.8.0/24
add networks 128.0.0.0/2
create pairs hash:ip,port
add pairs 8.8.8.8,tcp:25
add pairs 203.0.113.10,tcp:25
add pairs 8.8.8.8,udp:587
add pairs 1.1.1.1,tcp:587
create ports bitmap:port range 0-1024
add ports 25
create services hash:net,port
add services 8.0.0.0/8,tcp:25
add services 8.8.0.0/16,tcp:25 nomatch
add services 128.0.0.0/2,tcp:1-1000
add services 198.51.100.0/24,udp:25
create links hash:net,iface
add links 8.0.0.0/8,eth0
add links 8.8.8.0/24,eth0 nomatch
add links 128.0.0.0/1,e wildcard
add links 45.0.0.0/9,lo
create triples hash:ip,port,net
add triples 203.0.113.10,tcp:25,0.0.0.0/1
add triples 203.0.113.10,tcp:25,8.0.0.0/8 nomatch
add triples 8.8.8.8,tcp:25,203.0.113.0/24
create all list:set
add all addresses
add all networks
create masked hash:ip netmask 20
add masked 8.8.16.0
add masked 45.6.7.8
""",
    Family.IPV6: """\
create addresses hash:ip family inet6
add addresses 2001:db8:7::1
add addresses 2001:db8:1::10
create networks hash:net family inet6
add networks 2000::/4
add networks 2001:db8::/32 nomatch
add networks 2001:db8:7::/48
create pairs hash:ip,port family inet6
add pairs 2001:db8:7::1,tcp:25
add pairs 2001:db8:1::10,tcp:25
create ports bitmap:port range 0-1024
add ports 25
create services hash:net,port family inet6
add services 2000::/4,tcp:25
add services 2001:db8::/32,tcp:25 nomatch
create links hash:net,iface family inet6
add links 2000::/4,eth0
add links 2001:db8:7::/48,eth0 nomatch
add links 3000::/4,e wildcard
create triples hash:ip,port,net family inet6
add triples 2001:db8:1::10,tcp:25,2000::/4
add triples 2001:db8:1::10,tcp:25,2a00::/12 nomatch
create all list:set
add all addresses
add all networks
create masked hash:ip family inet6 netmask 40
add masked 2001:db8:700::
""",
}


@st.composite
def iptables_rulesets(draw_from: st.DrawFn) -> tuple[Family, Ruleset]:
    """Both backends at once now and then, else one of them.

    True randomness: hypothesis' own draws prefer the simple, and most simple rulesets are all
    open or all closed.
    """
    draw: Draw = draw_from(st.randoms(use_true_random=True)).choice
    family = Family.IPV6 if draw(pick("4", "4", "6")) == "6" else Family.IPV4
    style = Style(family, bool(draw(pick("", "decidable", "decidable"))))
    prefix = "ip6tables" if family is Family.IPV6 else "iptables"
    backends = draw(pick("legacy", "nft", "legacy nft")).split()
    loads: list[tuple[tuple[str, ...], str]] = [(("ipset", "restore"), _IPSETS[family])]
    loads += [((f"{prefix}-{backend}-restore",), _tables(draw, style)) for backend in backends]
    return family, Ruleset(tuple(loads), style.decidable)
