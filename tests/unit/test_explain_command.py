"""`mailfix explain` as a user meets it: its words, its exit codes, on a firewall of its own."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from mailfix import report
from mailfix.explainer import explain
from mailfix.explainer.request import Request, read_request
from mailfix.explainer.sight import Sight, look, parse_route
from mailfix.facts import MailUser, Outgoing
from mailfix.firewall import AddressSet, Backend, Direction, Dump
from mailfix.host import Deadline, Host
from mailfix.host.dns import SystemDns
from mailfix.model import Family, Known, PerFamily, Refusal, Unknown
from mailfix.probes.firewall import Endpoints
from mailfix.report.explain.explanation import Answer, Asked

AGENT = Path(__file__).resolve().parents[2] / "agent"
SCHEMA = json.loads((Path(report.__file__).parent / "explain.schema.json").read_text("utf-8"))
ENVIRONMENT = {"PYTHONPATH": str(AGENT), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
TOOLS = ("unshare", "ip", "iptables-nft", "nft")
NETWORK = """
ip link add eth0 type veth peer name far
ip address add 203.0.113.10/24 dev eth0
ip link set eth0 up
ip link set far up
ip route add default via 203.0.113.1
"""


def obstacle() -> str:
    """Why no firewall of a test's own can be made here, "" where it can."""
    missing = [tool for tool in TOOLS if shutil.which(tool, path=ENVIRONMENT["PATH"]) is None]
    if os.geteuid() != 0 or missing:
        return f"needs root and {', '.join(missing or TOOLS)}"
    done = in_namespace(f"{NETWORK}\niptables-nft -L -n")
    return "" if done.returncode == 0 else f"no firewall in a namespace: {done.stderr}"


def in_namespace(script: str) -> subprocess.CompletedProcess[str]:
    """Run a script in a network namespace that ends with it."""
    return subprocess.run(
        ["/usr/bin/env", "unshare", "-n", "sh", "-ec", script],
        env=ENVIRONMENT,
        cwd="/",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


needs_firewall = pytest.mark.skipif(bool(obstacle()), reason=obstacle() or "none")


def on_a_host(firewall: str, arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `mailfix explain` on a host with a network, a route over IPv4 and this firewall."""
    return in_namespace(
        f"{NETWORK}{firewall}\nexec {sys.executable} -m mailfix explain {arguments}"
    )


def mailfix(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mailfix", "explain", *arguments],
        env=ENVIRONMENT,
        cwd="/",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "rgument"),
        (["0"], "'0' is no port"),
        (["65536"], "'65536' is no port"),
        (["²"], "is no port"),
        (["smpt"], "'smpt' is no port: 1 to 65535, or one of smtp, submission"),
        (["25", "--from", "mail.example.com"], "'mail.example.com' is no IP address"),
        (["25", "--out", "--from", "192.0.2.1"], "with --out it is --to"),
        (["25", "--to", "192.0.2.1"], "add --out"),
        (["25", "--family", "ipv6", "--from", "192.0.2.1"], "192.0.2.1 is no address of ipv6"),
        (["25", "--family", "ipv5"], "ipv5"),
        (["25", "--cure", "--from", "192.0.2.1"], "ask without an address"),
        (["25", "--format", "xml"], "xml"),
        (["\x1b[31m"], r"\x1b[31m"),
    ],
)
def test_a_usage_error_is_one_line_and_64(arguments: list[str], complaint: str) -> None:
    done = mailfix(*arguments)
    assert done.returncode == 64, done.stderr
    assert done.stdout == ""
    assert complaint in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_the_help_has_an_example_and_the_exit_codes() -> None:
    told = " ".join(mailfix("--help").stdout.split())
    assert "Example: mailfix explain 25" in told
    assert "0 open, 1 blocked, 2 undecided" in told


@pytest.mark.parametrize(
    ("name", "port"),
    [("25", 25), ("65535", 65535), ("smtp", 25), ("submission", 587), ("imaps", 993)],
)
def test_ports_are_numbers_or_mail_services(name: str, port: int) -> None:
    assert read_request(name).asked == Asked(Direction.IN, "tcp", port)


def test_an_address_settles_the_family() -> None:
    assert read_request("25", source="192.0.2.1").families == (Family.IPV4,)
    assert read_request("25", out=True, to="2001:DB8::1") == Request(
        Asked(Direction.OUT, "tcp", 25, "2001:db8::1"), (Family.IPV6,)
    )
    assert read_request("25", source="::ffff:192.0.2.1").asked.far == "192.0.2.1"
    with pytest.raises(Refusal):
        read_request("25", source="192.0.2.1/24")


def test_the_kernels_route_tells_interface_and_address() -> None:
    told = '[{"dst":"10.1.2.3","dev":"eth1","prefsrc":"10.0.0.10","flags":[],"uid":0,"cache":[]}]'
    route = parse_route(told, "10.1.2.3")
    assert isinstance(route, Known)
    assert route.value is not None
    assert (route.value.interface, route.value.source) == ("eth1", "10.0.0.10")


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ('[{"type":"local","dst":"127.0.0.1","dev":"lo","prefsrc":"127.0.0.1"}]', "is local to"),
        ("[]", "does not tell the route"),
        ("[[", "does not tell the route"),
        ('[{"dev":"eth0"}]', "does not tell the route"),
        ("7", "does not tell the route"),
    ],
)
def test_a_route_that_leads_nowhere_else_is_unknown(told: str, reason: str) -> None:
    route = parse_route(told, "127.0.0.1")
    assert isinstance(route, Unknown)
    assert reason in route.reason


LEAVING = Outgoing("203.0.113.10", "eth0", Known("203.0.113.10"))
OVER_IPV6 = Endpoints(
    Family.IPV6, Outgoing("2001:db8:1::10", "eth0", Known("2001:db8:1::10")), ("2001:db8:1::10",)
)
OVER_IPV4: PerFamily[Endpoints | None] = PerFamily(
    Known(Endpoints(Family.IPV4, LEAVING, ("203.0.113.10",))), Known(None)
)


def test_families_that_the_host_has_not_got_are_left_out_unless_asked_for() -> None:
    seen = Sight(Known(()), OVER_IPV4)
    [way] = explain(read_request("25"), seen)
    assert (way.family, way.answer) == (Family.IPV4, Answer.OPEN)
    [way] = explain(read_request("25", family=Family.IPV6), seen)
    assert way.journey == Unknown("this host has no way to the Internet over IPv6")


def test_a_host_without_any_route_is_unknown() -> None:
    seen = Sight(Known(()), PerFamily(Known(None), Known(None)))
    assert {way.answer for way in explain(read_request("25"), seen)} == {Answer.UNKNOWN}


def test_what_goes_out_is_sent_by_the_mail_user() -> None:
    user = Known(MailUser("Debian-exim", 101, 104))
    seen = Sight(Known(()), OVER_IPV4, user=user)
    question = seen.question(Asked(Direction.OUT, "tcp", 25, "192.0.2.1"), Family.IPV4)
    assert isinstance(question, Known)
    assert (question.value.uid, question.value.gid) == (101, 104)
    assert question.value.far == AddressSet.network("192.0.2.1")


def test_a_firewall_that_cannot_be_read_is_unknown() -> None:
    seen = Sight(Unknown("nft cannot list its rules"), OVER_IPV4)
    [way] = explain(read_request("25"), seen)
    assert way.journey == Unknown("nft cannot list its rules")


UFW = """
*filter
:INPUT DROP [0:0]
:OUTPUT ACCEPT [0:0]
:ufw-before-input - [0:0]
:ufw-user-input - [0:0]
-A INPUT -j ufw-before-input
-A ufw-before-input -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A ufw-before-input -j ufw-user-input
-A ufw-user-input -p tcp -m tcp --dport 22 -j ACCEPT
COMMIT
"""


@pytest.mark.parametrize(
    ("family", "command"),
    [
        (None, "ufw allow 25/tcp"),
        (Family.IPV6, "ufw allow proto tcp from any to ::/0 port 25"),
    ],
)
def test_one_plain_command_opens_both_families_where_both_are_asked_about(
    family: Family | None, command: str
) -> None:
    dumps = (
        Dump(Backend.IPTABLES_NFT, Family.IPV4, UFW),
        Dump(Backend.IPTABLES_NFT, Family.IPV6, UFW.replace("ufw-", "ufw6-")),
    )
    seen = Sight(Known(dumps), PerFamily(OVER_IPV4.ipv4, Known(OVER_IPV6)))
    ways = explain(read_request("25", family=family, cure=True), seen)
    assert len(ways) == (2 if family is None else 1)
    for way in ways:
        assert way.cure is not None
        assert way.cure.automatic
        [step] = way.cure.steps
        assert step.owner == "ufw"
        assert [" ".join(each.arguments) for each in step.commands] == [command]
        undone = command.replace("ufw allow", "ufw delete allow")
        assert [" ".join(each.arguments) for each in step.undo] == [undone]


@needs_firewall
def test_a_blocked_port_ends_with_1_and_names_the_rule() -> None:
    done = on_a_host(
        "iptables-nft -A INPUT -p tcp --dport 22 -j ACCEPT\n"
        "iptables-nft -A INPUT -p tcp --dport 25 -j DROP",
        "25",
    )
    assert done.returncode == 1, done.stderr
    assert done.stdout.splitlines()[0] == (
        "tcp/25 in over IPv4: BLOCKED for the whole Internet by "
        "rule 2 of INPUT (iptables-nft, filter): -A INPUT -p tcp -m tcp --dport 25 -j DROP"
    )
    assert "\x1b" not in done.stdout


@needs_firewall
def test_the_smallest_cure_is_found_when_asked_for() -> None:
    firewall = "iptables-nft -A INPUT -p tcp --dport 25 -j DROP"
    without = on_a_host(firewall, "25").stdout
    assert without.endswith("The smallest change that opens it: mailfix explain 25 --cure\n")
    told = on_a_host(firewall, "25 --cure").stdout
    step = told[told.index("The smallest cure:") :]
    assert "delete rule 1 of INPUT" in step
    assert "changes nothing else" in step


CURED = """
import json, subprocess, sys
OPTIONS = {"iptables-nft-save": (), "nft": ("-s", "list", "ruleset")}
def told():
    words = [sys.executable, "-m", "mailfix", "explain", "25", "--cure", "--format", "json"]
    return json.loads(subprocess.run(words, stdout=subprocess.PIPE, check=False).stdout)
def run(commands):
    for each in commands:
        subprocess.run(each["arguments"], input=each["stdin"], text=True, check=True)
def rules():
    return [
        line
        for tool in ("iptables-nft-save", "nft")
        for line in subprocess.check_output([tool, *OPTIONS[tool]], text=True).splitlines()
        if not line.startswith("#")
    ]
before, first = rules(), told()
for step in first["families"][0]["cure"]["plan"]:
    run(step["commands"])
second = told()
for step in reversed(first["families"][0]["cure"]["plan"]):
    run(step["undo"])
answers = [each["answer"] for each in (first, second)]
print(json.dumps([answers, rules() == before]))
"""


@needs_firewall
@pytest.mark.parametrize(
    "firewall",
    [
        ("iptables-nft -A INPUT -p tcp --dport 25 -j DROP",),
        ("iptables-nft -A INPUT -p tcp --dport 22 -j ACCEPT", "iptables-nft -P INPUT DROP"),
        (
            "iptables-nft -A INPUT -p tcp --dport 20:30 -j DROP",
            "iptables-nft -t mangle -A PREROUTING -p tcp --dport 25 -j DROP",
        ),
        (
            "nft add table ip guard",
            "nft add chain ip guard input { type filter hook input priority 0\\; }",
            "nft add rule ip guard input tcp dport 25 drop",
            "nft add rule ip guard input tcp dport 22 accept",
        ),
    ],
    ids=["one rule", "policy", "two blockers", "native"],
)
def test_the_commands_that_are_told_open_the_port_and_take_it_back(
    firewall: tuple[str, ...],
) -> None:
    made = "\n".join(firewall)
    done = in_namespace(f"{NETWORK}{made}\nexec {sys.executable} -c '{CURED}'")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [["blocked", "open"], True]


@needs_firewall
def test_an_open_port_ends_with_0_and_json_says_the_same() -> None:
    firewall = (
        "nft add table inet guard\n"
        "nft add chain inet guard input '{ type filter hook input priority 0; policy drop; }'\n"
        "nft add rule inet guard input ip saddr 10.0.0.0/8 tcp dport 25 drop\n"
        "nft add rule inet guard input tcp dport '{ 25, 587 }' accept"
    )
    done = on_a_host(firewall, "smtp --format json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    Draft202012Validator(SCHEMA).validate(told)
    assert decisive(told) == ["tcp dport { 25, 587 } accept"]
    inside = on_a_host(firewall, "25 --from 10.0.0.7 --format json")
    assert inside.returncode == 1, inside.stderr
    assert decisive(json.loads(inside.stdout)) == ["ip saddr 10.0.0.0/8 tcp dport 25 drop"]


def decisive(told: dict[str, Any]) -> list[str]:
    return [
        event["rule"]["text"]
        for family in told["families"]
        for passage in family["way"]
        for event in passage["events"]
        if event["decides"]
    ]


@needs_firewall
def test_a_neighbour_is_judged_by_the_interface_that_leads_to_it() -> None:
    firewall = (
        "ip link add eth1 type veth peer name near\n"
        "ip address add 192.168.7.1/24 dev eth1\n"
        "ip link set eth1 up\nip link set near up\n"
        "iptables-nft -A INPUT -i eth1 -p tcp --dport 25 -j REJECT"
    )
    done = on_a_host(firewall, "25 --from 192.168.7.9")
    assert done.returncode == 1, done.stderr
    assert "new connections from 192.168.7.9 to 192.168.7.1, in through eth1" in done.stdout
    assert on_a_host(firewall, "25 --from 198.51.100.7").returncode == 0


@needs_firewall
def test_outgoing_and_udp_are_asked_for_by_their_options() -> None:
    firewall = "iptables-nft -A OUTPUT -p udp --dport 53 -d 192.0.2.53 -j DROP"
    assert on_a_host(firewall, "domain --out --udp --to 192.0.2.53").returncode == 1
    assert on_a_host(firewall, "domain --out --to 192.0.2.53").returncode == 0
    whole = on_a_host(firewall, "domain --out --udp")
    assert whole.returncode == 0, whole.stdout
    assert "1 address is banned by 1 rule" in whole.stdout


@needs_firewall
def test_the_hosts_own_addresses_are_not_followed() -> None:
    done = on_a_host("ip link set lo up", "25 --from 203.0.113.10")
    assert done.returncode == 2
    assert "203.0.113.10 is local to this host" in done.stdout


def test_without_root_it_is_unknown_and_says_how_to_run_it() -> None:
    deadline = Deadline.after(5)
    request = read_request("25", out=True, to="192.0.2.1")
    seen = asyncio.run(look(Host(SystemDns(deadline), deadline, is_root=False), request))
    assert seen.dumps == Unknown(
        "reading the firewall needs root; run: sudo mailfix explain 25 --out"
    )
