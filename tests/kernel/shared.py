"""The folder of real rulesets with the kernel's recorded answers (its MANIFEST.md)."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from mailfix.model import Family
from tests.kernel.rig import must_run, run

FOLDER = Path(
    os.environ.get("MAILFIX_RULESETS")
    or Path(__file__).resolve().parents[3] / "shared" / "rulesets"
)


@dataclass(frozen=True)
class SharedRuleset:
    """One line of the manifest. ``port25``: open, blocked:drop, blocked:reject or ""."""

    name: str
    kind: str
    legacy: bool
    nft: bool
    port25: str

    @property
    def text(self) -> str:
        return (FOLDER / self.name).read_text(encoding="utf-8", errors="replace")

    @property
    def family(self) -> Family:
        return Family.IPV6 if self.kind == "ip6tables-save" else Family.IPV4

    @property
    def needs_sets(self) -> bool:
        return "--match-set" in self.text


def shared_rulesets() -> list[SharedRuleset]:
    """All of the manifest; none where the folder is absent."""
    manifest = FOLDER / "MANIFEST.md"
    if not manifest.exists():
        return []
    found = []
    for line in manifest.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.removeprefix("|").removesuffix("|").split("|")]
        if len(cells) == 10 and cells[2].isdecimal():
            found.append(
                SharedRuleset(cells[0], cells[1], cells[6] == "ok", cells[7] == "ok", cells[8])
            )
    return found


def shared_cases() -> list[tuple[SharedRuleset, str]]:
    """Each that loads, with every backend that it loads in."""
    return [
        (ruleset, backend)
        for ruleset in shared_rulesets()
        for backend in (("nft",) if ruleset.kind == "nft" else ("legacy", "nft"))
        if getattr(ruleset, backend)
    ]


def load_shared(ruleset: SharedRuleset, backend: str) -> None:
    """Load it into the namespace that the thread is in; skips the test where it does not load."""
    for name in sorted(set(re.findall(r"--match-set (\S+)", ruleset.text))):
        address, kind = ("198.51.100.7", "inet")
        if ruleset.family is Family.IPV6:
            address, kind = ("2001:db8::7", "inet6")
        must_run("ipset", "create", name, "hash:ip", "family", kind)
        must_run("ipset", "add", name, address)
    if ruleset.kind == "nft":
        done = run("nft", "-f", "-", text=ruleset.text)
    else:
        prefix = "ip6tables" if ruleset.family is Family.IPV6 else "iptables"
        done = run(f"{prefix}-{backend}-restore", text=ruleset.text)
    if done.returncode:
        pytest.skip(f"these versions do not load it: {done.stderr.strip()[:200]}")
