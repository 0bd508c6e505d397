"""The documentation says what is true: rules, commands, settings, metrics, schemas and links."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path

import jsonschema
import pytest
import yaml

from mailfix import rulebook
from mailfix.audit import audit
from mailfix.model import Status
from mailfix.report import journal, prometheus
from mailfix.report.document import SCHEMA_FILE
from mailfix.report_settings import Mail, ReportSettings, Smarthost, Webhook
from mailfix.rulebook import Rule
from mailfix.settings import DnsUpdate, Settings, parse_settings
from scripts import rule_pages
from scripts.command_files.commands import commands
from tests.rules.cases import book, case_files, read_case
from tests.rules.reader import read_facts

TOP = Path(__file__).resolve().parents[2]
DOCS = TOP / "docs"
PAGES = sorted([*TOP.glob("*.md"), *DOCS.glob("*.md"), TOP / "packaging/README.md"])
WRITTEN_AS = {"sender": "from"}
INSIDE = {"mailfix.standings/1", "mailfix.acknowledged/1"}
"""Formats of files that nobody else reads."""

_FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_INDENTED = re.compile(r"^(?: {4}|\t)(.*)$", re.MULTILINE)
_SPAN = re.compile(r"`([^`\n]+)`")
_CALL = re.compile(r"\bmailfix ([a-z][a-z-]*)((?: [^|;&]*)?)")
_LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_PATH = re.compile(r"`((?:agent|docs|packaging|scripts|systemd|tests)/[\w./*-]*)")


@dataclass(frozen=True)
class Call:
    """A command as a page shows it, and the options that stand behind it."""

    command: str
    options: frozenset[str]


def blocks(page: Path, language: str) -> list[str]:
    """The fenced blocks of that language."""
    return [text for kind, text in _FENCED.findall(page.read_text("utf-8")) if kind == language]


def calls(page: Path) -> Iterator[Call]:
    """What is shown as code: prose may begin with the program's name, too."""
    text = page.read_text("utf-8")
    plain = _FENCED.sub("", text)
    code = [line for _, block in _FENCED.findall(text) for line in block.splitlines()]
    code += [*_INDENTED.findall(plain), *_SPAN.findall(_INDENTED.sub("", plain))]
    for line in code:
        for command, rest in _CALL.findall(line):
            yield Call(command, frozenset(re.findall(r"(?<!\S)--[a-z][a-z-]*", rest)))


def anchors(page: Path) -> set[str]:
    """As the web pages of a repository make them from headings."""
    text = _FENCED.sub("", page.read_text("utf-8"))
    return {
        re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")
        for heading in _HEADING.findall(text)
    }


def table(page: Path) -> Iterator[list[str]]:
    """The cells of each row."""
    for line in page.read_text("utf-8").splitlines():
        if line.startswith("| `"):
            yield [cell.strip() for cell in line.strip("|").split(" | ")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(TOP)))
def test_every_command_and_option_is_one(page: Path) -> None:
    known = {each.name: {option.name for option in each.options} for each in commands()}

    for call in calls(page):
        assert call.command in known, call
        assert call.options <= known[call.command] | {"--help"}, call


def test_the_readme_names_every_command() -> None:
    readme = (TOP / "README.md").read_text("utf-8")

    assert [each.name for each in commands() if each.name not in readme] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(TOP)))
def test_every_link_leads_somewhere(page: Path) -> None:
    for file, anchor in _LINK.findall(page.read_text("utf-8")):
        target = (page.parent / file).resolve() if file else page
        assert target.exists(), file
        assert not anchor or anchor in anchors(target), f"{file}#{anchor}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(TOP)))
def test_every_path_of_the_checkout_is_there(page: Path) -> None:
    named = _PATH.findall(page.read_text("utf-8"))

    assert [path for path in named if not any(TOP.glob(path.rstrip("/")))] == []


def test_the_map_of_the_house_has_every_room() -> None:
    text = (DOCS / "architecture.md").read_text("utf-8")
    rooms = [
        f"{each.name}/" if each.is_dir() else each.name
        for each in (TOP / "agent/mailfix").iterdir()
        if each.suffix == ".py" or (each / "__init__.py").exists()
    ]

    missing = [each for each in rooms if f"`{each}`" not in text and each[0] != "_"]
    assert rooms
    assert missing == []


def test_every_unit_that_is_named_is_shipped() -> None:
    named = {
        unit
        for page in PAGES
        for unit in re.findall(r"`(mailfix-[a-z-]+\.(?:service|timer))`", page.read_text("utf-8"))
    }

    assert named == {each.name for each in (TOP / "systemd").iterdir()}


def test_the_page_of_rules_is_what_the_rules_say() -> None:
    told = "docs/rules.md is stale: PYTHONPATH=agent python3 -m scripts.rule_pages"

    assert rule_pages.PAGE.read_text("utf-8") == rule_pages.write(book()), told


def test_the_examples_of_settings_hold() -> None:
    for text in blocks(DOCS / "settings.md", "yaml"):
        assert parse_settings(text) != Settings()


def test_the_table_of_settings_tells_the_defaults() -> None:
    inside = {each.name for each in fields(ReportSettings)}
    for names, default, *_ in table(DOCS / "settings.md"):
        for name in _SPAN.findall(names):
            value = default.strip("`") if default.startswith("`") else "null"
            text = f"report: {{{name}: {value}}}" if name in inside else f"{name}: {value}"
            assert parse_settings(text) == Settings(), name


@pytest.mark.parametrize("kind", [Settings, DnsUpdate, ReportSettings, Webhook, Mail, Smarthost])
def test_every_setting_is_documented(kind: type[Settings]) -> None:
    text = (DOCS / "settings.md").read_text("utf-8")
    names = [WRITTEN_AS.get(each.name, each.name) for each in fields(kind)]

    assert [each for each in names if not re.search(rf"\b{each}(`|:)", text)] == []


def test_every_metric_is_documented_and_there_is_no_other() -> None:
    code = Path(prometheus.__file__).read_text("utf-8")
    told = {names.strip("`") for names, *_ in table(DOCS / "metrics.md")}

    assert {name for name in told if name.startswith("mailfix_")} == set(
        re.findall(r'"(mailfix_\w+)"', code)
    )


def test_every_kind_of_journal_entry_and_every_field_is_documented() -> None:
    code = Path(journal.__file__).read_text("utf-8")
    text = (DOCS / "metrics.md").read_text("utf-8")

    assert set(re.findall(r"\b[0-9a-f]{32}\b", text)) == {each.value for each in journal.Kind}
    assert set(re.findall(r"MAILFIX_[A-Z]+", text)) == set(re.findall(r"(MAILFIX_[A-Z]+)=", code))


def test_every_json_document_is_described() -> None:
    code = "".join(file.read_text("utf-8") for file in (TOP / "agent/mailfix").rglob("*.py"))
    text = (DOCS / "json.md").read_text("utf-8")
    schemas = {each.name for each in (TOP / "agent/mailfix/report").glob("*.schema.json")}

    written = set(re.findall(r'^SCHEMA = "(mailfix\.[a-z]+/\d+)"', code, re.MULTILINE)) - INSIDE
    assert set(re.findall(r"^\| `(mailfix\.[a-z]+/\d+)`", text, re.MULTILINE)) == written
    assert set(re.findall(r"`([a-z]+\.schema\.json)`", text)) == schemas


@pytest.mark.parametrize("name", ["report", "news", "failure", "fix"])
def test_every_key_of_a_document_is_described(name: str) -> None:
    text = (DOCS / "json.md").read_text("utf-8")
    schema = json.loads((SCHEMA_FILE.parent / f"{name}.schema.json").read_text("utf-8"))
    items = (each.get("items", {}).get("properties", {}) for each in schema["properties"].values())
    keys = {*schema["properties"], *(key for properties in items for key in properties)}

    assert [key for key in keys if not re.search(f'[`"]{key}[`"]', text)] == []


def test_the_json_example_is_a_report() -> None:
    example = json.loads(blocks(DOCS / "json.md", "json")[0])

    jsonschema.validate(example, json.loads(SCHEMA_FILE.read_text("utf-8")))


def test_the_example_of_a_rule_is_understood_and_judges() -> None:
    rule = example_rule()
    case = next(each for each in case_files() if each.rule.id == "smtp-not-listening")

    found = audit(read_facts(read_case(case).facts), [rule])

    assert [(each.status, each.message) for each in found] == [
        (Status.FAIL, "a mail server runs, but nothing listens on tcp/995")
    ]


def test_the_example_of_severities_names_rules() -> None:
    chosen = yaml.safe_load(blocks(DOCS / "writing-a-rule.md", "yaml")[1])
    known = {each.id for each in (*book(), example_rule())}

    assert chosen
    assert set(chosen) <= known


def test_the_keys_of_a_rule_are_all_described() -> None:
    told = {key.strip("`") for key, *_ in table(DOCS / "writing-a-rule.md")}

    assert told == {each.name for each in fields(Rule)}


def example_rule() -> Rule:
    text = blocks(DOCS / "writing-a-rule.md", "yaml")[0]
    return rulebook.parse(yaml.safe_load(text), "docs/writing-a-rule.md")
