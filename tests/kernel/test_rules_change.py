"""Changes of the running rules made and taken back with the real tools, others being at it, too."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TypeVar

import pytest

from mailfix.actions.firewall.changes import changes_for
from mailfix.changes import Drift, Failed, Present, legacy, rules
from mailfix.changes.present import PresentRules, read_texts
from mailfix.changes.rules import RulesChange
from mailfix.firewall import Direction
from mailfix.firewall.cure import cure
from mailfix.host import iptc_child
from mailfix.model import Family
from tests.full import FULL
from tests.kernel.compare import question
from tests.kernel.rig import must_run, namespace, run
from tests.kernel.shared import SharedRuleset, shared_rulesets

T = TypeVar("T")
SSH = "-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT"
WEB = "-A INPUT -p tcp -m tcp --dport 80 -j ACCEPT"
BLOCK = (
    '[7:420] -A INPUT -p tcp -m tcp --dport 25 -m comment --comment "no \\"mail\\" here" -j DROP'
)
RANGE = "[3:180] -A INPUT -p tcp -m tcp --dport 20:30 -j DROP"
NATIVE = """table inet own {
    set ports {
        type inet_service
        elements = { 25, 26 }
    }
    chain input {
        type filter hook input priority 0; policy accept;
        ct state established counter packets 9 bytes 900 accept comment "kept"
        %s
        tcp dport 80 accept
    }
}
"""
BLOCKAGES = {
    "deleted": [SSH, BLOCK, WEB],
    "narrowed": [SSH, RANGE, WEB],
    "twice the same": [SSH, BLOCK, WEB, BLOCK],
}
NATIVE_BLOCKAGES = {
    "deleted": "tcp dport 25 counter packets 7 bytes 420 drop",
    "narrowed": "tcp dport { 25, 30-40 } counter packets 7 bytes 420 drop",
    "element": "tcp dport @ports counter packets 7 bytes 420 drop",
}


@pytest.fixture
def network() -> Iterator[None]:
    with namespace():
        yield


def load(backend: str, *lines: str, policy: str = "ACCEPT") -> None:
    text = "\n".join(["*filter", f":INPUT {policy} [0:0]", *lines, "COMMIT", ""])
    must_run(f"iptables-{backend}-restore", "-c", text=text)


def dump() -> str:
    """Every rule with its counters; without the tools' dates, and what no rule counts."""
    tools = [
        f"{name}-{kind}-save" for name in ("iptables", "ip6tables") for kind in ("legacy", "nft")
    ]
    told = [must_run(tool, "-c") for tool in tools]
    told.append(must_run("nft", "list", "ruleset"))
    lines = "\n".join(told).split("\n")
    return "\n".join(re.sub(r"^(:\S+ \S+).*", r"\1", each) for each in lines if each[:1] != "#")


def change(family: Family = Family.IPV4) -> RulesChange:
    texts = read_texts()
    now = PresentRules.of(texts)
    asked = question(Direction.IN, family, 25)
    other = question(Direction.IN, Family.IPV6, 25)
    found = cure(now.ruleset, asked, texts, (other,))
    assert found.plan, found.why_not
    (made,) = changes_for(found, now)
    assert isinstance(made, RulesChange)
    return made


def there_and_back(made: RulesChange) -> None:
    before = dump()
    assert made.look().present is Present.BEFORE
    made.make()
    made.verify()
    assert made.look().present is Present.AFTER
    after = dump()
    assert after != before
    made.make()
    assert dump() == after
    made.inverse.make()
    made.inverse.verify()
    assert dump() == before
    assert made.look().present is Present.BEFORE


@pytest.mark.usefixtures("network")
@pytest.mark.parametrize("backend", ["nft", "legacy"])
@pytest.mark.parametrize("lines", BLOCKAGES.values(), ids=BLOCKAGES.keys())
def test_iptables_there_and_back_with_the_counters(backend: str, lines: list[str]) -> None:
    load(backend, *lines)
    there_and_back(change())


@pytest.mark.usefixtures("network")
@pytest.mark.parametrize("rule", NATIVE_BLOCKAGES.values(), ids=NATIVE_BLOCKAGES.keys())
def test_native_rules_there_and_back_with_the_counters(rule: str) -> None:
    must_run("nft", "-f", "-", text=NATIVE % rule)
    there_and_back(change())


@pytest.mark.usefixtures("network")
@pytest.mark.parametrize("backend", ["nft", "legacy"])
def test_an_accept_before_a_policy_there_and_back(backend: str) -> None:
    load(backend, SSH, policy="DROP")
    there_and_back(change())


@pytest.mark.usefixtures("network")
def test_without_python_iptables_a_legacy_rule_goes_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    load("legacy", SSH, BLOCK, WEB)
    monkeypatch.setattr(iptc_child, "NO_LIBRARY", 0)
    monkeypatch.setattr(legacy, "_CHILD", "/dev/null")
    there_and_back(change())


@pytest.mark.usefixtures("network")
def test_a_crash_of_libiptc_leaves_the_table_as_it_was(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pytest.TempPathFactory
) -> None:
    load("legacy", SSH, BLOCK, WEB)
    made, before = change(), dump()
    crash = f"{tmp_path}/crash.py"
    with open(crash, "w", encoding="utf-8") as file:
        file.write("import os\nos.abort()\n")
    monkeypatch.setattr(legacy, "_CHILD", crash)
    with pytest.raises(Failed, match="crashed"):
        made.make()
    assert dump() == before


@pytest.mark.usefixtures("network")
@pytest.mark.parametrize("backend", ["nft", "legacy"])
def test_bans_that_come_and_go_do_not_stand_in_the_way(backend: str) -> None:
    tool = f"iptables-{backend}"
    load(backend, SSH, BLOCK, WEB)
    made = change()
    must_run(tool, "-I", "INPUT", "1", "-s", "198.51.100.7", "-j", "DROP")
    made.make()
    must_run(tool, "-I", "INPUT", "1", "-s", "198.51.100.8", "-j", "DROP")
    made.verify()
    made.inverse.make()
    made.inverse.verify()
    rest = [each for each in dump().split("\n") if "-A INPUT" in each and "198.51.100" not in each]
    assert [re.sub(r"^\[0:0\] ", "", each) for each in rest] == [SSH, BLOCK, WEB]
    assert dump().count("198.51.100") == (2 if backend == "legacy" else 4)


@pytest.mark.usefixtures("network")
@pytest.mark.parametrize("backend", ["nft", "legacy"])
def test_a_rule_that_shifts_the_numbers_at_that_very_moment(
    backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twice somebody else is quicker, after the rules were read: nothing of his is lost."""
    load(backend, SSH, RANGE, WEB)
    made = change()
    waiting = ["198.51.100.7", "198.51.100.8"]

    def after_somebody_else(tell: Callable[[T], None]) -> Callable[[T], None]:
        def told(what: T) -> None:
            if waiting and what:
                address = waiting.pop()
                must_run(f"iptables-{backend}", "-I", "INPUT", "1", "-s", address, "-j", "DROP")
            tell(what)

        return told

    monkeypatch.setattr(rules, "run", after_somebody_else(rules.run))
    monkeypatch.setattr(legacy, "delete", after_somebody_else(legacy.delete))
    made.make()
    made.verify()
    lines = [each for each in dump().split("\n") if "-A INPUT" in each]
    texts = [re.sub(r"^\[\d+:\d+\] ", "", each) for each in lines]
    assert texts == [
        "-A INPUT -s 198.51.100.7/32 -j DROP",
        "-A INPUT -s 198.51.100.8/32 -j DROP",
        SSH,
        "-A INPUT -p tcp -m multiport --dports 20:24,26:30 -j DROP",
        WEB,
    ]


@pytest.mark.usefixtures("network")
def test_a_rule_that_somebody_else_changed_is_left_alone() -> None:
    load("nft", SSH, BLOCK, WEB)
    made = change()
    must_run("iptables-nft", "-R", "INPUT", "2", "-p", "tcp", "--dport", "25", "-j", "REJECT")
    before = dump()
    seen = made.look()
    assert seen.present is Present.OTHER
    assert any("REJECT" in line for line in seen.difference)
    with pytest.raises(Drift):
        made.make()
    assert dump() == before


@pytest.mark.usefixtures("network")
def test_an_interrupted_replacement_is_taken_back_from_the_middle() -> None:
    load("legacy", SSH, RANGE, WEB)
    before = dump()
    made = change()
    must_run(
        *("iptables-legacy", "-I", "INPUT", "2", "-p", "tcp"),
        *("-m", "multiport", "--dports", "20:24,26:30", "-j", "DROP"),
    )
    assert made.look(interrupted=True).present is Present.PARTLY
    made.inverse.make()
    made.inverse.verify()
    assert dump() == before


BLOCKED = [
    (ruleset, backend)
    for ruleset in shared_rulesets()
    for backend in (("nft",) if ruleset.kind == "nft" else ("legacy", "nft"))
    if getattr(ruleset, backend) and ruleset.port25.startswith("blocked")
]


@pytest.mark.usefixtures("network")
@pytest.mark.parametrize(
    ("ruleset", "backend"),
    BLOCKED if FULL else BLOCKED[::6],
    ids=lambda each: each if isinstance(each, str) else each.name,
)
def test_rulesets_of_others_there_and_back(ruleset: SharedRuleset, backend: str) -> None:
    if ruleset.needs_sets:
        pytest.skip("its sets are not known")
    prefix = "ip6tables" if ruleset.family is Family.IPV6 else "iptables"
    command = ("nft", "-f", "-") if ruleset.kind == "nft" else (f"{prefix}-{backend}-restore", "-c")
    if run(*command, text=ruleset.text).returncode:
        pytest.skip("these versions do not load it")
    texts = read_texts()
    now = PresentRules.of(texts)
    asked = replace(question(Direction.IN, ruleset.family, 25), forwarding=False)
    found = cure(now.ruleset, asked, texts)
    if any(step.owner is not None for step in found.plan):
        pytest.skip("its owner is not installed here")
    (made,) = changes_for(found, now)
    assert isinstance(made, RulesChange)
    there_and_back(made)
