"""The house's one-way flow, held by reading what every module imports (see docs/architecture.md).

host -> probes -> facts -> rules -> findings -> report: what judges touches no part of the world,
what touches the world judges nothing, and what is slow to import is imported where it is used.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "agent" / "mailfix"
SLOW = {
    *("dns", "yaml", "psutil", "jsonschema", "ssl", "sqlite3", "iptc", "rich", "hypothesis"),
    *("ctypes", "http", "urllib", "email", "unittest", "logging", "multiprocessing", "jinja2"),
}
WORLD = {
    *("subprocess", "socket", "psutil", "dns", "ssl", "sqlite3", "iptc", "ctypes", "signal"),
    *("pathlib", "tempfile", "shutil", "glob", "fcntl", "select", "selectors", "resource"),
    *("os", "sys", "asyncio", "threading", "time", "random", "pwd", "grp", "urllib", "http", "io"),
}
PURE = (
    "model",
    "record_set",
    "mail_records",
    "facts",
    "grounds",
    "audit",
    "plan",
    "predicates",
    "firewall",
    "comparison",
    "overview",
)
MAY_USE = {
    "model": set(),
    "ownership": {"model"},
    "progress": set(),
    "record_set": {"model"},
    "mail_records": {"model", "record_set"},
    "facts": {"model", "mail_records"},
    "yaml_text": {"model"},
    "setting_values": {"model", "yaml_text"},
    "report_settings": {"model", "setting_values", "yaml_text"},
    "settings": {"model", "report_settings", "setting_values", "yaml_text"},
    "firewall": {"model"},
    "predicates": {"model", "facts", "mail_records"},
    "rulebook": {"model", "facts", "mail_records", "ownership", "predicates", "yaml_text"},
    "grounds": {"model", "mail_records", "predicates", "rulebook"},
    "audit": {"model", "facts", "grounds", "mail_records", "predicates", "rulebook"},
    "host": {"model", "facts", "record_set", "mail_records"},
    "probes": {
        *("model", "facts", "progress", "record_set", "mail_records", "host", "firewall"),
        "settings",
    },
    "outside": {"model", "facts", "record_set", "host"},
    "comparison": {"model"},
    "overview": {"model", "facts", "mail_records", "predicates"},
    "acknowledged": {"model", "comparison", "host", "rulebook", "yaml_text"},
    "report": {"model", "facts", "overview", "rulebook", "outside", "firewall", "comparison"},
    "changes": {"model", "facts", "mail_records", "host", "firewall", "probes"},
    "actions": {
        *("model", "facts", "mail_records", "settings", "changes", "host", "firewall", "probes")
    },
    "apply": {"model", "changes", "host", "settings"},
    "plan": {"model", "rulebook"},
    "collect": {
        *("model", "facts", "progress", "record_set", "mail_records", "host", "probes"),
        *("firewall", "settings"),
    },
}
TIES_ROOMS = {"auditor", "explainer", "fixer", "reporter", "cli", "__main__", ""}


@dataclass(frozen=True)
class Import:
    """``module`` as it is named in full; ``at_top`` where importing the file imports it, too."""

    room: str
    file: str
    module: str
    at_top: bool
    for_types: bool

    @property
    def top(self) -> str:
        return self.module.partition(".")[0]

    @property
    def used_room(self) -> str | None:
        """The room of the package that is used; "" is the package's own version."""
        return self.module.split(".")[1:2][0] if self.module.startswith("mailfix.") else None


@cache
def imports() -> tuple[Import, ...]:
    return tuple(found for file in sorted(PACKAGE.rglob("*.py")) for found in _of_file(file))


def _of_file(file: Path) -> Iterator[Import]:
    relative = file.relative_to(PACKAGE)
    room = relative.parts[0].removesuffix(".py")
    tree = ast.parse(file.read_text("utf-8"), str(file))
    for node, at_top, for_types in _walk(tree, at_top=True, for_types=False):
        for name in _names(node, relative):
            yield Import("" if room == "__init__" else room, str(relative), name, at_top, for_types)


def _walk(node: ast.AST, *, at_top: bool, for_types: bool) -> Iterator[tuple[ast.AST, bool, bool]]:
    for child in ast.iter_child_nodes(node):
        inside = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        typing = isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)
        yield child, at_top, for_types
        yield from _walk(child, at_top=at_top and not inside, for_types=for_types or typing)


def _names(node: ast.AST, relative: Path) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        folder = ["mailfix", *relative.parts[:-1]]
        above = folder[: len(folder) - node.level + 1] if node.level else []
        module = ".".join([*above, *([node.module] if node.module else [])])
        if module == "mailfix":
            yield from (f"mailfix.{alias.name}" for alias in node.names)
        else:
            yield module


def _told(found: list[Import]) -> list[str]:
    return sorted({f"{each.file} imports {each.module}" for each in found})


def test_the_check_sees_the_package() -> None:
    rooms = {each.room for each in imports()}
    assert rooms >= {*MAY_USE, "cli", "auditor"} - {"model"}
    assert any(each.module == "dns.message" and not each.at_top for each in imports())
    assert any(each.module == "mailfix.rulebook" for each in imports() if each.room == "auditor")


@pytest.mark.parametrize("room", PURE)
def test_what_judges_touches_no_part_of_the_world(room: str) -> None:
    reaching = [each for each in imports() if each.room == room and each.top in WORLD]
    assert _told(reaching) == []


@pytest.mark.parametrize("room", sorted(MAY_USE))
def test_a_room_uses_only_the_rooms_before_it(room: str) -> None:
    allowed = {room, None, "__version__", *MAY_USE[room]}
    wrong = [each for each in imports() if each.room == room and each.used_room not in allowed]
    assert _told(wrong) == []


def test_every_room_has_its_place_in_the_flow() -> None:
    rooms = {each.room for each in imports()}
    assert rooms <= {*MAY_USE, *TIES_ROOMS}


def test_rulebook_reads_its_folders_and_nothing_else() -> None:
    allowed = {"os", "pathlib"}
    used = {each.top for each in imports() if each.room == "rulebook"} & WORLD
    assert used <= allowed


def test_report_touches_nothing_but_the_path_of_its_schema() -> None:
    used = {(each.top, each.file) for each in imports() if each.room == "report"}
    assert {pair for pair in used if pair[0] in WORLD} <= {("pathlib", "report/document.py")}


def test_only_the_host_room_opens_connections_and_starts_programs() -> None:
    reaching = {"subprocess", "socket", "psutil", "dns", "ctypes"}
    elsewhere = [
        each
        for each in imports()
        if each.top in reaching and each.room not in ("host", "outside") and not each.for_types
    ]
    assert _told(elsewhere) == []


def test_slow_modules_are_imported_where_they_are_used() -> None:
    early = [
        each
        for each in imports()
        if each.at_top and each.top in SLOW and not each.for_types and each.room != "outside"
    ]
    early += [each for each in imports() if each.top == "typer" and each.room != "cli"]
    assert _told(early) == []


def test_the_look_from_outside_is_slow_for_its_own_command_alone() -> None:
    users = {(each.file, each.at_top) for each in imports() if each.used_room == "outside"}
    allowed = {("cli.py", False), ("report/outside.py", True)}
    assert {pair for pair in users if not pair[0].startswith("outside/")} <= allowed


def test_the_command_line_imports_a_room_only_for_the_command_that_needs_it() -> None:
    early = {
        each.used_room
        for each in imports()
        if each.room == "cli" and each.at_top and not each.for_types
    }
    assert early <= {None, "__version__", "model"}


def test_telling_the_version_imports_nothing_that_an_audit_needs() -> None:
    script = (
        "import sys; sys.argv = ['mailfix', '--version']\n"
        "from mailfix import cli\n"
        "try: cli.main()\n"
        "except SystemExit as end: assert end.code in (0, None), end.code\n"
        "print(*sorted(sys.modules))"
    )
    told = subprocess.run(
        [sys.executable, "-c", script],
        env={"PYTHONPATH": str(PACKAGE.parent), "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    version, modules = told.stdout.strip().split("\n")
    assert version.startswith("mailfix ")
    loaded = set(modules.split())
    assert {"yaml", "dns", "psutil", "asyncio", "sqlite3"} & loaded == set()
    assert {name for name in loaded if name.startswith("mailfix.")} <= {
        "mailfix.cli",
        "mailfix.model",
    }
