"""The cure of a blocked port as its user reads it: what to change, and what else it changes."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from mailfix.firewall import Backend, Direction, Dump, Question, judge, read_ruleset
from mailfix.firewall.cure import Cure, Drifted, Kind, applied, commands, cure, inverted
from mailfix.firewall.cure.edits import ChainRef, Edit, deletion
from mailfix.firewall.cure.originals import Originals
from mailfix.model import Family

QUESTION = Question(
    Direction.IN, Family.IPV4, 25, "eth0", "203.0.113.10", uid=107, gid=114, forwarding=False
)
KNOWN = "-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"


def save(*lines: str, table: str = "filter", family: Family = Family.IPV4, **policies: str) -> Dump:
    policies = policies or {"INPUT": "ACCEPT", "FORWARD": "ACCEPT", "OUTPUT": "ACCEPT"}
    own = {line.split(" ")[1] for line in lines} - policies.keys()
    heads = [f":{name} {policy} [0:0]" for name, policy in policies.items()]
    heads += [f":{name} - [0:0]" for name in sorted(own)]
    text = "\n".join([f"*{table}", *heads, *lines, "COMMIT", ""])
    return Dump(Backend.IPTABLES_NFT, family, text)


def cured(*dumps: Dump, asked: Question = QUESTION) -> Cure:
    return cure(read_ruleset(dumps), asked, dumps)


def test_the_preview_says_rule_share_and_that_nothing_else_changes() -> None:
    found = cured(save(KNOWN, "-A INPUT -p tcp -m tcp --dport 25 -j DROP"))
    assert found.describe() == (
        "delete rule 2 of INPUT (iptables-nft, filter): -A INPUT -p tcp -m tcp --dport 25 -j DROP; "
        "opens tcp/25 over IPv4 for 100 % of the Internet, changes nothing else"
    )
    assert found.automatic


def test_what_a_rate_decides_is_not_opened_by_itself() -> None:
    doubtful = cured(save("-A INPUT -m limit --limit 9/sec -j DROP", "-A INPUT -j DROP"))
    assert not doubtful.automatic
    assert "not certain" in doubtful.why_not


def test_nothing_is_proposed_where_nothing_is_blocked() -> None:
    found = cured(save(KNOWN))
    assert (found.plan, found.automatic, found.edits) == ((), False, ())
    assert found.describe() == found.why_not == "nothing is known to be blocked"


def test_bans_stay_wherever_they_stand() -> None:
    ban = "-A INPUT -s 198.51.100.0/24 -j DROP"
    for lines in ((ban, "-A INPUT -j DROP"), ("-A INPUT -j DROP", ban)):
        dumps = [save(*lines)]
        ruleset = read_ruleset(dumps)
        found = cured(*dumps)
        after = judge(applied(ruleset, found.edits), QUESTION)
        assert found.automatic
        assert [each.addresses.count() for each in after.blocked] == [256]


@pytest.mark.parametrize("forwarding", [None, True])
def test_what_is_forwarded_stays_shut(forwarding: bool | None) -> None:
    dump = save(
        "-A INPUT -j both",
        "-A FORWARD -j both",
        "-A both -m state --state ESTABLISHED -j ACCEPT",
        "-A both -j REJECT",
    )
    found = cured(dump, asked=replace(QUESTION, forwarding=forwarding))
    assert found.automatic
    assert "--dst-type LOCAL" in found.describe()
    assert any("changes what is forwarded" in each.describe() for each in found.others)


def test_blockers_in_a_row_are_one_plan() -> None:
    dumps = [
        save(
            "-A PREROUTING -p tcp -m tcp --dport 25 -j DROP",
            table="raw",
            PREROUTING="ACCEPT",
            OUTPUT="ACCEPT",
        ),
        save(KNOWN, INPUT="DROP", FORWARD="ACCEPT", OUTPUT="ACCEPT"),
    ]
    text = Dump(Backend.IPTABLES_NFT, Family.IPV4, dumps[0].text + dumps[1].text)
    ruleset = read_ruleset([text])
    found = cured(text)
    (command,) = found.commands(ruleset)
    assert found.automatic
    assert command.arguments == ("iptables-nft-restore", "--noflush", "-w")
    assert command.stdin == (
        "*raw\n-D PREROUTING -p tcp -m tcp --dport 25 -j DROP\nCOMMIT\n"
        "*filter\n-I INPUT 2 -p tcp -m tcp --dport 25 -j ACCEPT\nCOMMIT\n"
    )


def test_the_way_back_restores_rule_and_place() -> None:
    dump = save(KNOWN, '-A INPUT -p tcp -m comment --comment "a \\"b\\"" -m tcp --dport 25 -j DROP')
    ruleset = read_ruleset([dump])
    found = cured(dump)
    after = applied(ruleset, found.edits)
    (command,) = commands(found.inverse, after)
    assert applied(after, found.inverse) == ruleset
    assert command.arguments[:6] == ("iptables-nft", "-w", "-t", "filter", "-I", "INPUT")
    assert command.arguments[6:] == (
        *("2", "-p", "tcp", "-m", "comment", "--comment", 'a "b"'),
        *("-m", "tcp", "--dport", "25", "-j", "DROP"),
    )


def test_a_ruleset_that_has_changed_meanwhile_is_not_edited() -> None:
    dump = save(KNOWN, "-A INPUT -p tcp -m tcp --dport 25 -j DROP")
    found = cured(dump)
    other = read_ruleset([save("-A INPUT -p tcp -m tcp --dport 26 -j DROP")])
    with pytest.raises(Drifted):
        applied(other, found.edits)
    with pytest.raises(Drifted):
        found.commands(other)


def test_the_sender_is_named_where_senders_are_told_apart() -> None:
    dump = save(
        "-A OUTPUT -p tcp -m multiport --dports 25,465 -m owner --uid-owner 0 -j ACCEPT",
        "-A OUTPUT -p tcp -m multiport --dports 25,465 -j REJECT",
    )
    found = cured(dump, asked=replace(QUESTION, direction=Direction.OUT))
    assert found.automatic
    assert "--dport 25 -m owner --uid-owner 107 -j ACCEPT" in found.describe()


def test_a_row_of_broad_blocks_is_passed_by_in_one_place() -> None:
    rows = [f"-A INPUT -s {first}.0.0.0/8 -j DROP" for first in range(11, 60)]
    found = cured(save(KNOWN, *rows))
    assert found.automatic
    (step,) = found.plan
    assert step.summary.startswith("insert as rule 2 of INPUT")


def test_what_dnat_sends_on_is_opened_where_it_is_forwarded() -> None:
    text = """*nat
:PREROUTING ACCEPT [0:0]
-A PREROUTING -p tcp -m tcp --dport 25 -j DNAT --to-destination 10.0.0.5:2525
COMMIT
*filter
:FORWARD DROP [0:0]
-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
COMMIT
"""
    dump = Dump(Backend.IPTABLES_NFT, Family.IPV4, text)
    found = cured(dump, asked=replace(QUESTION, forwarding=True))
    assert found.automatic
    assert "--dport 2525 -m conntrack --ctstate DNAT --ctorigdstport 25" in found.describe()


def test_answers_are_let_back_in_and_nothing_new_with_them() -> None:
    dump = save(INPUT="DROP", OUTPUT="ACCEPT")
    found = cured(dump, asked=replace(QUESTION, direction=Direction.OUT))
    assert found.automatic
    assert "--sport 25 -m conntrack --ctstate ESTABLISHED -j ACCEPT" in found.describe()


def native(*rules: list[object], policy: str = "accept", sets: tuple[object, ...] = ()) -> Dump:
    place = {"family": "inet", "table": "t"}
    chain = {**place, "name": "c", "type": "filter", "hook": "input", "prio": 0, "policy": policy}
    found: list[object] = [{"table": {"family": "inet", "name": "t"}}, *sets, {"chain": chain}]
    found += (
        {"rule": {**place, "chain": "c", "handle": handle, "expr": expressions}}
        for handle, expressions in enumerate(rules, 5)
    )
    return Dump(Backend.NFT, None, json.dumps({"nftables": found}))


def port(right: object) -> dict[str, object]:
    left = {"payload": {"protocol": "tcp", "field": "dport"}}
    return {"match": {"op": "==", "left": left, "right": right}}


DROP = {"drop": None}


def test_a_native_rule_is_narrowed_in_one_transaction() -> None:
    dump = native([port({"set": [22, 25]}), DROP])
    found = cure(read_ruleset([dump]), QUESTION, [dump], [replace(QUESTION, family=Family.IPV6)])
    (command,) = found.commands(read_ruleset([dump]))
    place = {"family": "inet", "table": "t", "chain": "c"}
    assert command.arguments == ("nft", "-j", "-f", "-")
    assert json.loads(command.stdin)["nftables"] == [
        {"insert": {"rule": {**place, "handle": 5, "expr": [port(22), DROP]}}},
        {"delete": {"rule": {**place, "handle": 5}}},
    ]


def test_a_table_of_both_families_opens_for_the_one_asked() -> None:
    found = cured(native(policy="drop"))
    assert found.automatic
    assert "meta nfproto ipv4 tcp dport 25 accept" in found.describe()


def test_both_families_open_together_when_both_are_asked() -> None:
    dump = native([port(25), DROP])
    also = replace(QUESTION, family=Family.IPV6, local_address="2001:db8::10")
    found = cure(read_ruleset([dump]), QUESTION, [dump], [also])
    assert found.automatic
    assert [step.kind for step in found.plan] == [Kind.DELETE]


def test_the_way_back_names_no_handle_that_went_with_a_deleted_rule() -> None:
    rules = ([port(22), DROP], [port(25), DROP], [port(587), DROP])
    dump = native(*rules)
    ruleset, originals = read_ruleset([dump]), Originals.of([dump])
    chain = ChainRef(Backend.NFT, None, "t", "c")
    edits: list[Edit] = []
    for place in (2, 2):
        now = applied(ruleset, edits)
        _, found = chain.find(now)
        edits.append(deletion(chain, originals.spelled(chain, found.rules[place - 1])))
    (back,) = commands(inverted(edits), read_ruleset([native(rules[0])]))
    anchors = [
        (deed, body["rule"].get("handle"), body["rule"]["expr"][0])
        for each in json.loads(back.stdin)["nftables"]
        for deed, body in each.items()
    ]
    assert anchors == [("add", None, port(587)), ("add", 5, port(25))]


def test_what_nft_cannot_say_again_is_not_taken_away() -> None:
    dump = native([{"xt": {"type": "match", "name": "comment"}}, DROP])
    found = cured(dump)
    assert all(step.kind is Kind.INSERT for step in (*found.plan, *found.others))


UFW = (
    "-A INPUT -j ufw-before-input",
    "-A INPUT -j ufw-after-input",
    "-A ufw-before-input -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
    "-A ufw-before-input -j ufw-user-input",
    "-A ufw-user-input -p tcp -m tcp --dport 22 -j ACCEPT",
    "-A ufw-after-input -p udp -m udp --dport 137 -j DROP",
)


def ufw(family: Family = Family.IPV4) -> Dump:
    lines = [line.replace("ufw-", "ufw6-") if family is Family.IPV6 else line for line in UFW]
    return save(*lines, family=family, INPUT="DROP", FORWARD="DROP", OUTPUT="ACCEPT")


def test_ufw_is_told_in_its_own_way() -> None:
    found = cured(ufw())
    (step,) = found.plan
    assert step.owner is not None
    assert step.owner.commands == (("ufw", "allow", "25/tcp"),)
    assert step.owner.undo == (("ufw", "delete", "allow", "25/tcp"),)
    assert found.automatic


def test_ufw_opens_one_family_where_only_one_was_asked() -> None:
    found = cured(ufw(), ufw(Family.IPV6))
    (step,) = found.plan
    assert step.owner is not None
    assert step.owner.commands == (
        ("ufw", "allow", "proto", "tcp", "from", "any", "to", "0.0.0.0/0", "port", "25"),
    )


def test_a_denial_of_ufw_is_deleted_with_ufw() -> None:
    denied = (*UFW, "-A ufw-user-input -p tcp -m tcp --dport 25 -j DROP")
    found = cured(save(*denied, INPUT="ACCEPT", OUTPUT="ACCEPT"))
    (step,) = found.plan
    assert step.owner is not None
    assert step.owner.commands == (("ufw", "delete", "deny", "25/tcp"),)
    assert step.owner.undo == ()
    assert step.owner.files == ("/etc/ufw/user.rules", "/etc/ufw/user6.rules")
    assert step.owner.reload == ("ufw", "reload")


FIREWALLD = (
    "-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
    "-A INPUT -j INPUT_ZONES",
    "-A INPUT -j REJECT",
    "-A INPUT_ZONES -i eth1 -g IN_trusted",
    "-A INPUT_ZONES -g IN_public",
    "-A IN_trusted -j ACCEPT",
    "-A IN_public -j IN_public_allow",
    "-A IN_public -j REJECT",
    "-A IN_public_allow -p tcp -m tcp --dport 22 -j ACCEPT",
)


def test_firewalld_is_told_in_the_zone_that_the_packets_are_in() -> None:
    found = cured(save(*FIREWALLD))
    (step,) = found.plan
    assert step.owner is not None
    assert step.owner.commands == (
        ("firewall-cmd", "--permanent", "--zone=public", "--add-port=25/tcp"),
        ("firewall-cmd", "--zone=public", "--add-port=25/tcp"),
    )
    assert found.automatic


def test_csf_is_changed_in_its_file_and_not_by_itself() -> None:
    dump = save(
        "-A INPUT -j LOCALINPUT",
        "-A INPUT -j LOGDROPIN",
        "-A LOCALINPUT -s 198.51.100.7/32 -j DROP",
        "-A LOGDROPIN -j DROP",
    )
    found = cured(dump)
    assert not found.automatic
    assert found.why_not == "add 25 to TCP_IN in /etc/csf/csf.conf, then run csf -r"


def test_fail2ban_is_left_alone() -> None:
    dump = save("-A INPUT -p tcp -j f2b-mail", "-A f2b-mail -s 0.0.0.0/1 -j DROP")
    found = cured(dump)
    assert (found.plan, found.automatic) == ((), False)


def test_a_ban_list_keeps_its_bans_and_loses_a_typo() -> None:
    ipset = Dump(
        Backend.IPSET, None, "create bad hash:net family inet\nadd bad 198.51.100.7\n"
        "add bad 128.0.0.0/1 timeout 0\n"
    )  # fmt: skip
    dump = save("-A INPUT -p tcp -m tcp --dport 25 -m set --match-set bad src -j DROP")
    ruleset = read_ruleset([dump, ipset])
    found = cure(ruleset, QUESTION, [dump, ipset])
    assert found.automatic
    assert [each.stdin for each in found.commands(ruleset)] == ["del bad 128.0.0.0/1\n"]
    back = commands(inverted(found.edits), applied(ruleset, found.edits))
    assert [each.stdin for each in back] == ["add bad 128.0.0.0/1 timeout 0\n"]
