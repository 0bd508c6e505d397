"""Rulesets of any size as hosts have them, in the syntaxes that the restoring tools read."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from random import Random

from mailfix.model import Family

SEED = 25
USER_CHAINS = 50


def save_text(family: Family, rules: Iterable[str], chains: int = 0) -> str:
    """A filter table for iptables-restore; the user chains are C0, C1..."""
    own = "".join(f":C{at} - [0:0]\n" for at in range(chains))
    head = "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n"
    return f"{head}{own}" + "".join(f"{rule}\n" for rule in rules) + "COMMIT\n"


def nft_text(rules: Iterable[str], sets: str = "") -> str:
    """An inet table for nft -f."""
    hook = "type filter hook input priority 0; policy accept;"
    listed = "".join(f"{rule}\n" for rule in rules)
    return f"table inet filter {{\n{sets}chain input {{ {hook}\n{listed}}}\n}}\n"


def single_saved(family: Family, count: int) -> str:
    """One dropped source per rule, as fail2ban and blocklist scripts leave them."""
    rules = (f"-A INPUT -s {each} -j DROP" for each in sources(family, count))
    return save_text(family, rules)


def mixed_saved(family: Family, count: int) -> str:
    """Of every kind of rule some, in the chain INPUT and in chains it jumps to."""
    known = "-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"
    return save_text(family, chain([known], _mixed_saved(family, count - 1)), USER_CHAINS)


def stateless_saved(family: Family, count: int) -> str:
    """As mixed_saved, but the answers to what goes out meet all the rules, too."""
    return save_text(family, _mixed_saved(family, count), USER_CHAINS)


def single_native(family: Family, count: int) -> str:
    """One dropped source per rule."""
    return nft_text(f"{_word(family)} saddr {each} drop" for each in sources(family, count))


def set_native(family: Family, count: int) -> str:
    """One rule and a set with all the sources."""
    kind = "ipv4_addr" if family is Family.IPV4 else "ipv6_addr"
    elements = ",\n".join(sources(family, count))
    sets = f"set banned {{ type {kind}; flags interval; elements = {{ {elements} }} }}\n"
    return nft_text(iter([f"{_word(family)} saddr @banned drop"]), sets)


def mixed_native(family: Family, count: int) -> str:
    """Of every kind of rule some."""
    known = "ct state established,related accept"
    return nft_text(chain([known], _mixed_native(family, count - 1)))


def sources(family: Family, count: int) -> list[str]:
    """Different addresses in no order."""
    chance = Random(SEED)
    found: dict[int, None] = {}
    while len(found) < count:
        if family is Family.IPV4:
            found[chance.randrange(0x0B000000, 0x7F000000)] = None
        else:
            found[0x2A00 << 112 | chance.getrandbits(112)] = None
    kind = ipaddress.IPv4Address if family is Family.IPV4 else ipaddress.IPv6Address
    return [str(kind(each)) for each in found]


def _word(family: Family) -> str:
    return "ip" if family is Family.IPV4 else "ip6"


_SAVED_KINDS: tuple[Callable[[str, int, int], str], ...] = (
    lambda source, port, at: f"-s {source} -j DROP",
    lambda source, port, at: f"-s {source} -p tcp -m tcp --dport {port} -j DROP",
    lambda source, port, at: f"-p tcp -m tcp --dport {port} -j REJECT",
    lambda source, port, at: f"-p udp -m udp --dport {port} -j ACCEPT",
    lambda source, port, at: (
        f"-p tcp -m multiport --dports {port},{port + 7},{port + 9}:{port + 90} -j DROP"
    ),
    lambda source, port, at: f"-m iprange --src-range {source}-{source} -j DROP",
    lambda source, port, at: (
        f"-s {source} -p tcp -m conntrack --ctstate NEW -m tcp --dport {port} -j DROP"
    ),
    lambda source, port, at: (
        f"-p tcp -m tcp --dport {port} -m limit --limit {port % 50 + 1}/min -j LOG"
        f' --log-prefix "too many {at}: "'
    ),
    lambda source, port, at: f'-s {source} -m comment --comment "seen {at} times" -j DROP',
    lambda source, port, at: f"-s {source} -j C{at % USER_CHAINS}",
)


def _mixed_saved(family: Family, count: int) -> Iterator[str]:
    chance = Random(SEED)
    for at, source in enumerate(sources(family, count)):
        kind = _SAVED_KINDS[at % len(_SAVED_KINDS)]
        inner = at % 3 == 0 and "-j C" not in kind(source, 0, 0)
        where = f"C{at % USER_CHAINS}" if inner else "INPUT"
        yield f"-A {where} {kind(source, chance.randrange(600, 60000), at)}"


_NATIVE_KINDS: tuple[Callable[[str, str, int], str], ...] = (
    lambda word, source, port: f"{word} saddr {source} drop",
    lambda word, source, port: f"{word} saddr {source} tcp dport {port} drop",
    lambda word, source, port: f"tcp dport {port} reject",
    lambda word, source, port: f"udp dport {port} accept",
    lambda word, source, port: f"tcp dport {{ {port}, {port + 7}, {port + 9}-{port + 90} }} drop",
    lambda word, source, port: f"{word} saddr {source} ct state new counter drop",
    lambda word, source, port: f"tcp dport {port} limit rate {port % 50 + 1}/minute log",
    lambda word, source, port: f'{word} saddr {source} counter drop comment "seen {port} times"',
)


def _mixed_native(family: Family, count: int) -> Iterator[str]:
    chance = Random(SEED)
    for at, source in enumerate(sources(family, count)):
        kind = _NATIVE_KINDS[at % len(_NATIVE_KINDS)]
        yield kind(_word(family), source, chance.randrange(600, 60000))
