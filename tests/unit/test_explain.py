"""What `mailfix explain` tells: the answer first, then the way, the deciding rule marked."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from jsonschema import Draft202012Validator

from mailfix import report
from mailfix.facts import Listener, MailUser, Reach
from mailfix.firewall import (
    AddressSet,
    Backend,
    Direction,
    Dump,
    Journey,
    Network,
    Question,
    follow,
    read_ruleset,
)
from mailfix.firewall.cure import Command, ListedSetting
from mailfix.model import Fact, Family, Known, Unknown
from mailfix.report.explain import document, text
from mailfix.report.explain.explanation import (
    Answer,
    Asked,
    Explanation,
    Remedy,
    RemedyStep,
    Way,
)

SCHEMA = json.loads((Path(report.__file__).parent / "explain.schema.json").read_text("utf-8"))
Listeners: TypeAlias = Fact[tuple[Listener, ...]]
LISTENERS: Listeners = Known(
    (Listener(25, "0.0.0.0", (Family.IPV4,), Reach.NETWORK, 312, "exim4"),)
)
NOBODY: Listeners = Known(())

BLOCKED = """
*filter
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:f2b-sshd - [0:0]
:services - [0:0]
-A INPUT -p tcp -j f2b-sshd
-A INPUT -p tcp -j services
-A f2b-sshd -j RETURN
-A services -p tcp -m multiport --dports 20:30 -j DROP
COMMIT
*mangle
:PREROUTING ACCEPT [0:0]
COMMIT
"""
DROP = "rule 1 of services (iptables-nft, filter): -A services -p tcp -m multiport --dports 20:30"
POLICY = """
*filter
:INPUT DROP [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -s 10.0.0.0/8 -j ACCEPT
{rules}
COMMIT
"""
ALLOWED = POLICY.format(rules="-A INPUT -p tcp -m tcp --dport 25 -j ACCEPT")
RATED = POLICY.format(rules="-A INPUT -p tcp -m tcp --dport 25 -m limit --limit 5/min -j ACCEPT")
BANS = "\n".join(f"-A INPUT -s 198.51.100.{last}/32 -j DROP" for last in range(1, 214))
BANNED = POLICY.format(rules=f"{BANS}\n-A INPUT -p tcp -m tcp --dport 25 -j ACCEPT")
REDIRECT = """
*nat
:PREROUTING ACCEPT [0:0]
-A PREROUTING -p tcp -m tcp --dport 25 -j REDIRECT --to-ports 2525
COMMIT
"""


BRIDGE = (Network("docker0", AddressSet.network("172.17.0.0/16")),)
CONTAINER = """
*nat
:PREROUTING ACCEPT [0:0]
-A PREROUTING -p tcp -m tcp --dport 25 -j DNAT --to-destination 172.17.0.2:2525
COMMIT
*filter
:FORWARD {policy} [0:0]
-A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT
-A FORWARD -i eth0 -o docker0 -p tcp -m tcp --dport 587 -j ACCEPT
COMMIT
"""


def journey(
    rules: str, *, far: str | None = None, direction: Direction = Direction.IN, port: int = 25
) -> Journey:
    question = Question(
        direction,
        Family.IPV4,
        port,
        "eth0",
        "203.0.113.10",
        far=AddressSet.network(far) if far else None,
        networks=BRIDGE,
        forwarding=True,
    )
    return follow(read_ruleset([Dump(Backend.IPTABLES_NFT, Family.IPV4, rules)]), question)


def explanation(
    rules: str,
    *,
    far: str | None = None,
    direction: Direction = Direction.IN,
    port: int = 25,
    listeners: Listeners | None = LISTENERS,
    sender: Fact[MailUser] | None = None,
) -> Explanation:
    followed = journey(rules, far=far, direction=direction, port=port)
    asked = Asked(direction, "tcp", port, far)
    return of(asked, Way(Family.IPV4, Known(followed), listeners, sender))


def of(asked: Asked, *ways: Way) -> Explanation:
    started = datetime(2026, 11, 22, 3, 0, 0, tzinfo=UTC)
    return Explanation("0.1.0", started, 0.21, asked, ways)


def shown(told: Explanation, *, colour: bool = False, width: int = 120) -> str:
    return text.write(told, colour=colour, width=width)


def first_line(told: Explanation) -> str:
    return shown(told).splitlines()[0]


def marked(told: Explanation) -> list[str]:
    return [" ".join(line.split()) for line in shown(told).splitlines() if ">>>" in line]


def told_as_json(told: Explanation) -> dict[str, Any]:
    written: dict[str, Any] = json.loads(document.write(told))
    Draft202012Validator(SCHEMA).validate(written)
    return written


def test_the_first_line_is_the_answer_with_the_rule_that_decides() -> None:
    line = first_line(explanation(BLOCKED))
    assert line.startswith(f"tcp/25 in over IPv4: BLOCKED for the whole Internet by {DROP} -j DROP")


def test_the_deciding_rule_is_the_only_one_marked() -> None:
    assert marked(explanation(BLOCKED)) == [
        ">>> rule 1 all DROP -A services -p tcp -m multiport --dports 20:30 -j DROP"
    ]
    assert marked(explanation(ALLOWED)) == [
        ">>> rule 2 all ACCEPT -A INPUT -p tcp -m tcp --dport 25 -j ACCEPT"
    ]
    assert marked(explanation(ALLOWED, port=587)) == [">>> policy all DROP -P INPUT DROP"]


def test_the_way_is_told_in_the_packets_order_and_ends_where_it_ends() -> None:
    told = shown(explanation(BLOCKED))
    order = ["prerouting", "input", "into services", ">>>", "Nothing gets any further."]
    places = [told.index(word) for word in order]
    assert places == sorted(places)
    assert "The answer" not in told
    assert "(socket)     exim4 (pid 312) listens at 0.0.0.0" in told


def test_chains_that_change_nothing_share_a_line() -> None:
    told = shown(explanation(BLOCKED))
    assert "nothing happens in mangle PREROUTING (iptables-nft)" in told
    assert re.search(r"rule 1 +all +into f2b-sshd, back +-A INPUT -p tcp -j f2b-sshd", told)
    assert "-A f2b-sshd -j RETURN" not in told


def test_what_passes_comes_to_the_socket_and_is_answered() -> None:
    told = shown(explanation(ALLOWED))
    order = [">>>", "socket", "The answer on its way back:", "output"]
    places = [told.index(word) for word in order]
    assert places == sorted(places)
    assert "exim4 (pid 312) listens at 0.0.0.0 on tcp/25" in told


def test_bans_are_counted_and_told_in_one_row() -> None:
    told = explanation(BANNED)
    assert first_line(told) == (
        "tcp/25 in over IPv4: OPEN for the whole Internet; 213 addresses are banned by 213 rules"
    )
    rows = [line for line in shown(told).splitlines() if "198.51.100." in line]
    assert len(rows) == 1
    assert re.search(
        r"rule 2 and 212 alike +213 addresses +DROP +-A INPUT -s 198.51.100.1/32", rows[0]
    )
    assert told.exit_code == 0


def test_for_one_address_there_are_no_shares() -> None:
    inside = explanation(ALLOWED, far="10.1.2.3", port=587)
    assert first_line(inside).startswith("tcp/587 in from 10.1.2.3 over IPv4: OPEN")
    assert marked(inside) == [">>> rule 1 ACCEPT -A INPUT -s 10.0.0.0/8 -j ACCEPT"]
    banned = explanation(BANNED, far="198.51.100.7")
    assert "BLOCKED by rule 8 of INPUT" in first_line(banned)
    assert "the whole Internet" not in shown(banned) + shown(inside)
    assert (inside.exit_code, banned.exit_code) == (0, 1)


def test_what_hangs_on_a_rate_is_undecided_with_its_reason() -> None:
    told = explanation(RATED)
    assert first_line(told).startswith("tcp/25 in over IPv4: UNDECIDED for the whole Internet: ")
    assert "-m limit" in first_line(told)
    [row] = marked(told)
    assert row.startswith(">>> rule 2 all may ACCEPT it depends on the rate")
    assert told.exit_code == 2


def test_a_part_of_the_internet_is_told_as_a_share() -> None:
    told = explanation(POLICY.format(rules="-A INPUT -s 128.0.0.0/1 -j ACCEPT"))
    line = first_line(told)
    assert re.search(r"BLOCKED for 5\d\.\d % of the Internet by the policy of INPUT", line)
    assert re.search(r"; open for 4\d\.\d % of the Internet", line)
    assert told.exit_code == 1


def test_several_blocking_rules_are_told_with_their_shares() -> None:
    halves = "-A INPUT -s 0.0.0.0/1 -j DROP"
    line = first_line(explanation(POLICY.format(rules=halves)))
    assert re.search(
        r"BLOCKED for the whole Internet: 5\d\.\d % by rule 2 .*, 4\d\.\d % by the", line
    )


def test_stopped_answers_are_told_as_such() -> None:
    rules = ALLOWED.replace(":OUTPUT ACCEPT", ":OUTPUT DROP")
    told = explanation(rules)
    assert "because the answers are stopped by the policy of OUTPUT" in first_line(told)
    assert "The answer on its way back:" in shown(told)
    assert marked(told) == [">>> policy all DROP -P OUTPUT DROP"]
    assert "No answer gets any further." in shown(told)
    assert "No answer" not in shown(explanation(ALLOWED))


def test_a_port_on_which_nothing_listens_is_not_simply_open() -> None:
    told = explanation(ALLOWED, listeners=NOBODY)
    assert "OPEN for the whole Internet, but nothing listens there" in first_line(told)
    assert "nothing listens on tcp/25 over IPv4" in shown(told)
    assert told.exit_code == 0


def test_loopback_alone_is_told() -> None:
    inner: Listeners = Known(
        (Listener(25, "127.0.0.1", (Family.IPV4,), Reach.LOOPBACK, 312, "exim4"),)
    )
    told = shown(explanation(ALLOWED, listeners=inner))
    assert "nothing but loopback is listened on: exim4 (pid 312) listens at 127.0.0.1" in told


def test_what_listens_may_be_unknown() -> None:
    told = explanation(ALLOWED, listeners=Unknown("no /proc"))
    assert "what listens on tcp/25 is unknown: no /proc" in shown(told)
    assert told_as_json(told)["families"][0]["listeners"] is None


def test_a_redirect_names_the_port_of_arrival() -> None:
    there: Listeners = Known((Listener(2525, "0.0.0.0", (Family.IPV4,), Reach.NETWORK),))
    told = explanation(REDIRECT, listeners=there)
    assert "sent on to port 2525 by rule 1 of PREROUTING" in first_line(told)
    assert "a process listens at 0.0.0.0 on tcp/2525" in shown(told)
    assert "nothing listens" not in shown(told)
    assert "nothing listens on tcp/2525" in shown(explanation(REDIRECT))


def test_what_is_sent_on_to_a_container_is_followed_there() -> None:
    told = explanation(CONTAINER.format(policy="ACCEPT"), listeners=NOBODY)
    order = ["prerouting", "forward 172.17.0.2 port 2525", "filter FORWARD", "another host 172."]
    places = [shown(told).index(word) for word in order]
    assert places == sorted(places)
    assert "nothing listens" not in shown(told)
    assert told.exit_code == 0
    closed = explanation(CONTAINER.format(policy="DROP"), listeners=NOBODY)
    assert "BLOCKED for the whole Internet by the policy of FORWARD" in first_line(closed)
    assert "another host" not in shown(closed)


def test_outgoing_packets_are_told_with_their_sender() -> None:
    rules = ALLOWED.replace("-A INPUT -s", "-A OUTPUT -p tcp --dport 25 -j REJECT\n-A INPUT -s")
    sender = Known(MailUser("Debian-exim", 101, 104))
    told = explanation(rules, direction=Direction.OUT, sender=sender)
    assert "tcp/25 out over IPv4: BLOCKED for the whole Internet by rule 1 of OUTPUT" in shown(told)
    assert "from 203.0.113.10 as Debian-exim (uid 101), out by eth0" in shown(told)
    assert "socket" not in shown(told)
    unknown = explanation(BLOCKED, direction=Direction.OUT, sender=Unknown("no MTA"))
    assert "as a user not known (no MTA)" in shown(unknown)
    assert "leaves       to the Internet" in shown(unknown)


def test_a_host_without_chains_is_open_and_says_why() -> None:
    told = explanation("")
    assert "There is no chain on its way." in shown(told)
    assert told.answer is Answer.OPEN


def test_what_could_not_be_read_is_unknown_and_nothing_is_drawn() -> None:
    told = of(Asked(Direction.IN, "tcp", 25), Way(Family.IPV6, Unknown("nft hangs\x1b[31m")))
    assert shown(told) == "tcp/25 in over IPv6: UNKNOWN: nft hangs\\x1b[31m\n"
    assert told.exit_code == 2
    family = told_as_json(told)["families"][0]
    assert (family["unknown"], family["verdict"], family["way"]) == ("nft hangs\\x1b[31m", None, [])


@pytest.mark.parametrize(
    ("rules", "code"),
    [((ALLOWED,), 0), ((ALLOWED, BLOCKED), 1), ((RATED, ALLOWED), 2), ((RATED, BLOCKED), 1)],
)
def test_the_worst_family_decides_the_exit_code(rules: tuple[str, ...], code: int) -> None:
    ways = tuple(Way(Family.IPV4, Known(journey(each))) for each in rules)
    assert of(Asked(Direction.IN, "tcp", 25), *ways).exit_code == code
    unknown = (*ways, Way(Family.IPV6, Unknown("nft hangs")))
    assert of(Asked(Direction.IN, "tcp", 25), *unknown).exit_code == (1 if code == 1 else 2)


DELETED = RemedyStep(
    "delete rule 1 of services",
    commands=(Command(("iptables-nft", "-D", "services", "1")),),
    undo=(Command(("iptables-nft-restore", "--noflush"), "*filter\nCOMMIT\n"),),
)


def cured(remedy: Remedy) -> Explanation:
    told = explanation(BLOCKED)
    return replace(told, ways=(replace(told.ways[0], cure=remedy),))


def test_the_smallest_cure_is_shown_where_there_is_one() -> None:
    told, healed = explanation(BLOCKED), cured(Remedy((DELETED,), automatic=True))
    assert "  The smallest cure:\n    delete rule 1 of services\n" in shown(healed)
    assert "The smallest cure" not in shown(told)
    assert "mailfix explain 25 --cure" in shown(told)
    assert "mailfix explain 25 --cure" not in shown(healed)


def test_a_program_is_told_the_commands_of_the_cure_and_how_to_take_it_back() -> None:
    written = told_as_json(cured(Remedy((DELETED,), automatic=True)))["families"][0]["cure"]
    assert written == {
        "steps": ["delete rule 1 of services"],
        "but": "",
        "automatic": True,
        "plan": [
            {
                "summary": "delete rule 1 of services",
                "owner": None,
                "settings": [],
                "commands": [{"arguments": ["iptables-nft", "-D", "services", "1"], "stdin": ""}],
                "undo": [
                    {
                        "arguments": ["iptables-nft-restore", "--noflush"],
                        "stdin": "*filter\nCOMMIT\n",
                    }
                ],
                "why_not": "",
            }
        ],
    }


@pytest.mark.parametrize(
    "text",
    ["-m comment --comment \x1b[31m", "-m comment --comment \u202e", "x" * 200_000],
)
def test_commands_that_cannot_be_written_to_the_letter_are_not_written(text: str) -> None:
    for command in (Command(("iptables", text)), Command(("iptables-restore",), text)):
        step = RemedyStep("delete it", commands=(command,), undo=(Command(("ufw", "reload")),))
        [written] = told_as_json(cured(Remedy((step,), automatic=True)))["families"][0]["cure"][
            "plan"
        ]
        assert written["commands"] == []
        assert written["undo"] == [{"arguments": ["ufw", "reload"], "stdin": ""}]


def test_settings_of_the_owner_are_told_beside_its_commands() -> None:
    setting = ListedSetting("/etc/csf/csf.conf", "TCP_IN", "25")
    step = RemedyStep("add 25", "CSF", (setting,), (Command(("csf", "-r")),), why_not="run csf -r")
    cure = told_as_json(cured(Remedy((step,), False, "run csf -r")))["families"][0]["cure"]
    assert (cure["automatic"], cure["but"]) == (False, "run csf -r")
    [written] = cure["plan"]
    assert (written["owner"], written["why_not"], written["undo"]) == ("CSF", "run csf -r", [])
    assert written["settings"] == [{"file": "/etc/csf/csf.conf", "name": "TCP_IN", "item": "25"}]


def test_what_is_wrong_with_a_cure_is_told() -> None:
    partly = Remedy((RemedyStep("open it"),), False, "it opens tcp/24, too")
    assert "    open it\n  But: it opens tcp/24, too\n" in shown(cured(partly))
    without = Remedy((), False, "docker makes this rule")
    assert "  There is no cure to offer: docker" in shown(cured(without))


def test_lines_with_rules_fit_the_terminal_and_the_first_tells_the_rule_in_full() -> None:
    comment = "x" * 150
    rules = BLOCKED.replace("20:30 -j", f'20:30 -m comment --comment "{comment}" -j')
    _, *lines = shown(explanation(rules), width=90).splitlines()
    assert max(map(len, lines)) <= 90
    assert any(line.endswith("…") for line in lines)
    assert comment in first_line(explanation(rules))


def many(number: int) -> str:
    """Rules that each do something, to different packets in different words."""
    return POLICY.format(
        rules="\n".join(
            f"-A INPUT -s 9.{n // 250}.{n % 250}.0/24 -p tcp -m tcp --dport 1:{n + 1000} -j ACCEPT"
            for n in range(number)
        )
    )


def test_many_rules_are_cut_and_counted_but_never_the_deciding_one() -> None:
    told = shown(explanation(many(500)))
    assert len(told.splitlines()) < 60
    assert re.search(r"and 46\d more rules that did something", told)
    assert ">>> policy" in told


def test_many_chains_are_cut_and_counted_but_never_the_deciding_one() -> None:
    told = explanation(BLOCKED)
    followed = told.ways[0].journey
    assert isinstance(followed, Known)
    first, last = followed.value.passages
    other = replace(last, events=last.events[1:2], chain="other")
    passages = (*([other] * 300), first, last)
    long = replace(
        told, ways=(Way(Family.IPV4, Known(replace(followed.value, passages=passages))),)
    )
    drawn = shown(long)
    assert len(drawn.splitlines()) < 100
    assert "and 262 more chains" in drawn
    assert marked(long) == marked(told)
    family = told_as_json(long)["families"][0]
    assert (len(family["way"]), family["way_more"]) == (200, 102)


def test_colour_marks_the_answer_and_the_deciding_rule_and_nothing_else_changes() -> None:
    told = explanation(BLOCKED)
    painted = shown(told, colour=True)
    assert "\x1b[31mBLOCKED\x1b[0m for the whole Internet" in painted
    assert re.search("\x1b\\[31m +>>> +rule 1.*DROP\x1b\\[0m", painted)
    assert re.sub(r"\x1b\[\d+m", "", painted) == shown(told)
    assert "\x1b[32mOPEN\x1b[0m" in shown(explanation(ALLOWED), colour=True)
    assert "\x1b[33mUNDECIDED\x1b[0m" in shown(explanation(RATED), colour=True)


def test_the_document_is_as_the_shipped_schema_says() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    written = told_as_json(explanation(BLOCKED))
    assert written["answer"] == "blocked"
    [family] = written["families"]
    assert family["sentence"] == first_line(explanation(BLOCKED))
    assert family["listeners"][0]["process"] == "exim4"
    verdict = family["verdict"]
    assert (verdict["open"], verdict["blocked"], verdict["undecided"]) == (0, 1, 0)
    [blocked] = verdict["blocked_by"]
    assert blocked["rule"]["chain"] == "services"
    assert blocked["rule"]["position"] == 1
    assert [each["chain"] for each in blocked["called_from"]] == ["INPUT"]
    decisive = [
        event["rule"]["chain"]
        for passage in family["way"]
        for event in passage["events"]
        if event["decides"]
    ]
    assert decisive == ["services"]


@pytest.mark.parametrize("rules", [ALLOWED, RATED, BANNED, REDIRECT, ""], ids=repr)
def test_every_kind_of_answer_is_as_the_schema_says(rules: str) -> None:
    told_as_json(explanation(rules[:100_000]))
    told_as_json(explanation(rules, far="198.51.100.7"))


@pytest.mark.parametrize(
    "change",
    [{"schema": "mailfix.explain/2"}, {"answer": "maybe"}, {"more": 1}, {"families": []}],
    ids=str,
)
def test_the_schema_refuses_another_shape(change: dict[str, object]) -> None:
    written = {**document.document(explanation(BLOCKED)), **change}
    assert not Draft202012Validator(SCHEMA).is_valid(written)


def test_a_ban_in_the_document_names_its_network_and_a_share_above_nothing() -> None:
    banned = told_as_json(explanation(BANNED))["families"][0]["verdict"]["blocked_by"][0]
    assert banned["ban"]
    assert banned["rules"] == 213
    assert 0 < banned["share"] < 0.001
    assert len(banned["networks"]) == 8
    assert banned["networks_more"]


def test_the_events_of_a_chain_are_bounded_in_the_document() -> None:
    passages = told_as_json(explanation(many(500)))["families"][0]["way"]
    [chain] = [each for each in passages if each["hook"] == "input"]
    assert len(chain["events"]) == 200
    assert chain["events_more"] >= 300


def test_hostile_comments_cannot_steer_the_terminal() -> None:
    comment = "\x1b]0;owned\x07 \x9b31m \r\u202etxt \x00"
    rules = BLOCKED.replace("20:30 -j", f'20:30 -m comment --comment "{comment}" -j')
    told = explanation(rules)
    for written in (shown(told), document.write(told)):
        assert all(each.isprintable() or each == "\n" for each in written)
    assert r"\x1b]0;owned\x07" in first_line(told)
