"""README shows what its two commands print on a host whose port 25 is blocked."""

from __future__ import annotations

import re
from itertools import takewhile

import pytest

from .breakages import BREAKAGES
from .lab import Lab
from .machine import CHECKOUT

pytestmark = pytest.mark.usefixtures("lab_machine")

INDENT = " " * 4
DURATION = re.compile(r"\([0-9.]+ s\)")


def shown(command: str) -> str:
    """What README has below a command, up to the next one."""
    text = (CHECKOUT / "README.md").read_text("utf-8")
    _, _, below = text.partition(f"{INDENT}# {command}\n")
    lines = takewhile(
        lambda line: line[:6] != f"{INDENT}# " and line[:1] in ("", " "), below.split("\n")
    )
    return plain("\n".join(line.removeprefix(INDENT) for line in lines))


def plain(text: str) -> str:
    return DURATION.sub("(0.0 s)", text).strip()


def test_what_readme_shows_is_what_is_printed(lab: Lab) -> None:
    BREAKAGES["blocked-25"].apply(lab.host, lab.internet)
    for command in ("mailfix audit", "mailfix fix --yes"):
        printed = lab.host.run(["sh", "-c", f"{command} 2>&1"])
        assert plain(printed.stdout) == shown(command)
