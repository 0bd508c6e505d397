"""What the administrator is told about a ruleset, in rulesets of a few lines."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

import pytest

from mailfix.firewall import (
    Backend,
    Direction,
    Dump,
    Network,
    Question,
    Verdict,
    internet,
    judge,
    read_ruleset,
)
from mailfix.firewall.addresses import AddressSet
from mailfix.model import Family

LOCAL = {Family.IPV4: "203.0.113.10", Family.IPV6: "2001:db8::10"}


def asked(
    port: int = 25,
    direction: Direction = Direction.IN,
    family: Family = Family.IPV4,
    uid: int | None = 107,
) -> Question:
    return Question(direction, family, port, "eth0", LOCAL[family], uid=uid, gid=uid)


def table(*rules: str, policy: str = "ACCEPT", name: str = "filter") -> str:
    always = {"INPUT", "OUTPUT"} if name == "filter" else set()
    chains = sorted({rule.split()[1] for rule in rules} | always)
    policies = {"INPUT": policy, "OUTPUT": "ACCEPT", "PREROUTING": policy, "POSTROUTING": policy}
    heads = [f":{each} {policies.get(each, '-')} [0:0]" for each in chains]
    return "\n".join([f"*{name}", *heads, *rules, "COMMIT", ""])


def save(text: str, backend: Backend = Backend.IPTABLES_NFT, family: Family = Family.IPV4) -> Dump:
    return Dump(backend, family, text)


def nft(*objects: Mapping[str, object]) -> Dump:
    return Dump(Backend.NFT, None, json.dumps({"nftables": list(objects)}))


def verdict(*rules: str, policy: str = "ACCEPT", question: Question | None = None) -> Verdict:
    return judge(read_ruleset([save(table(*rules, policy=policy))]), question or asked())


def words(found: Verdict) -> str:
    """passed, blocked or undecided, where it is one of them for all but a ban."""
    for word in ("passed", "blocked", "undecided"):
        if getattr(found, f"{word}_share") > 0.999:
            return word
    return "mixed"


def test_no_rules_let_everything_through() -> None:
    found = judge(read_ruleset([save(""), save("", Backend.IPTABLES_LEGACY)]), asked())
    assert found.passed_share == 1.0
    assert not found.blocked
    assert not found.undecided


def test_the_policy_is_named() -> None:
    found = verdict(policy="DROP")
    assert found.blocked_share == 1.0
    assert found.blocked[0].rule.describe() == (
        "the policy of INPUT (iptables-nft, filter): -P INPUT DROP"
    )


def test_the_rule_is_named_with_its_place_and_comment() -> None:
    rule = '-A INPUT -p tcp -m tcp --dport 25 -m comment --comment "no \\"mail\\" -j" -j DROP'
    found = verdict("-A INPUT -i lo -j ACCEPT", rule)
    (blocked,) = found.faults
    assert blocked.rule.describe() == f"rule 2 of INPUT (iptables-nft, filter): {rule}"
    assert blocked.rule.comment == 'no "mail" -j'
    assert blocked.action == "DROP"
    assert found.bans == ()


def test_counters_are_not_part_of_the_text() -> None:
    found = verdict("-A INPUT -j REJECT --reject-with icmp-port-unreachable")
    counted = table("[5:300] -A INPUT -j DROP".replace("[5:300] ", ""))
    counted = counted.replace("-A INPUT -j DROP", "[5:300] -A INPUT -j DROP")
    again = judge(read_ruleset([save(counted)]), asked())
    assert found.blocked[0].action == "REJECT"
    assert again.blocked[0].rule.text == "-A INPUT -j DROP"


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        (["-A INPUT -p tcp -m tcp --dport 1:1024 -j DROP"], "blocked"),
        (["-A INPUT -p tcp -m tcp ! --dport 25 -j DROP"], "passed"),
        (["-A INPUT -p tcp -m multiport --dports 80,20:30 -j DROP"], "blocked"),
        (["-A INPUT -p udp -m udp --dport 25 -j DROP"], "passed"),
        (["-A INPUT ! -p udp -j DROP"], "blocked"),
        (["-A INPUT -i eth+ -j DROP"], "blocked"),
        (["-A INPUT ! -i eth0 -j DROP"], "passed"),
        (["-A INPUT -d 203.0.113.10/32 -j DROP"], "blocked"),
        (["-A INPUT -d 203.0.113.11/32 -j DROP"], "passed"),
        (["-A INPUT ! -s 10.0.0.0/8 -j DROP"], "blocked"),
        (["-A INPUT -m state --state NEW -j DROP"], "blocked"),
        (["-A INPUT -m conntrack ! --ctstate RELATED,ESTABLISHED -j DROP"], "blocked"),
        (["-A INPUT -p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -j DROP"], "blocked"),
        (["-A INPUT -p tcp -m tcp --tcp-flags ALL NONE -j DROP"], "passed"),
        (["-A INPUT -m addrtype --dst-type LOCAL -j DROP"], "blocked"),
        (["-A INPUT -m mark --mark 0x1 -j DROP"], "passed"),
        (["-A INPUT -m iprange --src-range 1.0.0.0-223.255.255.255 -j DROP"], "blocked"),
        (["-A INPUT -p icmp -m icmp --icmp-type 8 -m limit --limit 1/s -j DROP"], "passed"),
        (["-A INPUT -j own", "-A own -p tcp -j RETURN", "-A own -j DROP"], "passed"),
        (["-A INPUT -g own", "-A INPUT -j DROP", "-A own -p udp -j DROP"], "passed"),
        (["-A INPUT -j own", "-A INPUT -j DROP", "-A own -p tcp -j ACCEPT"], "passed"),
        (["-A INPUT -j LOG", "-A INPUT -j NFLOG --nflog-prefix x"], "passed"),
        (["-A INPUT -m limit --limit 3/min -j DROP"], "undecided"),
        (["-A INPUT -m limit --limit 3/min -j DROP", "-A INPUT -j DROP"], "blocked"),
        (["-A INPUT -m limit --limit 3/min -j ACCEPT", "-A INPUT -j ACCEPT"], "passed"),
        (["-A INPUT -m limit --limit 3/min -j LOG"], "passed"),
        (["-A INPUT -m newthing --how much -j DROP"], "undecided"),
        (["-A INPUT -p udp -m newthing --how much -j DROP"], "passed"),
        (["-A INPUT -j NEWTHING --how much"], "undecided"),
        (["-A INPUT -j NFQUEUE --queue-num 0"], "undecided"),
        (["-A INPUT -m set --match-set missing src -j DROP"], "undecided"),
        (["-A INPUT -p tcp -m tcp --sport 1024:65535 -j DROP"], "blocked"),
        (["-A INPUT -p tcp -m tcp --sport 0:1023 -j DROP"], "passed"),
        (["-A INPUT -p tcp -m tcp --sport 5000:6000 -j DROP"], "undecided"),
        (["-A INPUT -m recent --set --name x"], "passed"),
        (["-A INPUT -m recent --update --seconds 60 --name x -j DROP"], "undecided"),
        (["-A INPUT -j nowhere"], "undecided"),
    ],
)
def test_matches_and_targets(rules: list[str], expected: str) -> None:
    assert words(verdict(*rules)) == expected


def test_mail_sent_is_judged_as_the_mail_user() -> None:
    rules = (
        "-A OUTPUT -p tcp -m tcp --dport 25 -m owner --uid-owner 107 -j ACCEPT",
        "-A OUTPUT -p tcp -m tcp --dport 25 -j REJECT --reject-with tcp-reset",
    )
    out = Direction.OUT
    assert words(verdict(*rules, question=asked(direction=out))) == "passed"
    assert words(verdict(*rules, question=asked(direction=out, uid=0))) == "blocked"
    unknown = verdict(*rules, question=asked(direction=out, uid=None))
    assert words(unknown) == "undecided"
    assert unknown.undecided[0].reason == "the mail user is not known"


def test_bans_are_told_apart_from_faults() -> None:
    bans = [f"-A INPUT -s 198.51.100.{host}/32 -j DROP" for host in range(200)]
    found = verdict(*bans, "-A INPUT -s 0.0.0.0/1 -j DROP")
    assert [each.rules for each in found.bans] == [200]
    (fault,) = found.faults
    assert fault.share == pytest.approx(0.55, abs=0.05)
    assert found.passed_share + found.blocked_share == pytest.approx(1.0)


def test_a_ban_takes_only_its_address() -> None:
    found = verdict("-A INPUT -s 8.8.8.8/32 -j DROP")
    assert list(found.blocked[0].addresses.networks(32)) == ["8.8.8.8/32"]
    assert found.passed == found.space - AddressSet.network("8.8.8.8")


def test_a_drop_in_either_backend_wins() -> None:
    accept, drop = table("-A INPUT -j ACCEPT"), table("-A INPUT -p tcp --dport 25 -j DROP")
    for texts in ((accept, drop), (drop, accept)):
        dumps = [save(texts[0]), save(texts[1], Backend.IPTABLES_LEGACY)]
        assert words(judge(read_ruleset(dumps), asked())) == "blocked"


def test_notrack_hides_a_connection_from_accepts_on_new() -> None:
    raw = table("-A PREROUTING -p tcp --dport 25 -j NOTRACK", name="raw")
    rules = table("-A INPUT -m state --state NEW,ESTABLISHED -j ACCEPT", policy="DROP")
    assert words(judge(read_ruleset([save(raw + rules)]), asked())) == "blocked"
    assert words(judge(read_ruleset([save(raw + rules)]), asked(587))) == "passed"


@pytest.mark.parametrize(
    "rules",
    [
        ["-A INPUT -m state --state NEW -j ACCEPT", "-A INPUT -j DROP"],
        ["-A INPUT -p tcp -m tcp --syn -j ACCEPT", "-A INPUT -j DROP"],
        ["-A INPUT -m state --state ESTABLISHED -j DROP"],
        ["-A PREROUTING -p tcp -m tcp --tcp-flags SYN,ACK ACK -j DROP"],
    ],
)
def test_a_connection_whose_first_packet_alone_passes_is_blocked(rules: list[str]) -> None:
    name = "mangle" if "PREROUTING" in rules[0] else "filter"
    found = judge(read_ruleset([save(table(*rules, name=name))]), asked())
    assert words(found) == "blocked"
    assert found.blocked[0].later
    assert found.blocked[0].rule.text == rules[-1]


def test_redirect_changes_the_port_that_input_sees() -> None:
    nat = table("-A PREROUTING -p tcp --dport 25 -j REDIRECT --to-ports 2525", name="nat")
    for port, expected in ((25, "passed"), (2525, "blocked")):
        rules = table(f"-A INPUT -p tcp --dport {port} -j DROP")
        assert words(judge(read_ruleset([save(nat + rules)]), asked())) == expected


def test_it_is_told_at_which_port_redirected_packets_arrive() -> None:
    nat = table(
        "-A PREROUTING -s 0.0.0.0/1 -p tcp --dport 25 -j REDIRECT --to-ports 2525",
        "-A PREROUTING -s 8.8.8.8/32 -p tcp --dport 587 -j REDIRECT --to-ports 2525",
        "-A PREROUTING -p tcp --dport 465 -j REDIRECT --to-ports 465",
        name="nat",
    )
    ruleset = read_ruleset([save(nat)])
    (arrival,) = judge(ruleset, asked()).arrivals
    assert (arrival.port, arrival.rule.position, arrival.is_broad) == (2525, 1, True)
    assert arrival.share == pytest.approx(0.55, abs=0.05)
    (few,) = judge(ruleset, asked(587)).arrivals
    assert not few.is_broad
    assert judge(ruleset, asked(465)).arrivals == ()


def test_redirected_packets_that_do_not_pass_or_only_may_be_redirected_arrive_nowhere() -> None:
    certain = "-A PREROUTING -p tcp --dport 25 -j REDIRECT --to-ports 2525"
    doubtful = certain.replace(" -j", " -m limit --limit 1/s -j")
    dropped = table("-A INPUT -p tcp --dport 2525 -j DROP")
    for text in (table(certain, name="nat") + dropped, table(doubtful, name="nat")):
        assert judge(read_ruleset([save(text)]), asked()).arrivals == ()


def test_the_rule_that_stops_the_answers_is_named() -> None:
    ruleset = read_ruleset([save(ANSWERS_FORGOTTEN)])
    (blocked,) = judge(ruleset, asked()).faults
    assert blocked.answer
    assert blocked.rule.describe() == "the policy of OUTPUT (iptables-nft, filter): -P OUTPUT DROP"
    assert words(judge(ruleset, asked(direction=Direction.OUT))) == "passed"
    assert words(judge(ruleset, asked(), with_answer=False)) == "passed"


ANSWERS_FORGOTTEN = table("-A OUTPUT -p tcp -m tcp --dport 25 -j ACCEPT").replace(
    ":OUTPUT ACCEPT", ":OUTPUT DROP"
)


def test_what_is_blocked_coming_in_is_not_counted_again_on_the_answers_way() -> None:
    blocked = ANSWERS_FORGOTTEN.replace("COMMIT", "-A INPUT -s 0.0.0.0/1 -j DROP\nCOMMIT")
    found = judge(read_ruleset([save(blocked)]), asked())
    assert found.blocked_share == pytest.approx(1.0)
    assert [(each.rule.chain, each.answer) for each in found.blocked] == [
        ("INPUT", False),
        ("OUTPUT", True),
    ]


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        (["-A OUTPUT -p tcp -m tcp --sport 25 -j DROP"], "blocked"),
        (["-A OUTPUT -p tcp -m tcp --dport 25 -j DROP"], "passed"),
        (["-A OUTPUT -p tcp -m tcp --dport 1024:65535 -j DROP"], "blocked"),
        (["-A OUTPUT -p tcp -m tcp --dport 5000:6000 -j DROP"], "undecided"),
        (["-A OUTPUT -p tcp -m multiport --ports 25,80 -j DROP"], "blocked"),
        (["-A OUTPUT -m state --state NEW -j DROP"], "passed"),
        (["-A OUTPUT -m state --state ESTABLISHED -j DROP"], "blocked"),
        (["-A OUTPUT -p tcp -m tcp --syn -j DROP"], "passed"),
        (["-A OUTPUT -p tcp -m tcp --tcp-flags SYN,ACK SYN,ACK -j DROP"], "blocked"),
        (["-A OUTPUT -s 203.0.113.10/32 -j DROP"], "blocked"),
        (["-A OUTPUT -d 203.0.113.10/32 -j DROP"], "passed"),
        (["-A OUTPUT -o eth0 -j DROP"], "blocked"),
        (["-A OUTPUT -i eth0 -j DROP"], "passed"),
        (["-A OUTPUT -m conntrack --ctdir ORIGINAL -j DROP"], "passed"),
        (["-A OUTPUT -m conntrack --ctorigdst 203.0.113.10/32 -j DROP"], "blocked"),
        (["-A OUTPUT -m conntrack --ctorigsrc 203.0.113.10/32 -j DROP"], "passed"),
        (["-A OUTPUT -m owner --uid-owner 107 -j DROP"], "undecided"),
        (["-A OUTPUT -p udp -m owner --uid-owner 107 -j DROP"], "passed"),
    ],
)
def test_answers_to_what_comes_in(rules: list[str], expected: str) -> None:
    assert words(verdict(*rules)) == expected


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        (["-A INPUT -p tcp -m tcp --sport 25 -j DROP"], "blocked"),
        (["-A INPUT -p tcp -m tcp --dport 1024:65535 -j DROP"], "blocked"),
        (["-A INPUT -p tcp -m tcp --dport 32768:60999 -j DROP"], "blocked"),
        (["-A INPUT -p tcp -m tcp --dport 0:32767 -j DROP"], "passed"),
        (["-A INPUT -p tcp -m tcp --dport 25 -j DROP"], "passed"),
        (["-A INPUT -m state --state NEW -j DROP"], "passed"),
        (["-A INPUT -p tcp -m tcp ! --syn -j DROP"], "blocked"),
        (["-A INPUT -s 0.0.0.0/0 -i eth0 -j DROP"], "blocked"),
    ],
)
def test_answers_to_what_goes_out(rules: list[str], expected: str) -> None:
    assert words(verdict(*rules, question=asked(direction=Direction.OUT))) == expected


def test_an_answer_to_an_untracked_packet_is_invalid_unless_it_is_untracked_too() -> None:
    forth = "-A PREROUTING -p tcp --dport 25 -j NOTRACK"
    back = "-A OUTPUT -p tcp --sport 25 -j NOTRACK"
    rules = table("-A OUTPUT -m state --state INVALID -j DROP")
    for raw, expected in (([forth], "blocked"), ([forth, back], "passed"), ([], "passed")):
        text = table(*raw, name="raw") + rules
        assert words(judge(read_ruleset([save(text)]), asked())) == expected


def test_untracked_answers_to_redirected_packets_are_undecided() -> None:
    nat = table("-A PREROUTING -p tcp --dport 25 -j REDIRECT --to-ports 2525", name="nat")
    raw = table("-A OUTPUT -p tcp --sport 2525 -j NOTRACK", name="raw")
    found = judge(read_ruleset([save(raw + nat)]), asked())
    assert words(found) == "undecided"
    assert "translates them back" in found.undecided[0].reason


@pytest.mark.parametrize(
    ("kind", "families"),
    [("icmp", {Family.IPV4}), ("icmpv6", {Family.IPV6}), ("icmpx", set(Family)), ("", set(Family))],
)
def test_a_native_reject_by_icmp_is_for_the_family_of_that(
    kind: str, families: set[Family]
) -> None:
    """nft lists `meta nfproto ipv4 reject with icmp ...` without `meta nfproto`."""
    reject = rule({"reject": {"type": kind, "expr": "port-unreachable"} if kind else None})
    ruleset = read_ruleset([nft(INET, chain(**ON_INPUT), reject)])
    blocked = {each for each in Family if judge(ruleset, asked(family=each)).blocked_share == 1}
    assert blocked == families


def test_a_native_address_that_its_mask_excludes_is_nowhere() -> None:
    left = {"&": [{"payload": {"protocol": "ip", "field": "saddr"}}, "255.0.255.0"]}
    for value, share in (("8.8.8.8", 0), ("8.0.8.0", 256 * 256)):
        drop = rule({"match": {"op": "==", "left": left, "right": value}}, {"drop": None})
        found = judge(read_ruleset([nft(INET, chain(**ON_INPUT), drop)]), asked())
        assert sum(each.addresses.count() for each in found.blocked) == share


CONTAINER = table(
    "-A PREROUTING -p tcp -m tcp --dport 25 -j DNAT --to-destination 172.17.0.2:2525", name="nat"
)
BRIDGE = Network("docker0", AddressSet.network("172.17.0.0/16"))


def forwarded(*rules: str, forwarding: bool | None = True) -> Verdict:
    chains = ":INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT DROP [0:0]\n"
    forward = "*filter\n" + chains + "".join(f"{rule}\n" for rule in rules) + "COMMIT\n"
    question = replace(asked(), networks=(BRIDGE,), forwarding=forwarding)
    return judge(read_ruleset([save(CONTAINER + forward)]), question)


def test_a_port_sent_to_a_container_is_judged_where_it_is_forwarded() -> None:
    back = "-A FORWARD -i docker0 -o eth0 -s 172.17.0.2/32 -p tcp -m tcp --sport 2525 -j ACCEPT"
    there = "-A FORWARD -i eth0 -o docker0 -d 172.17.0.2/32 -p tcp -m tcp --dport 2525 -j ACCEPT"
    assert words(forwarded(there, back)) == "passed"
    assert words(forwarded(there, "-A FORWARD -m state --state ESTABLISHED -j ACCEPT")) == "passed"
    assert forwarded(there).blocked[0].answer
    assert forwarded(back).blocked[0].rule.chain == "FORWARD"
    assert words(forwarded(there.replace("2525", "25"), back)) == "blocked"


def test_a_port_sent_to_another_host_is_undecided_where_nothing_may_be_forwarded() -> None:
    found = forwarded("-A FORWARD -j ACCEPT", forwarding=None)
    assert words(found) == "undecided"
    reason = "sent on to 172.17.0.2, but this host may not forward packets"
    assert found.undecided[0].reason == reason
    assert words(forwarded("-A FORWARD -j ACCEPT", forwarding=False)) == "undecided"


def test_marks_are_followed() -> None:
    mangle = table("-A PREROUTING -p tcp --dport 25 -j MARK --set-xmark 0x5/0xff", name="mangle")
    rules = table("-A INPUT -m mark --mark 0x1/0x1 -j DROP")
    assert words(judge(read_ruleset([save(mangle + rules)]), asked())) == "blocked"
    assert words(judge(read_ruleset([save(mangle + rules)]), asked(587))) == "passed"


def test_families_are_judged_apart() -> None:
    ruleset = read_ruleset([save(table(policy="DROP"), family=Family.IPV6)])
    assert words(judge(ruleset, asked())) == "passed"
    assert words(judge(ruleset, asked(family=Family.IPV6))) == "blocked"


def test_without_a_default_route_interfaces_are_undecided() -> None:
    question = Question(Direction.IN, Family.IPV4, 25, "", LOCAL[Family.IPV4])
    assert words(verdict("-A INPUT -i eth0 -j DROP", question=question)) == "undecided"
    assert words(verdict("-A INPUT -i lo -j DROP", question=question)) == "passed"


IPSETS = """\
create bad hash:net family inet hashsize 1024 maxelem 65536
add bad 8.0.0.0/8
add bad 8.8.0.0/16 nomatch
add bad 8.8.8.8 comment "nomatch"
create masked hash:ip family inet netmask 24
add masked 9.9.9.0
create pairs hash:ip,port family inet
add pairs 7.7.7.7,tcp:25
add pairs 7.7.7.8,tcp:587
create all list:set size 8
add all bad
add all masked
"""


@pytest.mark.parametrize(
    ("name", "sides", "networks"),
    [
        ("masked", "src", ["9.9.9.0/24"]),
        ("pairs", "src,dst", ["7.7.7.7/32"]),
        ("pairs", "src,src", []),
    ],
)
def test_ipsets(name: str, sides: str, networks: list[str]) -> None:
    rules = save(table(f"-A INPUT -m set --match-set {name} {sides} -j DROP"))
    found = judge(read_ruleset([rules, Dump(Backend.IPSET, None, IPSETS)]), asked())
    assert [text for each in found.blocked for text in each.addresses.networks(32)] == networks
    assert found.undecided_share == 0


def test_exceptions_in_an_ipset_and_lists_of_sets() -> None:
    rules = save(table("-A INPUT -m set --match-set all src -j DROP"))
    found = judge(read_ruleset([rules, Dump(Backend.IPSET, None, IPSETS)]), asked())
    expected = AddressSet.network("8.0.0.0/8") - AddressSet.network("8.8.0.0/16")
    expected = expected | AddressSet.network("8.8.8.8") | AddressSet.network("9.9.9.0/24")
    assert found.blocked[0].addresses == expected


@pytest.mark.parametrize(
    "text",
    [
        table(policy="DROP").replace("COMMIT\n", ""),
        table().replace("COMMIT", "what is this\nCOMMIT"),
        "\x00\xff garbage",
        table("-A INPUT -j own", "-A own -j INPUT"),
        table("-A INPUT -j a", "-A a -j b", "-A b -j a"),
        table(f"-A INPUT -s {'1' * 100_000} -j DROP"),
        "# Table `filter' is incompatible, use 'nft' tool.\n",
        "# Warning: iptables-legacy tables present, use iptables-legacy-save to see them\n",
        table("-A INPUT -p tcp -j DROP --what"),
    ],
)
def test_what_cannot_be_read_is_undecided_and_says_why(text: str) -> None:
    found = judge(read_ruleset([save(text)]), asked())
    assert found.passed_share == 0
    assert words(found) in ("undecided", "blocked")
    assert found.blocked or found.undecided[0].reason


def test_chains_nested_without_end_are_undecided_in_time() -> None:
    deep = [f"-A c{at} -j c{at + 1}" for at in range(10_000)]
    found = verdict("-A INPUT -j c0", *deep, "-A c10000 -j DROP")
    assert words(found) == "undecided"
    doubling = [f"-A c{at} -j c{at + 1}" for at in range(40) for _ in range(2)]
    found = verdict("-A INPUT -j c0", *doubling, "-A c40 -s 1.1.1.1 -j DROP")
    assert words(found) == "passed"
    assert len(found.bans) == 1
    limited = [rule.replace(" -j", " -m limit --limit 1/s -j") for rule in doubling]
    found = verdict("-A INPUT -j c0", *limited, "-A c40 -s 1.1.1.1 -j DROP")
    assert found.undecided


def chain(**settings: object) -> dict[str, object]:
    base = {"family": "inet", "table": "t", "name": "c", "handle": 1}
    return {"chain": base | settings}


def rule(*expressions: object, **settings: object) -> dict[str, object]:
    base = {"family": "inet", "table": "t", "chain": "c", "handle": 7, "expr": list(expressions)}
    return {"rule": base | settings}


INET = {"table": {"family": "inet", "name": "t", "handle": 1}}
ON_INPUT = {"type": "filter", "hook": "input", "prio": 0, "policy": "accept"}
DPORT = {"payload": {"protocol": "tcp", "field": "dport"}}


def test_a_native_rule_is_shown_in_nft_syntax() -> None:
    ports = {"match": {"op": "==", "left": DPORT, "right": {"set": [25, {"range": [465, 587]}]}}}
    found = judge(
        read_ruleset([nft(INET, chain(**ON_INPUT), rule(ports, {"drop": None}, comment="why"))]),
        asked(587),
    )
    (blocked,) = found.faults
    assert blocked.rule.describe() == (
        "rule 1, handle 7 of c (nft, t): tcp dport { 25, 465-587 } drop"
    )
    assert blocked.rule.comment == "why"


def test_native_policy_sets_and_families() -> None:
    elements = [{"elem": {"val": "8.8.8.8", "timeout": 60}}, "9.9.9.9"]
    members = {"set": {"family": "inet", "table": "t", "name": "s", "type": "ipv4_addr",
                       "elem": elements}}  # fmt: skip
    lookup = {"match": {"op": "==", "left": {"payload": {"protocol": "ip", "field": "saddr"}},
                        "right": "@s"}}  # fmt: skip
    closed = chain(**(ON_INPUT | {"policy": "drop"}))
    ruleset = read_ruleset([nft(INET, members, closed, rule(lookup, {"accept": None}))])
    assert list(judge(ruleset, asked()).passed.networks(32)) == ["8.8.8.8/32", "9.9.9.9/32"]
    over_ipv6 = judge(ruleset, asked(family=Family.IPV6))
    assert over_ipv6.blocked[0].rule.text == "policy drop"
    assert over_ipv6.blocked_share == 1.0


def test_rules_of_iptables_are_taken_from_the_save_and_native_ones_from_nft() -> None:
    """iptables-nft-save shows `ip saddr @x drop` as `-j DROP`; nft hides what multiport asks."""
    of_ip = {"family": "ip", "table": "filter"}
    text = table("-A INPUT -j DROP", "-A INPUT -p tcp -m multiport --dports 587 -j REJECT")
    multiport = {"xt": {"type": "match", "name": "multiport"}}
    lookup = {"match": {"op": "==", "left": {"payload": {"protocol": "ip", "field": "saddr"}},
                        "right": "@x"}}  # fmt: skip
    listed = nft(
        {"table": {"family": "ip", "name": "filter", "handle": 1}},
        {"set": of_ip | {"name": "x", "type": "ipv4_addr", "elem": ["8.8.8.8"]}},
        chain(**(ON_INPUT | of_ip | {"name": "INPUT"})),
        rule(lookup, {"drop": None}, **of_ip, chain="INPUT"),
        rule(multiport, {"counter": {}}, {"reject": None}, **of_ip, chain="INPUT"),
    )
    ruleset = read_ruleset([save(text), listed])
    smtp, submission = judge(ruleset, asked(25)), judge(ruleset, asked(587))
    assert [each.rule.text for each in smtp.blocked] == ["ip saddr @x drop"]
    assert smtp.undecided == ()
    assert submission.faults[0].rule.text.startswith("-A INPUT -p tcp -m multiport")


def test_nft_alone_leaves_what_iptables_asked_undecided() -> None:
    hidden = rule({"xt": {"type": "match", "name": "multiport"}}, {"drop": None})
    found = judge(read_ruleset([nft(INET, chain(**ON_INPUT), hidden)]), asked())
    assert words(found) == "undecided"
    assert "multiport" in found.undecided[0].reason


@pytest.mark.parametrize("text", ["{", "[]", '{"nftables": [{"rule": {}}]}', "[" * 100_000])
def test_an_nft_list_that_cannot_be_read_is_undecided(text: str) -> None:
    found = judge(read_ruleset([Dump(Backend.NFT, None, text)]), asked())
    assert words(found) == "undecided"
    assert found.undecided[0].rule is None


def test_the_documentation_ranges_count_as_public_and_private_ones_do_not() -> None:
    space = internet(Family.IPV4)
    for text in ("192.0.2.1", "198.51.100.1", "203.0.113.1", "8.8.8.8"):
        assert AddressSet.network(text) & space
    for text in ("10.1.1.1", "192.168.1.1", "100.64.0.1", "127.0.0.1", "224.0.0.1", "250.0.0.1"):
        assert not AddressSet.network(text) & space
    assert AddressSet.network("2001:db8::1") & internet(Family.IPV6)
    assert not AddressSet.network("fe80::1") & internet(Family.IPV6)
