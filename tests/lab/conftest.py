"""Fixtures of the lab; with MAILFIX_LAB=require a machine that cannot run it is a failure."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from .lab import Lab, running_lab, turn_termination_into_interrupt
from .machine import obstacle


@pytest.fixture(scope="session")
def lab_machine() -> None:
    """Skip, or fail where a lab is required, unless this machine can run one."""
    why = obstacle()
    if why is None:
        turn_termination_into_interrupt()
    elif os.environ.get("MAILFIX_LAB") == "require":
        pytest.fail(why)
    else:
        pytest.skip(why)


@pytest.fixture
def lab(lab_machine: None) -> Iterator[Lab]:
    """A healthy host and its Internet of this test's own, to be broken at will."""
    with running_lab() as running:
        yield running


@pytest.fixture(scope="session")
def healthy_lab(lab_machine: None) -> Iterator[Lab]:
    """A healthy host shared by tests that only look; nothing in it may be changed."""
    with running_lab() as running:
        yield running
