"""`mailfix explain` on booted hosts names the rule that was made, and what outsiders then meet."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from mailfix import report

from .breakages import BREAKAGES
from .internet import State
from .lab import Lab, running_lab
from .names import HOST_IPV4, HOST_IPV6, OUTSIDE_IPV4, OUTSIDE_IPV6

pytestmark = pytest.mark.usefixtures("lab_machine")

SCHEMA = json.loads((Path(report.__file__).parent / "explain.schema.json").read_text("utf-8"))
PORT_25 = "-A INPUT -p tcp -m tcp --dport 25 -j DROP"


@dataclass(frozen=True, slots=True)
class Told:
    """One run of ``mailfix explain``."""

    exit_code: int
    document: dict[str, Any]

    @property
    def deciders(self) -> list[str]:
        """The text of each rule that the answer hangs on."""
        return [
            event["rule"]["text"]
            for family in self.document["families"]
            for passage in family["way"]
            for event in passage["events"]
            if event["decides"]
        ]

    @property
    def answers(self) -> dict[str, str]:
        return {family["family"]: family["answer"] for family in self.document["families"]}


def explain(lab: Lab, *arguments: str) -> Told:
    done = lab.host.run(["mailfix", "explain", *arguments, "--format", "json"])
    assert "Traceback" not in done.stderr
    document = json.loads(done.stdout)
    jsonschema.validate(document, SCHEMA)
    return Told(done.returncode, document)


def drawn(lab: Lab, *arguments: str) -> str:
    return lab.host.run(["mailfix", "explain", *arguments]).stdout


@pytest.mark.parametrize(
    ("name", "arguments", "rules"),
    [
        ("blocked-25", ["25"], [PORT_25]),
        ("blocked-25-legacy", ["smtp"], [PORT_25]),
        ("blocked-25-v6", ["25", "--family", "ipv6"], [PORT_25]),
        ("blocked-25-nft", ["25"], ["tcp dport 25 drop", "tcp dport 25 drop"]),
        ("policy-drop", ["25"], ["-P INPUT DROP", "-P INPUT DROP"]),
        (
            "user-chain-range",
            ["25"],
            ["-A services -p tcp -m multiport --dports 20:30 -j DROP"],
        ),
        (
            "out-25-owner",
            ["25", "--out", "--family", "ipv4"],
            ["-A OUTPUT -p tcp -m tcp --dport 25 -m owner --uid-owner {exim} -j DROP"],
        ),
        ("answers-dropped-out", ["25", "--family", "ipv4"], ["-P OUTPUT DROP"]),
    ],
)
def test_the_rule_that_was_made_is_the_one_that_decides(
    name: str, arguments: list[str], rules: list[str]
) -> None:
    with running_lab(BREAKAGES[name].layer) as lab:
        BREAKAGES[name].apply(lab.host, lab.internet)
        exim = lab.host.sh("id -u Debian-exim").strip()
        told = explain(lab, *arguments)
        assert told.exit_code == 1
        assert told.deciders == [rule.format(exim=exim) for rule in rules]
        text = drawn(lab, *arguments)
        for rule in rules:
            assert rule.format(exim=exim) in text.splitlines()[0] + text.splitlines()[1]


def test_a_healthy_host_is_open_and_names_who_listens(healthy_lab: Lab) -> None:
    told = explain(healthy_lab, "25")
    assert told.exit_code == 0
    assert told.answers == {"ipv4": "open", "ipv6": "open"}
    assert "exim4 (pid" in drawn(healthy_lab, "25")
    assert explain(healthy_lab, "25", "--out").exit_code == 0
    assert "nothing listens there" in drawn(healthy_lab, "26")


def test_one_stranger_is_told_what_he_meets(lab: Lab) -> None:
    lab.host.sh(
        f"iptables -A INPUT -s {OUTSIDE_IPV4} -p tcp --dport 25 -j DROP\n"
        f"ip6tables -A INPUT ! -s {OUTSIDE_IPV6} -p tcp --dport 25 -j DROP"
    )
    assert lab.internet.knock(HOST_IPV4, 25, timeout=0.7) is State.SILENT
    assert lab.internet.knock(HOST_IPV6, 25, timeout=0.7) is State.OPEN
    banned = explain(lab, "25", "--from", OUTSIDE_IPV4)
    assert (banned.exit_code, banned.answers) == (1, {"ipv4": "blocked"})
    assert banned.deciders == [f"-A INPUT -s {OUTSIDE_IPV4}/32 -p tcp -m tcp --dport 25 -j DROP"]
    welcome = explain(lab, "25", "--from", OUTSIDE_IPV6)
    assert (welcome.exit_code, welcome.answers) == (0, {"ipv6": "open"})
    everyone = explain(lab, "25")
    assert everyone.answers == {"ipv4": "open", "ipv6": "blocked"}


def test_it_takes_well_under_a_second(healthy_lab: Lab) -> None:
    drawn(healthy_lab, "25")
    assert explain(healthy_lab, "25").document["duration_s"] < 0.5
