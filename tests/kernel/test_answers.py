"""Whether connections come about: the answer to the first packet must find its way back, too.

Strict rulesets by hand, right ones and the mistakes that administrators make; then random ones.
"""

from __future__ import annotations

import random

import pytest
from hypothesis import given

from mailfix.firewall import Direction, judge, read_ruleset
from mailfix.model import Family
from tests.full import FULL
from tests.kernel.compare import Tally, compare, dumps, load, question
from tests.kernel.conftest import drawing
from tests.kernel.grammar import Ruleset, iptables_rulesets
from tests.kernel.nft_grammar import nft_rulesets
from tests.kernel.rig import Kernel, must_run, namespace

EXAMPLES = 1000 if FULL else 40
OPEN, CLOSED = "open", "closed"


def _filter(*rules: str, inward: str = "ACCEPT", outward: str = "ACCEPT") -> str:
    return _table("filter", *rules, INPUT=inward, OUTPUT=outward)


def _table(name: str, *rules: str, **policies: str) -> str:
    heads = [f":{chain} {policy} [0:0]" for chain, policy in policies.items()]
    return "\n".join([f"*{name}", *heads, *rules, "COMMIT", ""])


def _raw(*rules: str) -> str:
    return _table("raw", *rules, PREROUTING="ACCEPT", OUTPUT="ACCEPT")


def _nat(*rules: str) -> str:
    chains = ("PREROUTING", "INPUT", "OUTPUT", "POSTROUTING")
    return _table("nat", *rules, **dict.fromkeys(chains, "ACCEPT"))


def _mangle(*rules: str) -> str:
    chains = ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING")
    return _table("mangle", *rules, **dict.fromkeys(chains, "ACCEPT"))


ESTABLISHED_IN = "-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"
SMTP_IN = "-A INPUT -p tcp -m tcp --dport 25 -j ACCEPT"
SMTP_OUT = "-A OUTPUT -p tcp -m tcp --dport 25 -j ACCEPT"
REDIRECTED = _nat("-A PREROUTING -p tcp -m tcp --dport 25 -j REDIRECT --to-ports 2525")

RULESETS: dict[str, tuple[str, str, str]] = {
    # name: text, port 25 in, port 25 out
    "output-forgets-answers": (_filter(SMTP_OUT, outward="DROP"), CLOSED, OPEN),
    "input-forgets-answers": (_filter(SMTP_IN, inward="DROP"), OPEN, CLOSED),
    "both-stateful": (
        _filter(
            ESTABLISHED_IN,
            "-A INPUT -p tcp -m tcp --dport 25 -m conntrack --ctstate NEW -j ACCEPT",
            "-A OUTPUT -m state --state NEW,ESTABLISHED -j ACCEPT",
            inward="DROP",
            outward="DROP",
        ),
        OPEN,
        OPEN,
    ),
    "stateless-and-right": (
        _filter(
            SMTP_IN,
            "-A OUTPUT -p tcp -m tcp --sport 25 ! --syn -j ACCEPT",
            SMTP_OUT,
            "-A INPUT -p tcp -m tcp --sport 25 --dport 1024:65535 ! --syn -j ACCEPT",
            inward="DROP",
            outward="DROP",
        ),
        OPEN,
        OPEN,
    ),
    "not-syn": (
        _filter(SMTP_IN, "-A INPUT -p tcp -m tcp ! --syn -j ACCEPT", inward="DROP"),
        OPEN,
        OPEN,
    ),
    "multiport-sources": (
        _filter("-A OUTPUT -p tcp -m multiport --sports 25,587 -j ACCEPT", outward="DROP"),
        OPEN,
        CLOSED,
    ),
    "multiport-either-side": (
        _filter("-A OUTPUT -p tcp -m multiport --ports 25,587 -j ACCEPT", outward="DROP"),
        OPEN,
        OPEN,
    ),
    "flags-of-an-answer": (
        _filter("-A OUTPUT -p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN,ACK -j REJECT"),
        CLOSED,
        OPEN,
    ),
    "new-but-not-syn": (
        _filter("-A INPUT -p tcp -m tcp ! --syn -m conntrack --ctstate NEW -j DROP"),
        OPEN,
        OPEN,
    ),
    "replies-by-direction": (
        _filter(
            "-A OUTPUT -m conntrack --ctdir REPLY -j ACCEPT",
            "-A OUTPUT -p tcp -j DROP",
        ),
        OPEN,
        CLOSED,
    ),
    "original-port": (
        _filter("-A OUTPUT -m conntrack --ctorigdstport 25 --ctdir REPLY -j DROP"),
        CLOSED,
        OPEN,
    ),
    "untracked-one-way": (
        _raw("-A PREROUTING -p tcp -m tcp --dport 25 -j CT --notrack")
        + _filter("-A OUTPUT -m conntrack --ctstate INVALID -j DROP"),
        CLOSED,
        OPEN,
    ),
    "untracked-both-ways": (
        _raw(
            "-A PREROUTING -p tcp -m tcp --dport 25 -j CT --notrack",
            "-A OUTPUT -p tcp -m tcp --sport 25 -j CT --notrack",
        )
        + _filter("-A OUTPUT -m conntrack ! --ctstate UNTRACKED,NEW -j DROP"),
        OPEN,
        CLOSED,
    ),
    "only-answers-untracked": (
        _raw("-A OUTPUT -p tcp -m tcp --sport 25 -j CT --notrack")
        + _filter("-A OUTPUT -m conntrack --ctstate UNTRACKED -j DROP"),
        CLOSED,
        OPEN,
    ),
    "untracked-out": (
        _raw("-A OUTPUT -p tcp -m tcp --dport 25 -j CT --notrack")
        + _filter(ESTABLISHED_IN, SMTP_IN, inward="DROP"),
        OPEN,
        CLOSED,
    ),
    "redirected": (
        REDIRECTED + _filter("-A OUTPUT -p tcp -m tcp --sport 2525 -j ACCEPT", outward="DROP"),
        OPEN,
        CLOSED,
    ),
    "redirected-by-the-port-asked": (
        REDIRECTED + _filter("-A OUTPUT -p tcp -m tcp --sport 25 -j ACCEPT", outward="DROP"),
        CLOSED,
        CLOSED,
    ),
    "redirected-by-status": (
        REDIRECTED + _filter("-A OUTPUT -m conntrack --ctstate DNAT -j DROP"),
        CLOSED,
        OPEN,
    ),
    "masqueraded": (
        _nat("-A POSTROUTING -p tcp -m tcp --dport 25 -j MASQUERADE")
        + _filter(ESTABLISHED_IN, SMTP_IN, inward="DROP"),
        OPEN,
        OPEN,
    ),
    "connection-mark": (
        _mangle(
            "-A PREROUTING -p tcp -m tcp --dport 25 -j CONNMARK --set-xmark 0x1/0xffffffff",
            "-A OUTPUT -j CONNMARK --restore-mark",
            "-A OUTPUT -m mark --mark 0x1 -j DROP",
        ),
        CLOSED,
        OPEN,
    ),
    "packet-mark-does-not-come-back": (
        _mangle(
            "-A PREROUTING -j MARK --set-xmark 0x1/0xffffffff",
            "-A OUTPUT -m mark --mark 0x1 -j DROP",
        ),
        OPEN,
        OPEN,
    ),
    "raw-table-sees-no-state": (
        _raw(
            "-A OUTPUT -p tcp -m tcp --sport 25 -m conntrack --ctstate INVALID -j DROP",
        ),
        CLOSED,
        OPEN,
    ),
}

NATIVE: dict[str, tuple[str, str, str]] = {
    "nft-vmap": (
        """
        chain input { type filter hook input priority 0; policy drop;
          ct state vmap { established : accept, related : accept, invalid : drop }
          tcp dport 25 ct state new accept; }
        chain output { type filter hook output priority 0; policy drop;
          ct state established,related accept
          tcp dport 25 accept; }
        """,
        OPEN,
        OPEN,
    ),
    "nft-output-forgets-answers": (
        """
        chain output { type filter hook output priority 0; policy drop; tcp dport 25 accept; }
        """,
        CLOSED,
        OPEN,
    ),
    "nft-direction": (
        """
        chain output { type filter hook output priority 0; ct direction reply drop; }
        """,
        CLOSED,
        OPEN,
    ),
    "nft-original": (
        """
        chain output { type filter hook output priority 0;
          meta l4proto tcp ct original proto-dst 25 ct direction reply accept
          ct status seen-reply drop; }
        chain input { type filter hook input priority 0; ct status seen-reply drop; }
        """,
        CLOSED,
        CLOSED,
    ),
}


@pytest.mark.parametrize("family", Family)
@pytest.mark.parametrize("backend", ["nft", "legacy"])
@pytest.mark.parametrize("name", RULESETS)
def test_iptables(name: str, backend: str, family: Family, tally: Tally) -> None:
    text, *expected = RULESETS[name]
    prefix = "ip6tables" if family is Family.IPV6 else "iptables"
    with namespace() as kernel:
        must_run(f"{prefix}-{backend}-restore", text=text)
        _check_both_ways(kernel, family, expected, tally)


@pytest.mark.parametrize("family", Family)
@pytest.mark.parametrize("name", NATIVE)
def test_native_nft(name: str, family: Family, tally: Tally) -> None:
    text, *expected = NATIVE[name]
    with namespace() as kernel:
        must_run("nft", "-f", "-", text=f"table inet strict {{ {text} }}")
        _check_both_ways(kernel, family, expected, tally)


def _check_both_ways(kernel: Kernel, family: Family, expected: list[str], tally: Tally) -> None:
    questions = [question(direction, family, 25) for direction in Direction]
    verdicts = [judge(read_ruleset(dumps()), each) for each in questions]
    told = [OPEN if each.passed_share == 1 else CLOSED for each in verdicts]
    differences = compare(kernel, questions, random.Random(25), tally, with_answer=True)
    assert not differences, "\n".join(differences[:5] + differences[-1:])
    assert told == expected
    assert [each.undecided_share for each in verdicts] == [0, 0]


def _check_random(made: tuple[Family, Ruleset], tally: Tally) -> None:
    family, ruleset = made
    questions = [question(direction, family, 25) for direction in Direction]
    with namespace() as kernel:
        if not all([load(command, text) for command, text in ruleset.loads]):
            return
        chance, decidable = random.Random(25), ruleset.decidable
        differences = compare(
            kernel, questions, chance, tally, with_answer=True, decidable=decidable
        )
    assert not differences, "\n".join(differences[:5] + differences[-1:])


_settings = drawing(EXAMPLES)


@_settings
@given(made=iptables_rulesets())
def test_random_iptables(made: tuple[Family, Ruleset], tally: Tally) -> None:
    _check_random(made, tally)


@_settings
@given(made=nft_rulesets())
def test_random_native_nft(made: tuple[Family, Ruleset], tally: Tally) -> None:
    _check_random(made, tally)
