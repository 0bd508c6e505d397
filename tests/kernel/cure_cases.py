"""Rulesets in which mail is blocked, as administrators write them, by the tool that loads each."""

from __future__ import annotations

from dataclasses import dataclass

from mailfix.firewall import Direction


@dataclass(frozen=True)
class Blockage:
    """A ruleset that blocks port 25, and how its cure begins; "" for one without a cure.

    ``saves`` are texts for iptables-restore, ``native`` one for nft. ``automatic`` says whether
    the cure may be carried out without asking.
    """

    name: str
    cure: str
    saves: tuple[str, ...] = ()
    native: str = ""
    direction: Direction = Direction.IN
    automatic: bool = True
    forwarding: bool | None = False
    ipset: str = ""


def save(table: str, *lines: str, **policies: str) -> str:
    """A table's text; user chains are those that rules are appended to without a policy."""
    own = {line.split(" ")[1] for line in lines if line.startswith("-A ")} - policies.keys()
    heads = [f":{chain} {policy} [0:0]" for chain, policy in policies.items()]
    heads += [f":{chain} - [0:0]" for chain in sorted(own)]
    return "\n".join([f"*{table}", *heads, *lines, "COMMIT", ""])


def filtered(*lines: str, inward: str = "ACCEPT", outward: str = "ACCEPT") -> str:
    return save("filter", *lines, INPUT=inward, FORWARD="ACCEPT", OUTPUT=outward)


def raw(*lines: str) -> str:
    return save("raw", *lines, PREROUTING="ACCEPT", OUTPUT="ACCEPT")


LO = "-A INPUT -i lo -j ACCEPT"
KNOWN = "-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"
SSH = "-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT"
BAN = "-A INPUT -s 198.51.100.7/32 -j DROP"
LOG = '-A INPUT -m limit --limit 3/min -j LOG --log-prefix "dropped: "'
REJECT_ALL = "-A INPUT -j REJECT"
RH = (
    "-A INPUT -j RH-Firewall-1-INPUT",
    "-A FORWARD -j RH-Firewall-1-INPUT",
    "-A RH-Firewall-1-INPUT -i lo -j ACCEPT",
    "-A RH-Firewall-1-INPUT -s 198.51.100.0/24 -j DROP",
    "-A RH-Firewall-1-INPUT -m state --state RELATED,ESTABLISHED -j ACCEPT",
    "-A RH-Firewall-1-INPUT -p tcp -m state --state NEW -m tcp --dport 22 -j ACCEPT",
    "-A RH-Firewall-1-INPUT -j REJECT",
)
SMTP_BLOCK = (
    "-A OUTPUT -j SMTPOUTPUT",
    "-A SMTPOUTPUT -o lo -p tcp -m multiport --dports 25,465,587 -j ACCEPT",
    "-A SMTPOUTPUT -p tcp -m multiport --dports 25,465,587 -m owner --uid-owner 0 -j ACCEPT",
    "-A SMTPOUTPUT -p tcp -m multiport --dports 25,465,587 -j REJECT",
)

IPTABLES = (
    Blockage("policy", "insert as rule 4", (filtered(LO, KNOWN, SSH, LOG, inward="DROP"),)),
    Blockage("empty-policy", "append", (filtered(inward="DROP"),)),
    Blockage("catch-all", "insert as rule 5", (filtered(LO, KNOWN, BAN, SSH, REJECT_ALL),)),
    Blockage("drop", "delete", (filtered(KNOWN, "-A INPUT -p tcp -m tcp --dport 25 -j DROP"),)),
    Blockage(
        "multiport",
        "narrow",
        (filtered("-A INPUT -p tcp -m multiport --dports 25,80,465,587:600 -j DROP"),),
    ),
    Blockage("range", "narrow", (filtered(BAN, "-A INPUT -p tcp -m tcp --dport 1:1023 -j DROP"),)),
    Blockage(
        "range-from", "narrow", (filtered("-A INPUT -p tcp -m tcp --dport 25:1023 -j REJECT"),)
    ),
    Blockage("all-but", "narrow", (filtered("-A INPUT -p tcp -m tcp ! --dport 22 -j DROP", BAN),)),
    Blockage(
        "all-but-some",
        "narrow",
        (filtered("-A INPUT -p tcp -m multiport ! --dports 22,80 -j DROP", BAN),),
    ),
    Blockage("bans-behind", "narrow", (filtered("-A INPUT -p tcp -j DROP", BAN),)),
    Blockage("bans-behind-all", "narrow", (filtered("-A INPUT ! -i lo -j DROP", BAN),)),
    Blockage(
        "half-the-internet",
        "insert",
        (filtered(BAN, "-A INPUT -s 128.0.0.0/1 -j DROP", "-A INPUT -j ACCEPT"),),
    ),
    Blockage(
        "half-for-mail",
        "delete",
        (filtered(BAN, "-A INPUT -s 128.0.0.0/1 -p tcp -m tcp --dport 25 -j DROP"),),
    ),
    Blockage(
        "user-chain",
        "delete",
        (
            filtered(
                KNOWN,
                "-A INPUT -p tcp -j tcp-in",
                "-A tcp-in -s 198.51.100.7/32 -j DROP",
                "-A tcp-in -p tcp -m tcp --dport 25 -j REJECT --reject-with tcp-reset",
            ),
        ),
    ),
    Blockage("red-hat", "insert as rule 5 of RH", (filtered(*RH),)),
    Blockage("red-hat-forwarding", "insert as rule 5 of RH", (filtered(*RH),), forwarding=None),
    Blockage(
        "raw-and-policy",
        "delete",
        (raw("-A PREROUTING -p tcp -m tcp --dport 25 -j DROP"), filtered(KNOWN, inward="DROP")),
    ),
    Blockage(
        "raw-forwarding",
        "insert",
        (raw("-A PREROUTING -p tcp -m tcp --dport 25 -j DROP"),),
        forwarding=True,
    ),
    Blockage(
        "goto",
        "insert",
        (
            filtered(
                "-A INPUT -g judge",
                "-A judge -s 198.51.100.0/24 -j DROP",
                "-A judge -p tcp -m tcp --dport 22 -j ACCEPT",
                "-A judge -p tcp -j refuse",
                "-A refuse -p tcp -j LOG",
                "-A refuse -j DROP",
                inward="DROP",
            ),
        ),
    ),
    Blockage(
        "twice",
        "insert",
        (filtered(*["-A INPUT -p tcp -m tcp --dport 25 -j DROP"] * 2),),
    ),
    Blockage(
        "three-in-a-row",
        "delete",
        (
            raw("-A PREROUTING -p tcp -m tcp --dport 25 -j DROP"),
            save(
                "mangle",
                "-A INPUT -p tcp -m multiport --dports 25,26 -j DROP",
                PREROUTING="ACCEPT",
                INPUT="ACCEPT",
            ),
            filtered(KNOWN, SSH, REJECT_ALL),
        ),
    ),
    Blockage(
        "untracked",
        "insert",
        (
            raw("-A PREROUTING -p tcp -m tcp --dport 25 -j CT --notrack"),
            filtered(
                LO,
                KNOWN,
                "-A INPUT -p tcp -m conntrack --ctstate NEW -m tcp --dport 25 -j ACCEPT",
                REJECT_ALL,
            ),
        ),
    ),
    Blockage(
        "redirected",
        "append",
        (
            save(
                "nat",
                "-A PREROUTING -p tcp -m tcp --dport 25 -j REDIRECT --to-ports 2525",
                PREROUTING="ACCEPT",
            ),
            filtered(KNOWN, "-A INPUT -p tcp -m tcp --dport 25 -j ACCEPT", inward="DROP"),
        ),
    ),
    Blockage(
        "limited",
        "append",
        (filtered("-A INPUT -p tcp -m limit --limit 5/sec -j DROP", inward="DROP"),),
        automatic=False,
    ),
    Blockage(
        "set-of-ports",
        "remove 25",
        (filtered("-A INPUT -p tcp -m set --match-set closed dst -j DROP"),),
        ipset="create closed bitmap:port range 0-1024\nadd closed 25\nadd closed 80\n",
    ),
    Blockage(
        "set-with-a-typo",
        "remove ",
        (filtered("-A INPUT -p tcp -m set --match-set bad src -m tcp --dport 25 -j DROP"),),
        ipset="create bad hash:net\nadd bad 198.51.100.7\nadd bad 0.0.0.0/1\n",
    ),
    Blockage(
        "set-of-all-ports-with-a-typo",
        "insert before",
        (filtered("-A INPUT -m set --match-set bad src -j DROP"),),
        ipset="create bad hash:net\nadd bad 198.51.100.7\nadd bad 0.0.0.0/1\n",
    ),
    Blockage(
        "out",
        "delete",
        (filtered("-A OUTPUT -p tcp -m tcp --dport 25 -j REJECT"),),
        direction=Direction.OUT,
    ),
    Blockage(
        "out-policy",
        "append",
        (
            filtered(
                KNOWN,
                "-A OUTPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
                "-A OUTPUT -p udp -m udp --dport 53 -j ACCEPT",
                outward="DROP",
            ),
        ),
        direction=Direction.OUT,
    ),
    Blockage("out-by-user", "insert", (filtered(*SMTP_BLOCK),), direction=Direction.OUT),
    Blockage(
        "answers-in",
        "append",
        (filtered("-A INPUT -p tcp -m tcp --dport 25 -j ACCEPT", inward="DROP"),),
        direction=Direction.OUT,
    ),
    Blockage(
        "answers-out",
        "append",
        (filtered("-A OUTPUT -p tcp -m tcp --dport 25 -j ACCEPT", outward="DROP"),),
    ),
    Blockage(
        "both-ways",
        "append",
        (filtered(LO, SSH, inward="DROP", outward="DROP"),),
    ),
    Blockage(
        "answers-untracked",
        "append",
        (
            raw(
                "-A PREROUTING -p tcp -m tcp --dport 25 -j CT --notrack",
                "-A OUTPUT -p tcp -m tcp --sport 25 -j CT --notrack",
            ),
            filtered("-A OUTPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT", outward="DROP"),
        ),
    ),
)

_BASE = "type filter hook input priority 0; policy {policy};"


def _inet(*lines: str, policy: str = "accept", more: str = "") -> str:
    chain = "\n".join([_BASE.format(policy=policy), *lines])
    return f"table inet filter {{\n{more}\nchain input {{\n{chain}\n}}\n}}\n"


NATIVE = (
    Blockage(
        "policy",
        "insert",
        native=_inet("ct state established,related accept", "log", policy="drop"),
    ),
    Blockage("drop", "narrow", native=_inet("tcp dport 25 drop")),
    Blockage("drop-commented", "narrow", native=_inet('tcp dport 25 counter drop comment "a \\b"')),
    Blockage("catch-all", "insert", native=_inet("tcp dport 22 accept", "counter reject")),
    Blockage("drop-and-reject", "insert", native=_inet("tcp dport 25 drop", "tcp dport 25 reject")),
    Blockage("set", "narrow", native=_inet("tcp dport { 22, 25, 80-90 } drop")),
    Blockage("range", "narrow", native=_inet("tcp dport 20-30 drop")),
    Blockage("less", "narrow", native=_inet("tcp dport < 1024 drop")),
    Blockage("all-but", "narrow", native=_inet("tcp dport != { 22, 80 } drop")),
    Blockage("bans-behind", "narrow", native=_inet("meta l4proto tcp drop", "@ban")),
    Blockage("bans-behind-all", "narrow", native=_inet('iifname != "lo" drop', "@ban")),
    Blockage(
        "map",
        "narrow",
        native=_inet(
            "ct state vmap { established : accept, related : accept, invalid : drop }",
            "tcp dport vmap { 22 : accept, 25 : drop, 80-90 : drop }",
            "@ban",
        ),
    ),
    Blockage(
        "named-set",
        "narrow",
        native=_inet(
            "tcp dport @closed drop",
            "@ban",
            more="set closed { type inet_service; elements = { 25, 80 }; }",
        ),
    ),
    Blockage(
        "named-map",
        "narrow",
        native=_inet(
            "tcp dport vmap @ways",
            "@ban",
            more="map ways { type inet_service : verdict; flags interval;"
            " elements = { 20-30 : drop, 80 : accept }; }",
        ),
    ),
    Blockage(
        "jump",
        "insert",
        native="""
        table inet filter {
          chain services { tcp dport 22 accept; udp dport 53 accept; }
          chain input { type filter hook input priority filter; policy drop;
            ct state established,related accept
            iif lo accept
            ip saddr 198.51.100.0/24 drop
            ip6 saddr 2001:db8:7::/48 drop
            jump services
            limit rate 5/second log prefix "no: "
          }
        }
        """,
    ),
    Blockage(
        "two-tables",
        "narrow",
        native="""
        table inet one {
          chain input { type filter hook input priority 0; tcp dport 20-30 drop; }
        }
        table inet two {
          chain input { type filter hook input priority 10; policy drop; tcp dport 22 accept; }
        }
        """,
    ),
    Blockage(
        "out-by-user",
        "insert",
        native="""
        table inet filter {
          chain output { type filter hook output priority 0;
            tcp dport { 25, 465, 587 } meta skuid != 0 reject; }
        }
        """,
        direction=Direction.OUT,
    ),
    Blockage(
        "answers-out",
        "append",
        native="""
        table inet filter {
          chain output { type filter hook output priority 0; policy drop; tcp dport 25 accept; }
        }
        """,
    ),
    Blockage(
        "prerouting",
        "narrow",
        native="""
        table inet early {
          chain pre { type filter hook prerouting priority -300; tcp dport { 23, 25 } drop; }
        }
        """,
    ),
)
BANS = "ip saddr 198.51.100.7 drop\nip6 saddr 2001:db8:7::1 drop"

MIXED = (
    Blockage(
        "iptables-and-native",
        "append",
        (filtered(KNOWN, inward="DROP"),),
        native=_inet("tcp dport { 25, 26 } drop", "@ban").replace("priority 0", "priority 10"),
    ),
)
