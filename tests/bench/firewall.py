"""How long reading and judging very many rules takes, beside the tools that list them.

    python3 -m tests.bench.firewall [--sizes 1000 10000 50000 100000] [--cases WORD] [--runs N]

Each ruleset is loaded into the kernel in a network namespace of its own. Needs root, nft and the
iptables tools of both backends; python-iptables reads the same legacy table where Debian's
python3-iptables is installed. The median of the runs of each figure; the last column is how the
time grows from one size to the next: 1.0 with the number of rules, 2.0 with its square.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mailfix.facts import MAIL_PORTS
from mailfix.firewall import Backend, Direction, Dump, Question, judge, read_ruleset
from mailfix.model import Family
from tests.bench import many_rules

OUT = (("tcp", 25), ("tcp", 53), ("udp", 53), ("tcp", 465), ("tcp", 587))
LOCAL = {Family.IPV4: "203.0.113.10", Family.IPV6: "2001:db8:1::10"}
DEBIAN_PYTHON = "/usr/bin/python3"
PYTHON_IPTABLES = """
import sys, time
clock = time.monotonic()
import iptc
table = (iptc.Table6 if sys.argv[1] == "ipv6" else iptc.Table)("filter")
for chain in table.chains:
    for rule in chain.rules:
        rule.src, rule.target.name
print(time.monotonic() - clock)
"""


@dataclass(frozen=True, slots=True)
class Case:
    """``make`` writes the ruleset of so many rules for the tool that loads it."""

    backend: Backend
    kind: str
    family: Family
    make: Callable[[Family, int], str]

    @property
    def name(self) -> str:
        return f"{self.backend} {self.kind} {self.family}"


_SAVED = {
    "single": many_rules.single_saved,
    "mixed": many_rules.mixed_saved,
    "stateless": many_rules.stateless_saved,
}
_NATIVE = {
    "single": many_rules.single_native,
    "set": many_rules.set_native,
    "mixed": many_rules.mixed_native,
}
CASES = [
    Case(backend, kind, family, make)
    for backend, kinds in (
        (Backend.IPTABLES_LEGACY, _SAVED),
        (Backend.IPTABLES_NFT, _SAVED),
        (Backend.NFT, _NATIVE),
    )
    for kind, make in kinds.items()
    for family in Family
]


@dataclass(frozen=True, slots=True)
class Run:
    """Seconds, and the peak of the process that reads and judges in MiB, Python and texts too.

    ``python_iptables_s`` is not a number where it does not apply.
    """

    tools_s: float
    python_iptables_s: float
    read_s: float
    judge_s: float
    texts_mib: float
    peak_mib: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 10_000, 50_000, 100_000])
    parser.add_argument("--cases", default="", help="only those whose name has this in it")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--in-namespace", metavar="CASE", help=argparse.SUPPRESS)
    parser.add_argument("--judge", type=Path, metavar="FOLDER", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.judge:
        sys.stdout.write(json.dumps(_read_and_judge(chosen.judge)))
        return
    if chosen.in_namespace:
        case = next(each for each in CASES if each.name == chosen.in_namespace)
        sys.stdout.write(json.dumps(_in_namespace(case, chosen.sizes[0], chosen.runs)))
        return
    _print_row(
        *("ruleset", "rules", "tools", "py-iptables", "read", "judge", "both/tools", "peak MiB"),
        "growth",
    )
    for case in CASES:
        if chosen.cases in case.name:
            _measure(case, chosen.sizes, chosen.runs)


def _measure(case: Case, sizes: Sequence[int], runs: int) -> None:
    before: tuple[int, float] | None = None
    for size in sizes:
        found = [Run(*each) for each in _ask(case, size, runs)]
        both = statistics.median(run.read_s + run.judge_s for run in found)
        ratio = statistics.median((run.read_s + run.judge_s) / run.tools_s for run in found)
        growth = math.log(both / before[1]) / math.log(size / before[0]) if before else math.nan
        before = (size, both)
        _print_row(
            *(case.name, str(size)),
            *(
                f"{statistics.median(values):.3f}"
                for values in (
                    [run.tools_s for run in found],
                    [run.python_iptables_s for run in found],
                    [run.read_s for run in found],
                    [run.judge_s for run in found],
                )
            ),
            *(f"{ratio:.2f}", f"{max(run.peak_mib for run in found):.0f}", f"{growth:.2f}"),
        )


def _ask(case: Case, size: int, runs: int) -> list[list[float]]:
    command = ["unshare", "--net", sys.executable, "-m", "tests.bench.firewall"]
    command += ["--in-namespace", case.name, "--sizes", str(size), "--runs", str(runs)]
    found: list[list[float]] = json.loads(_output(*command))
    return found


def _in_namespace(case: Case, size: int, runs: int) -> list[list[float]]:
    """Load the rules once; list, read and judge them ``runs`` times, in turn."""
    _output(*_loader(case), text=case.make(case.family, size))
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(runs):
            tools_s = _list(case, Path(folder))
            other_s = _python_iptables(case)
            told = _output(sys.executable, "-m", "tests.bench.firewall", "--judge", folder)
            found.append([tools_s, other_s, *json.loads(told)])
    return found


def _prefix(family: Family) -> str:
    return "ip6tables" if family is Family.IPV6 else "iptables"


def _loader(case: Case) -> tuple[str, ...]:
    if case.backend is Backend.NFT:
        return ("nft", "-f", "-")
    return (f"{_prefix(case.family)}-{case.backend.removeprefix('iptables-')}-restore",)


def _list(case: Case, folder: Path) -> float:
    """Call the tools that tell of the rules, as an audit does; the seconds they take."""
    commands: dict[str, tuple[str, ...]] = {}
    if case.backend is not Backend.NFT:
        short = case.backend.removeprefix("iptables-")
        save = f"{_prefix(case.family)}-{short}-save"
        commands[f"{case.backend} {case.family}"] = (save,)
    if case.backend is not Backend.IPTABLES_LEGACY:
        commands["nft"] = ("nft", "-j", "list", "ruleset")
    clock = time.monotonic()
    for name, command in commands.items():
        (folder / name).write_text(_output(*command))
    return time.monotonic() - clock


def _python_iptables(case: Case) -> float:
    if case.backend is not Backend.IPTABLES_LEGACY or not Path(DEBIAN_PYTHON).exists():
        return math.nan
    command = [DEBIAN_PYTHON, "-c", PYTHON_IPTABLES, str(case.family)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return float(done.stdout) if done.returncode == 0 else math.nan


def _read_and_judge(folder: Path) -> list[float]:
    """Seconds of reading, of judging all mail ports of both families, MiB before and at the peak.

    A process of its own, so that the peak is its own.
    """
    dumps = []
    for path in sorted(folder.iterdir()):
        backend, _, family = path.name.partition(" ")
        dumps.append(Dump(Backend(backend), Family(family) if family else None, path.read_text()))
    before = _peak_mib()
    clock = time.monotonic()
    ruleset = read_ruleset(dumps)
    read_s = time.monotonic() - clock
    questions = _questions()
    asked = frozenset(question.port for question in questions)
    for question in questions:
        judge(ruleset, question, asked=asked)
    judge_s = time.monotonic() - clock - read_s
    return [read_s, judge_s, before, _peak_mib()]


def _questions() -> list[Question]:
    found = []
    for family, address in LOCAL.items():
        incoming = [(Direction.IN, "tcp", port) for port in MAIL_PORTS]
        outgoing = [(Direction.OUT, *service) for service in OUT]
        for direction, protocol, port in incoming + outgoing:
            found.append(Question(direction, family, port, "eth0", address, protocol, 107, 114))
    return found


def _peak_mib() -> float:
    """The most memory that this process has had, by proc(5); getrusage also tells its parent's."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def _output(*command: str, text: str = "") -> str:
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}: {done.stderr.strip()[-2000:]}")
    return done.stdout


def _print_row(*cells: str) -> None:
    widths = (28, 8, 8, 12, 8, 8, 11, 9, 7)
    row = "".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
    sys.stdout.write(row.rstrip() + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
