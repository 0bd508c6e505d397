"""What the differential tests need, and what happens where it is missing."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.full import FULL
from tests.kernel.compare import MOST_UNDECIDED, Tally, tallies
from tests.kernel.rig import namespace

ENOUGH_VERDICTS = 100
"""Fewer say nothing about the usual share: one unlucky ruleset would be all of it."""
REQUIRED = os.environ.get("MAILFIX_LAB") == "require"


def drawing(examples: int) -> settings:
    """How random rulesets are drawn: in CI the same ones every time, with MAILFIX_FULL new ones."""
    return settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=not FULL,
        suppress_health_check=list(HealthCheck),
    )


_TOOLS = ("ip", "tc", "nft", "ipset", "iptables-legacy-restore", "iptables-nft-restore")


def _obstacle() -> str:
    if os.geteuid() != 0:
        return "only root may make a network namespace"
    path = "/usr/sbin:/usr/bin:/sbin:/bin"
    missing = [tool for tool in _TOOLS if shutil.which(tool, path=path) is None]
    if missing:
        return f"not installed: {', '.join(missing)}"
    try:
        with namespace() as kernel:
            kernel.install_catcher()
    except (OSError, RuntimeError) as problem:
        return f"no network namespace with a TUN device and NFLOG: {problem}"
    return ""


@pytest.fixture(scope="session", autouse=True)
def _kernel_can_be_asked() -> None:
    obstacle = _obstacle()
    if obstacle and REQUIRED:
        pytest.fail(obstacle)
    if obstacle:
        pytest.skip(f"{obstacle} (MAILFIX_LAB=require makes this a failure)")


@pytest.fixture(scope="module")
def tally(request: pytest.FixtureRequest) -> Iterator[Tally]:
    """Counts what a module compares; printed at the end, and held against MOST_UNDECIDED."""
    counted = Tally()
    yield counted
    tallies(request.config)[request.module.__name__].add(counted)
    if len(counted.shares) >= ENOUGH_VERDICTS:
        assert counted.undecided < MOST_UNDECIDED, counted.line()
