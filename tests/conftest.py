"""What was held against the kernel is counted by every worker and told at the end of the run."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest

from tests.kernel.compare import Tally, tallies


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A worker of pytest-xdist hands over what it has counted."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["tallies"] = {name: asdict(tally) for name, tally in tallies(session.config).items()}


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    for name, counted in getattr(node, "workeroutput", {}).get("tallies", {}).items():
        tallies(node.config)[name].add(Tally(**counted))


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    everything = Tally()
    for name, counted in sorted(tallies(config).items()):
        terminalreporter.write_line(f"{name.rpartition('.')[2]}: {counted.line()}")
        everything.add(counted)
    if everything.packets:
        terminalreporter.write_line(f"held against the kernel: {everything.line()}")
