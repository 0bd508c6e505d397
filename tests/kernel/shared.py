"""The folder of real rulesets with the kernel's recorded answers (its MANIFEST.md)."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from mailfix.model import Family

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
