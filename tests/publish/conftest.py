"""What the tests with real name servers need, and what happens where it is missing."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailfix.apply.store import Store
from mailfix.host import boot
from tests.publish import rig
from tests.publish.changing import numbers
from tests.publish.rig import ZONE, Served

REQUIRED = os.environ.get("MAILFIX_LAB") == "require"
_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
_TOOLS = ("ip", "named", "knotd", "setpriv")


@pytest.fixture(scope="module", autouse=True)
def _alone() -> Iterator[None]:
    """The tests of a module run in a network that holds nothing but its own servers.

    A whole folder without ``__init__.py`` has no end but that of the session.
    """
    missing = [tool for tool in _TOOLS if shutil.which(tool, path=_PATH) is None]
    obstacle = f"not installed: {', '.join(missing)}" if missing else ""
    if os.geteuid() != 0:
        obstacle = "only root may make a network namespace"
    if obstacle and REQUIRED:
        pytest.fail(obstacle)
    if obstacle:
        pytest.skip(f"{obstacle} (MAILFIX_LAB=require makes this a failure)")
    with rig.alone():
        rig.loopback_up()
        yield


@pytest.fixture(autouse=True)
def _no_systemd(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The machine that runs the tests may have a guard of its own: it is none of ours."""
    monkeypatch.setattr(boot, "SYSTEMD_FOLDER", str(tmp_path / "no systemd"))


@pytest.fixture(scope="module", params=["bind", "knot"])
def served(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    """A zone on a primary and a secondary; every test uses names of its own in it."""
    with rig.served(request.param, tmp_path_factory.mktemp(request.param)) as found:
        yield found


@pytest.fixture
def name() -> str:
    """A name that nobody else uses."""
    return f"d{next(numbers)}.{ZONE}"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    found = Store(str(tmp_path / "state"))
    with found.locked():
        return found
