"""The manual pages and the completions that the package ships know every command and option."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mailfix import cli
from scripts.command_files.__main__ import files
from scripts.command_files.commands import Command, commands
from tests.lab.machine import CHECKOUT, program

KNOWN = commands()
ASK_BASH = """
source "$1"
COMP_WORDS=(mailfix "${@:2}")
COMP_CWORD=$(($# - 1))
_mailfix
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files as the package is built with them: by the command, with Debian's Python."""
    folder = tmp_path_factory.mktemp("command-files")
    for name, text in files(KNOWN).items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def offered(written: Path, *words: str) -> set[str]:
    """What bash offers after these words, of which the last may be half a word."""
    done = subprocess.run(
        ["bash", "-c", ASK_BASH, "bash", str(written / "bash/mailfix"), *words],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.split())


def test_every_command_of_the_help_is_known() -> None:
    told = CliRunner().invoke(cli.app, ["--help"], env={"NO_COLOR": "1", "TERM": "dumb"}).output
    listed = told.partition("Commands")[2]

    assert KNOWN
    assert set(re.findall(r"^\W*([a-z][a-z-]+)  ", listed, re.MULTILINE)) == {
        each.name for each in KNOWN
    }


@pytest.mark.parametrize("command", KNOWN, ids=lambda each: each.name)
def test_every_option_of_a_commands_help_is_known(command: Command) -> None:
    shown = CliRunner().invoke(
        cli.app, [command.name, "--help"], env={"NO_COLOR": "1", "COLUMNS": "200", "TERM": "dumb"}
    )
    table = shown.output.partition("Options")[2].partition("Example:")[0]

    names = set(re.findall(r"^\W*(--[a-z-]+)", table, re.MULTILINE))

    assert names == {*(each.name for each in command.options), "--help"}


@pytest.mark.parametrize("command", KNOWN, ids=lambda each: each.name)
def test_the_page_of_a_command_tells_all_of_it(written: Path, command: Command) -> None:
    page = (written / f"man/mailfix-{command.name}.8").read_text("utf-8").replace("\\-", "-")

    for option in command.options:
        assert re.search(rf"^\.It Fl -{option.name[2:]}\b", page, re.MULTILINE), option.name
    for example in command.examples:
        assert example in page


@pytest.mark.skipif(program("man") is None, reason="needs man")
@pytest.mark.parametrize("name", ["mailfix", *(f"mailfix-{each.name}" for each in KNOWN)])
def test_man_takes_the_page(written: Path, name: str) -> None:
    done = subprocess.run(
        ["man", "--warnings", "-l", f"{written}/man/{name}.8"],
        capture_output=True,
        text=True,
        check=False,
        env={"LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin"},
    )

    assert (done.returncode, done.stderr) == (0, "")


def test_the_overview_names_every_command(written: Path) -> None:
    page = (written / "man/mailfix.8").read_text("utf-8")

    assert all(f".It Xr mailfix-{each.name} 8\n" in page for each in KNOWN)
    assert ".Dd today" not in page


@pytest.mark.skipif(program("bash") is None, reason="needs bash")
def test_bash_completes_commands_options_and_choices(written: Path) -> None:
    names = {each.name for each in KNOWN}

    assert offered(written, "") == {*names, "--help", "--version"}
    assert offered(written, "conf") == {"confirm"}
    for each in KNOWN:
        flags = {option.name for option in each.options} | {"--help"}
        assert offered(written, each.name, "--") == flags
        for option in each.options:
            if option.value is not None and option.value.choices:
                assert offered(written, each.name, option.name, "") == set(option.value.choices)


@pytest.mark.skipif(program("fish") is None, reason="needs fish")
@pytest.mark.parametrize("command", KNOWN, ids=lambda each: each.name)
def test_fish_completes_options(written: Path, command: Command) -> None:
    script = f"source {written}/fish/mailfix.fish; complete -C 'mailfix {command.name} --'"
    done = subprocess.run(["fish", "-c", script], capture_output=True, text=True, check=True)

    told = {line.split("\t")[0] for line in done.stdout.splitlines()}

    assert told == {*(each.name for each in command.options), "--help"}


@pytest.mark.skipif(program("zsh") is None, reason="needs zsh")
def test_zsh_takes_the_completion(written: Path) -> None:
    done = subprocess.run(
        ["zsh", "-n", str(written / "zsh/_mailfix")], capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")


def test_the_command_writes_the_files(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "scripts.command_files", str(tmp_path)],
        cwd=CHECKOUT,
        env={"PYTHONPATH": "agent", "SOURCE_DATE_EPOCH": "1767225600", "PATH": "/usr/bin:/bin"},
        check=True,
    )

    assert ".Dd January 1, 2026\n" in (tmp_path / "man/mailfix-audit.8").read_text("utf-8")
    assert all((tmp_path / name).exists() for name in files(KNOWN))
