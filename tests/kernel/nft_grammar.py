"""Native nft rulesets at random: base chains by priority, sets, maps, verdict maps."""

from __future__ import annotations

from hypothesis import strategies as st

from mailfix.model import Family
from tests.kernel.grammar import NETWORKS, Draw, Ruleset, Style, pick

_KEYWORDS = {Family.IPV4: "ip", Family.IPV6: "ip6"}
_TYPES = {Family.IPV4: "ipv4_addr", Family.IPV6: "ipv6_addr"}
_ELEMENTS = {
    Family.IPV4: ("8.8.0.0/16", "198.51.100.7", "128.0.0.0-140.0.0.255", "203.0.113.10"),
    Family.IPV6: ("2a00::/12", "2001:db8:7::1", "3000::-3001::ffff", "2001:db8:1::10"),
}


def _sets(family: Family) -> str:
    first, second, third, own = _ELEMENTS[family]
    kind = _TYPES[family]
    return f"""\
  set plain {{ type {kind}; elements = {{ {second}, {own} }} }}
  set wide {{ type {kind}; flags interval; elements = {{ {first}, {second}, {third} }} }}
  set timed {{ type {kind}; flags interval,timeout; elements = {{ {first} timeout 1h }} }}
  set empty {{ type {kind}; }}
  set mail {{ type inet_service; flags interval; elements = {{ 25, 465-587 }} }}
  set pairs {{ type {kind} . inet_service; flags interval;
    elements = {{ {first} . 25, {second} . 20-30, {third} . 587 }} }}
  set links {{ type ifname; elements = {{ "eth0", "wg0" }} }}
  map ways {{ type inet_service : verdict; elements = {{ 25 : jump own0, 80 : drop }} }}
  map lists {{ type {kind} : verdict; flags interval;
    elements = {{ {first} : drop, {second} : accept, {third} : continue }} }}
  map others {{ type {kind} : verdict; flags interval;
    elements = {{ {first} : continue, {second} : jump own2, * : drop }} }}
  map numbers {{ type {kind} : mark; flags interval; elements = {{ {first} : 1, {third} : 5 }} }}
  map names {{ type {kind} : counter; flags interval; elements = {{ {first} : "seen" }} }}
  map ports {{ type inet_service . {kind} : verdict; flags interval;
    elements = {{ 25 . {first} : drop, 20-30 . {third} : accept, 587 . {third} : jump own1 }} }}
  set three {{ type {kind} . inet_proto . inet_service; flags interval;
    elements = {{ {first} . tcp . 25, {third} . tcp . 1-1000, {second} . udp . 25 }} }}
  set most {{ type {kind}; flags interval; elements = {{ {second}, * }} }}
  set marks {{ type mark; flags interval; elements = {{ 1-3, 0x100-0x1ff }} }}
  set filled {{ type {kind}; flags dynamic,timeout; timeout 1h; size 65535; }}
"""


_COUNTER = "  counter seen { }\n"


def _match(draw: Draw, style: Style, hook: str) -> str:
    if not style.decidable and draw(pick("", "", "", "undecidable")):
        return draw(_UNDECIDABLE)
    return _decidable_match(draw, style.family, hook)


_UNDECIDABLE = (
    "limit rate 5/minute", "numgen random mod 2 == 0", "tcp option maxseg size < 500",
    "tcp option sack-perm exists", "meta cpu 0", "ip ttl < 64", "ip6 hoplimit < 64", "ip dscp cs1",
    "meta hour \"10:00\"-\"11:00\"", "jhash ip saddr mod 2 seed 0x1 == 0", "meta length 40-60",
    "tcp sport 1024-2000", "ct count over 5", "quota over 1 mbytes", "socket transparent 1",
)  # fmt: skip


def _odd_match(draw: Draw, family: Family, hook: str) -> str:
    """What no first packet of a connection has, and what every one has."""
    return draw(
        pick(
            "ip frag-off & 0x1fff != 0",
            "exthdr frag exists",
            "exthdr frag missing",
            "exthdr rt exists",
            "ip option lsrr exists",
            "ip option rr missing",
            "ip hdrlength > 5",
            "ip version 4",
            "meta length < 40",
            "meta length <= 1500",
            "ip ttl 0",
            "ip ttl != 0",
            "ip6 hoplimit > 254",
            "tcp flags & (fin|syn|rst|psh|ack|urg) < fin",
            "tcp flags & (fin|syn|rst|ack) != syn",
            "tcp flags & (fin|syn) >= syn",
            "tcp flags { syn, ack }",
            "ct state & (established|related) != 0",
            "ct state & (new|established) == new",
            "ct status & (dnat|snat) == 0",
            "ct status ! confirmed",
            "ct status & (seen-reply|confirmed) == seen-reply",
            'ct helper "ftp"',
            'ct helper != "ftp"',
            "ct zone 0",
            "ct zone != 0",
            "meta ipsec exists",
            "meta ipsec missing",
            "meta cgroup != 5" if hook == "input" else "",
            "meta l4proto & 0xfe == 6",
            "tcp dport & 0xff00 == 0",
            "tcp dport & 0xfff0 != 16",
        )
    )


def _decidable_match(draw: Draw, family: Family, hook: str) -> str:
    address = f"{_KEYWORDS[family]} {draw(pick('saddr', 'daddr'))}"
    networks = [text for text in NETWORKS[family] if "/255." not in text]
    one, other = draw(pick(*networks)), draw(pick(*networks[:4]))
    equal = draw(pick("", "", "!= "))
    protocols = draw(pick("tcp", "udp", "{ tcp, udp }", "{ icmp, ipv6-icmp }"))
    flags = draw(pick("syn", "== syn", "!= syn", "ack", "& (syn|ack) == syn", "! syn"))
    some = draw(pick("== syn", "!= syn", "== syn,ack"))
    interface = "iifname" if hook in ("prerouting", "input") else draw(pick("iifname", "oifname"))
    return draw(
        pick(
            f"{address} {equal}{one}",
            f"{address} {equal}{one}",
            f"{address} {equal}@{draw(pick('plain', 'wide', 'timed', 'empty'))}",
            f"{address} {equal}{{ {_disjoint(draw, family)} }}",
            f"{address} {_mask(family)} {other}" if family is Family.IPV4 else f"{address} {other}",
            f"{address} . tcp dport @pairs",
            f"{address} . tcp dport != @pairs",
            f"tcp dport {equal}{draw(pick('25', '587', '1-24', '25-587', '{ 25, 80 }', '@mail'))}",
            f"tcp dport {draw(pick('< 26', '> 25', '<= 24', '>= 587'))}",
            f"tcp sport {equal}{draw(pick('1024-65535', '25', '0-1023'))}",
            f"th dport {draw(pick('25', '587'))}",
            f"udp dport {equal}25",
            f"meta l4proto {equal}{protocols}",
            f"meta nfproto {equal}{draw(pick('ipv4', 'ipv6'))}",
            f"{interface} {equal}{draw(pick('eth0', 'lo', 'eth*', '{ lo, eth0 }', '@links'))}",
            f"{interface} {equal}docker0",
            f"ct state {equal}{draw(pick('new', 'invalid', 'untracked', 'established,related'))}",
            "ct state { new, untracked }",
            f"ct direction {draw(pick('original', 'reply'))}",
            f"ct status {draw(pick('dnat', 'snat'))}",
            f"ct mark {equal}{draw(pick('0', '1'))}",
            f"meta mark {equal}{draw(pick('0', '1', '5'))}",
            f"meta mark & 0x3 {draw(pick('==', '!='))} {draw(pick('0', '1'))}",
            f"tcp flags {flags}",
            f"tcp flags & (fin|syn|rst|ack) {some}",
            f"fib daddr type {equal}{draw(pick('local', 'broadcast', 'unicast'))}",
            f"fib saddr . iif oif {draw(pick('missing', 'exists'))}" if hook != "output" else "",
            f"meta skuid {equal}{draw(pick('107', '0-106', '{ 0, 107 }', '0'))}",
            f"meta skgid {equal}{draw(pick('114', '0'))}",
            f"meta pkttype {draw(pick('unicast', 'broadcast', '{ broadcast, multicast }'))}",
            _odd_match(draw, family, hook),
            _odd_match(draw, family, hook),
            _odd_match(draw, family, hook),
            f"{address} . meta l4proto . th dport {equal}@three",
            f"{address} {equal}@most",
            f"{address} {draw(pick('<', '>', '<=', '>='))} {one.partition('/')[0]}",
            f"meta mark {equal}{draw(pick('0-4', '1-5', '@marks', '{ 1, 5 }'))}",
            f"meta mark {draw(pick('<', '>='))} {draw(pick('1', '5'))}",
            f"ct original {address} {draw(pick(*networks))}" if hook != "" else "",
            f"iifname . tcp dport {equal}{{ eth0 . 25, lo . 587 }}",
            "icmp type echo-request",
            "ip protocol tcp",
        )
    )


def _mask(family: Family) -> str:
    return "& 255.0.255.0 ==" if family is Family.IPV4 else ""


def _disjoint(draw: Draw, family: Family) -> str:
    return ", ".join(_ELEMENTS[family][: int(draw(pick("1", "2", "4")))])


def _verdict(draw: Draw, family: Family, later: list[str]) -> str:
    address = f"{_KEYWORDS[family]} {draw(pick('saddr', 'daddr'))}"
    call = f"{draw(pick('jump', 'goto'))} {draw(pick(*later))}" if later else "return"
    return draw(
        pick(
            "accept", "accept", "drop", "drop", "return", "continue", "reject", call, call, call,
            "counter", "log prefix \"x\"", "meta mark set 0x1", "meta mark set mark or 0x2",
            "meta mark set mark and 0x1", "ct mark set mark", "meta mark set ct mark",
            f"{address} vmap @lists",
            f"{address} vmap @others",
            f"tcp dport . {address} vmap @ports",
            f"meta mark set {address} map @numbers accept",
            f"meta mark set {address} map @numbers drop",
            f"counter name {address} map @names drop",
            f"add @filled {{ {address} }} drop",
            f"{_KEYWORDS[family]} dscp set cs1 {draw(pick('drop', 'accept'))}",
            "meta mark set ct mark drop",
            f"meta mark vmap {{ 0 : {call}, 1-3 : drop }}",
            f"meta mark set mark xor 0x3 {draw(pick('drop', 'return'))}",
            "reject with tcp reset",
            "log group 3",
            "tcp option maxseg size set 1200",
            "ct state vmap { new : drop, established : accept }",
            f"tcp dport vmap {{ 25 : {call}, 587 : accept }}",
            f"{address} . tcp dport vmap {{ {_ELEMENTS[family][0]} . 25 : drop }}",
            "meta mark set 0x1 tcp dport 25 drop",
            "iifname vmap { lo : accept, eth0 : drop }",
        )
    )  # fmt: skip


def _rule(draw: Draw, style: Style, hook: str, later: list[str]) -> str:
    family = style.family
    count = int(draw(pick("0", "1", "1", "2")))
    matches = [_match(draw, style, hook) for _ in range(count)]
    verdict = _verdict(draw, family, later)
    if verdict in ("accept", "drop", "return", "reject") and draw(pick("", "far", "far")):
        matches.insert(0, _far(draw, family, hook))
    if verdict == "reject with tcp reset":
        # nft 1.0.6 leaves the family out when it lists such a rule.
        matches = [match for match in matches if not match.startswith("meta nfproto")]
    # Elsewhere nft takes one that contradicts an address, but does not list it.
    matches.sort(key=lambda match: not match.startswith("meta nfproto"))
    return "    " + " ".join(filter(None, [*matches, verdict]))


def _far(draw: Draw, family: Family, hook: str) -> str:
    """Something about the far address, so that rules leave a part of the space to later ones."""
    inward = hook in ("input", "prerouting", "forward")
    side = draw(pick("saddr", "daddr")) if hook == "" else "saddr" if inward else "daddr"
    address = f"{_KEYWORDS[family]} {side}"
    networks = [text for text in NETWORKS[family] if "/255." not in text]
    equal = draw(pick("", "", "!= "))
    return draw(
        pick(
            f"{address} {equal}{draw(pick(*networks))}",
            f"{address} {equal}@{draw(pick('plain', 'wide', 'timed'))}",
            f"{address} {equal}{{ {_disjoint(draw, family)} }}",
            f"{address} . tcp dport {equal}@pairs",
        )
    )


_SENT_ON = {
    Family.IPV4: (
        "tcp dport 25 dnat ip to 172.17.0.2:2525",
        "dnat ip to tcp dport map { 25 : 172.17.0.2 . 25, 587 : 172.17.0.3 . 588 }",
        "meta l4proto tcp dnat ip to ip saddr map { 8.0.0.0/7 : 172.17.0.2 }",
    ),
    Family.IPV6: (
        "tcp dport 25 dnat ip6 to [fd00:17::2]:2525",
        "dnat ip6 to tcp dport map { 25 : fd00:17::2 . 25, 587 : fd00:17::3 . 588 }",
    ),
}
_REDIRECTS = (
    "tcp dport 25 redirect to :2525",
    "meta l4proto tcp redirect to :tcp dport map { 25 : 2525, 587 : 25 }",
    "tcp dport 587 redirect to :25",
)
_HOOKS = {
    "prerouting": ("raw", "mangle", "-10"),
    "input": ("filter", "security", "-10", "10"),
    "forward": ("filter", "-10"),
    "output": ("filter", "raw", "mangle"),
    "postrouting": ("mangle", "110"),
}


def _table(draw: Draw, style: Style, name: str) -> str:
    family = style.family
    of_family = draw(pick("inet", _KEYWORDS[family]))
    own = ["own0", "own1", "own2"]
    text = [f"table {of_family} {name} {{", _COUNTER + _sets(family)]
    for at, chain in reversed(list(enumerate(own))):
        rules = [_rule(draw, style, "", own[at + 1 :]) for _ in range(int(draw(pick("0", "2"))))]
        text += [f"  chain {chain} {{", *rules, "  }"]
    for hook in draw(
        pick("input", "input output", "prerouting input forward", "output postrouting", "forward")
    ).split():
        priority, policy = draw(pick(*_HOOKS[hook])), draw(pick("accept", "accept", "drop"))
        rules = [_rule(draw, style, hook, own) for _ in range(int(draw(pick("1", "3", "5"))))]
        head = f"    type filter hook {hook} priority {priority}; policy {policy};"
        text += [f"  chain on_{hook} {{", head, *rules, "  }"]
    if draw(pick("", "", "", "untracked")):
        text += ["  chain untracked {", "    type filter hook prerouting priority -310;",
                 f"    {_match(draw, style, 'prerouting')} notrack", "  }"]  # fmt: skip
    if draw(pick("", "", "redirected")):
        text += ["  chain redirected {",
                 f"    type nat hook prerouting priority {draw(pick('-100', '-20', '-150'))};",
                 f"    {draw(pick(*_REDIRECTS, *_SENT_ON[family]))}", "  }"]  # fmt: skip
    return "\n".join([*text, "}", ""])


@st.composite
def nft_rulesets(draw_from: st.DrawFn) -> tuple[Family, Ruleset]:
    """One or two tables, each of one family or inet."""
    draw: Draw = draw_from(st.randoms(use_true_random=True)).choice
    family = Family.IPV6 if draw(pick("4", "4", "6")) == "6" else Family.IPV4
    tables = draw(pick("one", "one two")).split()
    style = Style(family, bool(draw(pick("", "decidable", "decidable"))))
    loads = ((("nft", "-f", "-"), _table(draw, style, name)) for name in tables)
    return family, Ruleset(tuple(loads), style.decidable)
