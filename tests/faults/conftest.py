"""What the fault tests need, and one line at the end that says how many faults there were."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest

from tests.faults import subject
from tests.faults.tally import CUTS, FAULTS, Tally, Verdict, line, tallies
from tests.faults.world import Nursery, World

REQUIRED = os.environ.get("MAILFIX_LAB") == "require"


def _obstacle() -> str:
    if os.geteuid() != 0:
        return "only root may give files away and mount"
    if shutil.which("strace") is None:
        return "not installed: strace"
    inject = ("strace", "-f", "--seccomp-bpf", "-o", "/dev/null", "-e", "inject=rename:error=EIO")
    tried = subprocess.run([*inject, "true"], capture_output=True, text=True, check=False)
    return f"strace cannot trace here: {tried.stderr.strip()}" if tried.returncode else ""


@pytest.fixture(scope="session", autouse=True)
def _faults_can_be_injected() -> None:
    obstacle = _obstacle()
    if obstacle and REQUIRED:
        pytest.fail(obstacle)
    if obstacle:
        pytest.skip(f"{obstacle} (MAILFIX_LAB=require makes this a failure)")
    subject.register()


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    made = Nursery()
    yield made
    made.close()


@pytest.fixture
def world(nursery: Nursery) -> Iterator[World]:
    """A host in a folder in memory: thousands of flushes cost nothing there."""
    folder = Path(mkdtemp(prefix="mailfix-faults-", dir="/dev/shm"))
    try:
        yield World(folder, nursery)
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def counted(request: pytest.FixtureRequest) -> Tally:
    return tallies(request.config)[FAULTS]


@pytest.fixture
def counted_cuts(request: pytest.FixtureRequest) -> Tally:
    return tallies(request.config)[CUTS]


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A worker of pytest-xdist hands over what it has counted."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["faults"] = {
            what: {verdict.value: n for verdict, n in counted.items()}
            for what, counted in tallies(session.config).items()
        }


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    for what, counts in getattr(node, "workeroutput", {}).get("faults", {}).items():
        tallies(node.config)[what].update({Verdict(name): n for name, n in counts.items()})


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    for what, counted in tallies(config).items():
        if counted:
            terminalreporter.write_line(line(what, counted))
