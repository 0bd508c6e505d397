"""The wheel brings all that it needs: rules, schemas and templates lie in the package."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from mailfix import rulebook
from tests.full import FULL
from tests.lab.machine import CHECKOUT, program

SOURCES = ("agent", "rules", "LICENSE", "README.md", "pyproject.toml", "setup.py")
pytestmark = pytest.mark.skipif(importlib.util.find_spec("pip") is None, reason="needs pip")
AUDIT_SECONDS = 60.0
NO_NETWORK = ("unshare", "--net", "--map-root-user")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command, in an environment that knows nothing of the checkout.

    The wheel is built by today's setuptools. The libraries are those with which the tests run, and
    with MAILFIX_FULL=1 newly fetched ones.
    """
    folder = tmp_path_factory.mktemp("wheel")
    venv.create(folder / "venv", system_site_packages=False, with_pip=FULL)
    pip = [sys.executable, "-m", "pip", "-q", "--disable-pip-version-check"]
    build = [*pip, "wheel", "--no-deps", "--wheel-dir", str(folder)]
    subprocess.run([*build, str(source(folder))], check=True)
    (wheel,) = folder.glob("*.whl")
    python = folder / "venv/bin/python"
    if FULL:
        subprocess.run([python, "-m", "pip", "-q", "install", str(wheel)], check=True)
    else:
        subprocess.run(
            [*pip, "--python", str(python), "install", "--no-deps", str(wheel)], check=True
        )
        lend_libraries(folder / "venv")
    return folder / "venv/bin/mailfix"


def source(folder: Path) -> Path:
    """A copy: building leaves folders behind."""
    copy = folder / "source"
    copy.mkdir()
    for name in SOURCES:
        place = CHECKOUT / name
        if place.is_dir():
            shutil.copytree(place, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(place, copy)
    return copy


def lend_libraries(place: Path) -> None:
    """Let the environment see the libraries with which the tests run."""
    (packages,) = place.glob("lib/python3*/site-packages")
    libraries = {str(Path(each)) for each in sys.path if each.endswith("-packages")}
    (packages / "lent.pth").write_text("\n".join(sorted(libraries)), encoding="utf-8")


def test_every_rule_is_there(installed: Path, tmp_path: Path) -> None:
    told = subprocess.run(
        [installed, "rules"], cwd=tmp_path, capture_output=True, text=True, check=True
    ).stdout

    ids = {rule.id for rule in rulebook.load(rulebook.shipped_folder(), tmp_path / "none")}
    assert ids
    assert all(each in told for each in ids)


@pytest.mark.skipif(program("unshare") is None, reason="needs unshare")
@pytest.mark.parametrize("form", ["json", "html"])
def test_an_audit_runs(installed: Path, tmp_path: Path, form: str) -> None:
    done = subprocess.run(
        [*NO_NETWORK, installed, "audit", "--format", form],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=AUDIT_SECONDS,
        check=False,
    )

    assert done.returncode in {0, 1, 2}, done.stderr
    if form == "json":
        assert json.loads(done.stdout)["schema"] == "mailfix.report/1"
    else:
        assert done.stdout.rstrip().endswith("</html>")
