"""The command line as a user meets it: in a process of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from mailfix import __version__
from mailfix.report.document import SCHEMA_FILE

AGENT = Path(__file__).resolve().parents[2] / "agent"
ENVIRONMENT = {"PYTHONPATH": str(AGENT), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "COLUMNS": "200"}
UNSHARE = shutil.which("unshare")
SETPRIV = shutil.which("setpriv")
INTERPRETER = sys.executable


def offline() -> bool:
    """An audit asks DNS and dials out, so that tests run it only where nothing leaves."""
    if UNSHARE is None or os.geteuid() != 0:
        return False
    return subprocess.run([UNSHARE, "-n", "true"], capture_output=True, check=False).returncode == 0


needs_namespace = pytest.mark.skipif(not offline(), reason="needs root and network namespaces")


def mailfix(*arguments: str, prefix: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*prefix, sys.executable, "-m", "mailfix", *arguments],
        env=ENVIRONMENT,
        cwd="/",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def offline_audit(*arguments: str) -> subprocess.CompletedProcess[str]:
    assert UNSHARE is not None
    return mailfix("audit", *arguments, prefix=(UNSHARE, "-n"))


def assert_refused(done: subprocess.CompletedProcess[str], complaint: str) -> None:
    assert done.returncode == 64, done.stderr
    assert done.stdout == ""
    assert complaint in done.stderr
    assert done.stderr.startswith("mailfix: ")
    assert len(done.stderr.splitlines()) == 1


def test_the_version_is_one_line() -> None:
    done = mailfix("--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"mailfix {__version__}\n", "")


@pytest.mark.parametrize("command", ["audit", "report", "ignore", "probe", "rules"])
def test_every_command_has_help_with_an_example(command: str) -> None:
    done = mailfix(command, "--help")
    assert done.returncode == 0
    assert f"Example: mailfix {command}" in " ".join(done.stdout.split())


def test_help_names_the_exit_codes_and_the_commands() -> None:
    told = " ".join(mailfix("--help").stdout.split())
    assert "2 something not found out" in told
    for command in ("audit", "probe", "rules"):
        assert command in told


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--no-such-option"], "--no-such-option"),
        (["audit", "--no-such-option"], "--no-such-option"),
        (["audit", "--format", "yaml"], "yaml"),
        (["audit", "surplus"], "surplus"),
        (["no-such-command"], "no-such-command"),
        (["probe"], "rgument"),
        (["probe", "mail.example.com", "--port", "70000"], "65535"),
        (["rules", "no-such-rule"], "there is no rule 'no-such-rule'"),
        (["rules", "\x1b[31mred"], r"\x1b[31mred"),
    ],
)
def test_a_usage_error_is_one_line_and_64(arguments: list[str], complaint: str) -> None:
    assert_refused(mailfix(*arguments), complaint)


def test_rules_lists_and_explains() -> None:
    listed = mailfix("rules")
    assert listed.returncode == 0
    assert "ptr-missing" in listed.stdout
    assert "\x1b" not in listed.stdout
    told = mailfix("rules", "ptr-missing")
    assert told.returncode == 0
    assert "RFC 1912" in told.stdout


def test_a_reader_that_leaves_early_gets_no_traceback() -> None:
    program = f"{sys.executable} -m mailfix rules | head -c 1"
    for _ in range(3):
        done = in_a_shell(program)
        assert done.stderr == ""
        assert len(done.stdout) == 1


def test_a_closed_pipe_is_survived_in_silence() -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "mailfix", "rules"],
            env=ENVIRONMENT,
            stdout=write_end,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    finally:
        os.close(write_end)
    assert done.stderr == ""


@pytest.mark.parametrize(("command", "code"), [("rules", 70), ("check --nonsense", 3)])
@pytest.mark.parametrize("into", ["> /dev/full", "| true; exit ${PIPESTATUS[0]}"])
def test_what_cannot_be_written_is_no_result(command: str, code: int, into: str) -> None:
    """Neither 1, something wrong, nor a warning to a monitoring system, and no traceback."""
    done = in_a_shell(f"{sys.executable} -m mailfix {command} {into}")
    assert done.returncode == code
    assert "Traceback" not in done.stderr
    assert ("No space left on device" in done.stderr) == ("full" in into)


@pytest.mark.parametrize(("command", "code"), [("rules", 0), ("check --nonsense", 3)])
def test_streams_may_be_closed(command: str, code: int) -> None:
    done = in_a_shell(f"{sys.executable} -m mailfix {command} <&- >&- 2>&-")
    assert (done.returncode, done.stdout, done.stderr) == (code, "", "")


def in_a_shell(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/bash", "-c", program],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_an_unusable_rule_is_refused_by_file(tmp_path: Path) -> None:
    """A copy of the package beside a broken rule: the shipped folder is found by its place."""
    shutil.copytree(AGENT / "mailfix", tmp_path / "agent" / "mailfix")
    broken = tmp_path / "rules" / "broken" / "rule.yml"
    broken.parent.mkdir(parents=True)
    broken.write_text("id: broken\nsevertiy: error\n")
    done = subprocess.run(
        [sys.executable, "-m", "mailfix", "rules"],
        env={**ENVIRONMENT, "PYTHONPATH": str(tmp_path / "agent")},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert_refused(done, f"{broken}: unknown key 'severtiy'")


@needs_namespace
def test_an_audit_without_a_network_answers_in_time_and_in_json() -> None:
    done = offline_audit("--format", "json")
    assert "Traceback" not in done.stderr
    told = json.loads(done.stdout)
    Draft202012Validator(json.loads(SCHEMA_FILE.read_text("utf-8"))).validate(told)
    assert done.returncode in (1, 2)
    assert "host-offline" in {finding["rule"] for finding in told["findings"]}
    assert told["duration_s"] < 10


@needs_namespace
def test_an_audit_for_people_ends_with_the_same_code() -> None:
    done = offline_audit()
    assert "Traceback" not in done.stderr
    assert done.returncode == offline_audit("--format", "json").returncode
    assert "\x1b" not in done.stdout


@pytest.fixture
def copy_for_everybody() -> Iterator[Path]:
    """The package and its rules where any user can read them, as an installed one lies."""
    with tempfile.TemporaryDirectory(prefix="mailfix-test-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        shutil.copytree(AGENT / "mailfix", folder / "agent" / "mailfix")
        shutil.copytree(AGENT.parent / "rules", folder / "rules")
        yield folder / "agent"


@needs_namespace
@pytest.mark.skipif(SETPRIV is None, reason="needs setpriv(1)")
def test_without_root_what_needs_root_is_unknown_and_says_so(copy_for_everybody: Path) -> None:
    as_nobody = [str(SETPRIV), "--reuid=65534", "--regid=65534", "--clear-groups"]
    done = subprocess.run(
        [str(UNSHARE), "-n", *as_nobody, INTERPRETER, "-m", "mailfix", "audit", "--format", "json"],
        env={**ENVIRONMENT, "PYTHONPATH": str(copy_for_everybody)},
        cwd="/",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Traceback" not in done.stderr
    assert done.returncode in (1, 2), done.stderr
    findings = json.loads(done.stdout)["findings"]
    unknown = [each["message"] for each in findings if each["status"] == "unknown"]
    assert any("needs root" in message for message in unknown)


def test_colour_is_for_terminals_alone_and_not_where_it_is_unwanted() -> None:
    for extra, coloured in (({}, True), ({"NO_COLOR": "1"}, False)):
        assert ("\x1b[" in on_a_terminal("rules", extra)) is coloured


def on_a_terminal(command: str, extra: dict[str, str]) -> str:
    ours, theirs = os.openpty()
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", "mailfix", command],
            env={**ENVIRONMENT, "TERM": "xterm", **extra},
            stdin=subprocess.DEVNULL,
            stdout=theirs,
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs)
        seen = bytearray()
        while chunk := _read(ours):
            seen += chunk
        process.wait(30)
    finally:
        os.close(ours)
    return seen.decode("utf-8", "replace")


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 4096)
    except OSError:
        return b""


def test_what_to_ignore_is_asked_for_in_one_line() -> None:
    assert_refused(mailfix("ignore", "ptr-generic"), "how long? add --until")
    assert_refused(mailfix("ignore", "--end"), "name a rule")
    refused = mailfix("ignore", "ptr-generic", "--end", "--until", "3d")
    assert_refused(refused, "--end takes neither --until nor --why")
    assert_refused(mailfix("ignore", "no-such-rule", "--until", "30d", "--why", "x"), "no rule")
