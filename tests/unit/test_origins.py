"""Where each running rule comes back from, and the ruleset of after the next boot."""

from __future__ import annotations

import pytest

from mailfix.firewall import Backend, Dump, RuleRef, Ruleset, read_ruleset
from mailfix.firewall.origins import (
    Comeback,
    Kind,
    Origin,
    Sources,
    after_boot,
    nft_includes,
    owners_in,
    trace,
    written_for_iptables,
    written_for_nft,
)
from mailfix.model import Family

FILE = "/etc/iptables/rules.v4"


def filter_table(*rules: str, chains: tuple[str, ...] = (), policy: str = "ACCEPT") -> str:
    heads = [f":INPUT {policy} [12:3456]", ":OUTPUT ACCEPT [0:0]"]
    heads += [f":{chain} - [0:0]" for chain in chains]
    return "\n".join(["*filter", *heads, *rules, "COMMIT", ""])


def ruleset(text: str, backend: Backend = Backend.IPTABLES_NFT) -> Ruleset:
    return read_ruleset([Dump(backend, Family.IPV4, text)])


def saved(text: str, *owners: str, scripts: tuple[str, ...] = ()) -> Sources:
    written = written_for_iptables(FILE, Family.IPV4, text)
    return Sources(ruleset(text), written, frozenset(owners), scripts)


def refs(running: Ruleset, chain: str = "INPUT") -> list[RuleRef]:
    return [
        table.ref(table.chains[chain], rule)
        for table in running.tables
        for rule in table.chains[chain].rules
    ]


def told(running: Ruleset, sources: Sources, chain: str = "INPUT") -> list[str]:
    origins = trace(running, sources)
    return [origins.origin_of(ref).describe() for ref in refs(running, chain)]


ACCEPT_25 = "-A INPUT -p tcp -m tcp --dport 25 -j ACCEPT"
DROP_25 = "-A INPUT -p tcp -m tcp --dport 25 -j DROP"
NOWHERE = "nowhere: it is lost at the next boot"


def test_a_saved_rule_has_its_line_and_one_made_by_hand_is_lost() -> None:
    running = ruleset(filter_table(ACCEPT_25, DROP_25))
    assert told(running, saved(filter_table(DROP_25))) == [NOWHERE, f"line 4 of {FILE}"]


def test_of_two_like_rules_one_saved_the_first_comes_back() -> None:
    running = ruleset(filter_table(DROP_25, DROP_25))
    assert told(running, saved(filter_table(DROP_25))) == [f"line 4 of {FILE}", NOWHERE]


@pytest.mark.parametrize(
    "line",
    [
        "-A INPUT -p tcp --dport 25 -j DROP",
        "[17:1020] -A INPUT -p tcp -m tcp --dport 25 -j DROP",
        "-A INPUT -p tcp -m multiport --dports 25 -j DROP",
        "-A INPUT -p 6 -m tcp --dport 25 -j DROP",
    ],
)
def test_a_rule_is_known_by_what_it_means(line: str) -> None:
    running = ruleset(filter_table(DROP_25), Backend.IPTABLES_LEGACY)
    assert told(running, saved(filter_table(line))) == [f"line 4 of {FILE}"]


def test_rules_that_cannot_be_understood_are_told_apart_by_their_text() -> None:
    limits = [f"-A INPUT -m limit --limit {rate}/sec -j DROP" for rate in (1, 2)]
    running = ruleset(filter_table(*limits))
    assert told(running, saved(filter_table(limits[1]))) == [NOWHERE, f"line 4 of {FILE}"]


def test_owners_bring_back_their_chains_and_the_jumps_to_them() -> None:
    ban = "-A f2b-exim -s 192.0.2.1/32 -j REJECT --reject-with icmp-port-unreachable"
    running = ruleset(
        filter_table("-A INPUT -p tcp -j f2b-exim", ACCEPT_25, ban, chains=("f2b-exim",))
    )
    assert owners_in(running) == {"fail2ban"}
    assert told(running, Sources(owners=frozenset({"fail2ban"}))) == ["fail2ban", NOWHERE]
    assert told(running, Sources(owners=frozenset({"fail2ban"})), "f2b-exim") == ["fail2ban"]
    assert told(running, Sources()) == [NOWHERE, NOWHERE]


def test_a_script_perhaps_brings_a_rule_back() -> None:
    running = ruleset(filter_table(ACCEPT_25))
    scripts = ("/etc/network/if-pre-up.d/firewall",)
    assert told(running, Sources(scripts=scripts)) == [
        "perhaps /etc/network/if-pre-up.d/firewall, which changes firewall rules"
    ]


def test_a_policy_comes_back_if_the_file_sets_the_same() -> None:
    running = ruleset(filter_table(policy="DROP"))
    (table,) = running.tables
    ref = table.policy_ref(table.chains["INPUT"])
    same = trace(running, saved(filter_table(policy="DROP"))).origin_of(ref)
    assert same == Origin(Comeback.FILE, FILE, 2, ":INPUT DROP [12:3456]")
    other = trace(running, saved(filter_table())).origin_of(ref)
    assert other.comeback is Comeback.NOTHING


def test_after_the_boot_there_is_what_is_saved_and_what_owners_make() -> None:
    bans = ("-A INPUT -p tcp -j f2b-exim", "-A f2b-exim -j RETURN")
    running = ruleset(filter_table(bans[0], ACCEPT_25, bans[1], chains=("f2b-exim",)))
    then = after_boot(running, saved(filter_table(DROP_25, policy="DROP"), "fail2ban"))
    (table,) = then.ruleset.tables
    texts = [rule.text for rule in table.chains["INPUT"].rules]
    assert texts == [bans[0], DROP_25]
    origins = [then.origins.origin_of(ref).describe() for ref in refs(then.ruleset)]
    assert origins == ["fail2ban", f"line 4 of {FILE}"]
    policy = table.policy_ref(table.chains["INPUT"])
    assert then.origins.origin_of(policy).line == 2
    assert policy.text == "-P INPUT DROP"


def test_transient_rules_that_were_saved_with_the_others_are_there_once() -> None:
    text = filter_table("-A INPUT -j f2b-exim", ACCEPT_25, chains=("f2b-exim",))
    running = ruleset(text)
    then = after_boot(running, saved(text, "fail2ban"))
    assert then.is_like(running)


def test_what_others_put_into_dockers_own_chain_for_them_is_gone() -> None:
    text = filter_table(
        "-A DOCKER-USER -p tcp -m tcp --dport 25 -j ACCEPT", chains=("DOCKER", "DOCKER-USER")
    )
    then = after_boot(ruleset(text), Sources(owners=frozenset({"docker"})))
    assert then.ruleset.tables[0].chains["DOCKER-USER"].rules == ()


def test_counters_and_the_order_of_the_tables_are_no_difference() -> None:
    nat = "*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -j ACCEPT\nCOMMIT\n"
    running = ruleset(filter_table(DROP_25).replace("12:3456", "99:1") + nat)
    assert after_boot(running, saved(nat + filter_table(DROP_25))).is_like(running)
    assert not after_boot(running, saved(filter_table(DROP_25))).is_like(running)


def test_inserted_rules_have_their_lines_in_the_order_of_the_chain() -> None:
    file = filter_table(DROP_25, "-I INPUT -j ACCEPT", "-I INPUT 2 -p tcp -j LOG")
    running = filter_table("-A INPUT -j ACCEPT", "-A INPUT -p tcp -j LOG", DROP_25)
    sources = Sources(ruleset(running), written_for_iptables(FILE, Family.IPV4, file))
    assert told(ruleset(running), sources) == [f"line {n} of {FILE}" for n in (5, 6, 4)]


NFT = """#!/usr/sbin/nft -f
flush ruleset
include "/etc/nftables.d/*.nft"  # more
table inet filter {
    set bad { type ipv4_addr; elements = { 192.0.2.1,
        192.0.2.2 } }
    chain input {
        type filter hook input priority 0; policy drop;
        comment "a } in a comment; {"
        ct state vmap { established : accept,
            invalid : drop }
        tcp dport 22 accept; tcp dport {
            25, 587
        } accept
        ip saddr @bad \\
            drop
    }
}
table ip nat { chain prerouting { type nat hook prerouting priority -100
    tcp dport 25 redirect to :2525 } }
add rule inet filter input udp dport 53 accept
insert rule inet filter input tcp dport 23 drop
delete rule inet filter input handle 7
"""


def test_an_nft_files_rules_have_their_lines() -> None:
    written = written_for_nft("/etc/nftables.conf", NFT)
    rules = [(each.line, each.chain, each.text) for each in written if each.kind is Kind.RULE]
    assert rules == [
        (10, "input", "ct state vmap { established : accept, invalid : drop }"),
        (12, "input", "tcp dport 22 accept"),
        (12, "input", "tcp dport { 25, 587 } accept"),
        (15, "input", "ip saddr @bad drop"),
        (20, "prerouting", "tcp dport 25 redirect to :2525"),
        (21, "input", "add rule inet filter input udp dport 53 accept"),
        (22, "input", "insert rule inet filter input tcp dport 23 drop"),
    ]
    assert [(each.line, each.text) for each in written if each.kind is Kind.POLICY] == [
        (8, "policy drop")
    ]
    assert [each.line for each in written if each.kind is Kind.OTHER] == [23]
    assert {(each.family, each.table) for each in written} == {
        (None, "filter"),
        (Family.IPV4, "nat"),
    }
    assert nft_includes(NFT) == ("/etc/nftables.d/*.nft",)
