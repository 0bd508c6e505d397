"""Rulesets as hosts have them, written for these tests: one text file each in ``rulesets/``.

A file holds what is to be run, in order: a line ``#! COMMAND`` and its input up to the next one.
``iptables-restore`` stands for either backend. Before that, comments say what it is; a line
``#= undecided PORT...`` names the ports whose answer truly cannot be known, ``#= undecided`` that
it may be any port's.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tests.kernel.rig import must_run

FOLDER = Path(__file__).resolve().parent / "rulesets"
_EXPECTATION = "#= undecided"


@dataclass(frozen=True)
class WrittenRuleset:
    """``undecided`` holds ports; None: any may be undecided."""

    name: str
    loads: tuple[tuple[tuple[str, ...], str], ...]
    undecided: frozenset[int] | None

    @property
    def backends(self) -> tuple[str, ...]:
        """The ways in which it can be loaded."""
        by_iptables = any("tables-restore" in command[0] for command, _ in self.loads)
        return ("nft", "legacy") if by_iptables else ("nft",)

    def load(self, backend: str) -> None:
        """Load it into the namespace that the thread is in."""
        for (tool, *options), text in self.loads:
            must_run(
                tool.replace("tables-restore", f"tables-{backend}-restore"), *options, text=text
            )

    def may_be_undecided(self, port: int) -> bool:
        return self.undecided is None or port in self.undecided


def written_rulesets() -> list[WrittenRuleset]:
    return [_read(path) for path in sorted(FOLDER.glob("*.txt"))]


def _read(path: Path) -> WrittenRuleset:
    loads: list[tuple[tuple[str, ...], list[str]]] = []
    undecided: frozenset[int] | None = frozenset()
    for line in path.read_text("utf-8").splitlines():
        if line.startswith("#! "):
            loads.append((tuple(line.removeprefix("#! ").split()), []))
        elif loads:
            loads[-1][1].append(line)
        elif line.startswith(_EXPECTATION):
            ports = frozenset(int(port) for port in line.removeprefix(_EXPECTATION).split())
            undecided = ports or None
    texts = tuple((command, "\n".join([*lines, ""])) for command, lines in loads)
    return WrittenRuleset(path.stem, texts, undecided)
