"""A rule that cannot be used is refused with the file and the reason, before anything is asked."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from mailfix import rulebook
from mailfix.model import Part, Refusal, Severity
from mailfix.rulebook import Scope

NOWHERE = Path("/nonexistent")
GOOD: dict[str, Any] = {
    "id": "smtp-port",
    "title": "Nothing listens",
    "severity": "critical",
    "part": "sockets",
    "why": "No mail comes in.",
    "needs": ["servers", "listeners"],
    "check": "smtp_port",
    "params": {"port": 25},
    "messages": {"fail": "nothing on tcp/{port}", "pass": "something on tcp/{port}"},
}
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="site rules must belong to root")


def without(key: str) -> dict[str, Any]:
    return {name: value for name, value in GOOD.items() if name != key}


def put(folder: Path, content: object, name: str = "smtp-port") -> Path:
    file = folder / name / "rule.yml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return file


def test_a_good_rule_is_as_it_was_written() -> None:
    rule = rulebook.parse(GOOD, "rule.yml")
    assert (rule.id, rule.severity, rule.scope) == ("smtp-port", Severity.CRITICAL, Scope.MTA)
    assert rule.part is Part.SOCKETS
    assert rule.params == {"port": 25}


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ({**GOOD, "serverity": "error"}, "unknown key 'serverity'"),
        ({**GOOD, "command": "rm"}, "unknown key 'command'"),
        (without("why"), "why missing"),
        (without("part"), "part missing"),
        ({**GOOD, "part": "moon"}, "part 'moon' is none of internet, firewall, sockets, server"),
        ({**GOOD, "severity": "fatal"}, "severity 'fatal' is none of critical, error, warning"),
        ({**GOOD, "scope": "world"}, "scope 'world' is none of mta, any"),
        ({**GOOD, "check": "no_such_check"}, "there is no check 'no_such_check'"),
        ({**GOOD, "title": " "}, "title must be a text"),
        ({**GOOD, "title": 25}, "title must be a text"),
        ({**GOOD, "needs": "servers"}, "needs must be a list of texts"),
        ({**GOOD, "needs": ["servers"]}, "the check smtp_port takes listeners, port, servers"),
        ({**GOOD, "params": {}}, "the rule gives listeners, servers"),
        ({**GOOD, "families": ["ipv4"]}, "the rule gives family, listeners, port, servers"),
        ({**GOOD, "families": ["ipv5"]}, "families must be a list of ipv4, ipv6"),
        ({**GOOD, "each": "user"}, "each 'user' is none of domain"),
        ({**GOOD, "each": "domain"}, "the rule gives domain, listeners, port, servers"),
        ({**GOOD, "needs": ["zone"]}, "there are no facts called zone"),
        ({**GOOD, "messages": {"fail": "x"}}, "messages must be given for fail and pass"),
        ({**GOOD, "fix": {"action": "x"}}, "fix needs action, automatic and preview"),
    ],
)
def test_a_rule_that_is_not_understood_is_refused(content: dict[str, Any], complaint: str) -> None:
    with pytest.raises(Refusal) as refusal:
        rulebook.parse(content, "a/rule.yml")
    assert str(refusal.value).startswith("a/rule.yml: ")
    assert complaint in str(refusal.value)


@pytest.mark.parametrize(
    "template",
    ["{a.b}", "{a!r}", "{a:>9}", "{a[0]}", "{}", "{0}", "{", "}", "{a b}", "{port:{port}}"],
)
@pytest.mark.parametrize("place", ["messages", "advice", "fix"])
def test_a_template_that_computes_is_refused(template: str, place: str) -> None:
    contents: dict[str, dict[str, Any]] = {
        "messages": {"messages": {"fail": template, "pass": "good"}},
        "advice": {"advice": template},
        "fix": {"fix": {"action": "a", "automatic": True, "preview": template}},
    }
    with pytest.raises(Refusal):
        rulebook.parse({**GOOD, **contents[place]}, "rule.yml")


@pytest.mark.parametrize("template", ["{{port}}", "tcp/{port}", "100 %"])
def test_plain_names_and_doubled_braces_are_no_computation(template: str) -> None:
    rulebook.parse({**GOOD, "advice": template}, "rule.yml")


def test_a_need_that_is_no_fact_is_refused() -> None:
    with pytest.raises(Refusal):
        rulebook.parse({**without("params"), "needs": ["servers", "listeners", "port"]}, "rule.yml")


def test_the_id_is_the_folders_name(tmp_path: Path) -> None:
    put(tmp_path, GOOD, "another-name")
    with pytest.raises(Refusal, match="the id 'smtp-port' is not the folder's name"):
        rulebook.load(tmp_path, NOWHERE)


@pytest.mark.parametrize("content", ["a: [", "- a\n", "text", "\x00", ""])
def test_a_file_that_is_no_mapping_is_refused_by_name(tmp_path: Path, content: str) -> None:
    file = put(tmp_path, content)
    with pytest.raises(Refusal) as refusal:
        rulebook.load(tmp_path, NOWHERE)
    assert str(file) in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_no_rules_at_all_is_no_audit(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="no rules found"):
        rulebook.load(tmp_path, NOWHERE)


def test_a_missing_site_folder_is_as_good_as_an_empty_one(tmp_path: Path) -> None:
    put(tmp_path, GOOD)
    assert [rule.id for rule in rulebook.load(tmp_path, NOWHERE)] == ["smtp-port"]


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    shipped, site = tmp_path / "shipped", tmp_path / "site"
    put(shipped, GOOD)
    site.mkdir(mode=0o755)
    return shipped, site


@needs_root
def test_the_administrators_rules_are_added_and_outdo_the_shipped(
    folders: tuple[Path, Path],
) -> None:
    shipped, site = folders
    put(site, {**GOOD, "title": "Mine"})
    put(site, {**GOOD, "id": "port-587", "params": {"port": 587}}, "port-587")
    rules = rulebook.load(shipped, site)
    assert [(rule.id, rule.title) for rule in rules] == [
        ("port-587", "Nothing listens"),
        ("smtp-port", "Mine"),
    ]


@needs_root
def test_the_administrators_severity_counts(folders: tuple[Path, Path]) -> None:
    shipped, site = folders
    (site / rulebook.SITE_SEVERITIES).write_text("smtp-port: notice\n")
    assert rulebook.load(shipped, site)[0].severity is Severity.NOTICE


@needs_root
@pytest.mark.parametrize(
    ("text", "complaint"),
    [("smtp-prot: notice", "no rule 'smtp-prot'"), ("smtp-port: loud", "severity 'loud'")],
)
def test_a_severity_that_is_not_understood_is_refused(
    folders: tuple[Path, Path], text: str, complaint: str
) -> None:
    shipped, site = folders
    (site / rulebook.SITE_SEVERITIES).write_text(text)
    with pytest.raises(Refusal, match=complaint):
        rulebook.load(shipped, site)


def group_writable_folder(site: Path) -> None:
    site.chmod(0o775)


def world_writable_file(site: Path) -> None:
    put(site, GOOD).chmod(0o666)


def file_of_another_user(site: Path) -> None:
    os.chown(put(site, GOOD), 65534, 65534)


def link_in_the_folder(site: Path) -> None:
    (site / "elsewhere").symlink_to("/tmp")


@needs_root
@pytest.mark.parametrize(
    "spoil",
    [group_writable_folder, world_writable_file, file_of_another_user, link_in_the_folder],
)
def test_rules_that_others_could_write_are_refused(
    folders: tuple[Path, Path], spoil: Callable[[Path], None]
) -> None:
    shipped, site = folders
    spoil(site)
    with pytest.raises(Refusal) as refusal:
        rulebook.load(shipped, site)
    assert str(refusal.value).startswith(str(site))


@needs_root
def test_a_link_is_refused_as_a_link(folders: tuple[Path, Path]) -> None:
    shipped, site = folders
    link_in_the_folder(site)
    with pytest.raises(Refusal, match="a link is not followed"):
        rulebook.load(shipped, site)


def test_the_shipped_rules_are_complete() -> None:
    book = rulebook.load(rulebook.shipped_folder(), NOWHERE)
    assert len(book) >= 28
    assert all(rule.why and rule.references for rule in book)
    assert all(rule.advice or rule.fix for rule in book)
