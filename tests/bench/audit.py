"""How long an audit takes and how much memory, beside lynis on the same host.

    python3 -m tests.bench.audit [--runs N]

Whole processes on the healthy lab host, every DNS answer 20 ms late; the median of each figure.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from dataclasses import dataclass

from tests.lab.bad_dns import BadDns, Trouble
from tests.lab.image import LYNIS
from tests.lab.lab import Lab, running_lab, turn_termination_into_interrupt

DNS_DELAY_S = 0.020
MEASURE = """
import contextlib, json, resource, subprocess, sys, threading, time
import psutil

def together(pid):
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid)
        family = (process, *process.children(recursive=True))
        return sum(each.memory_full_info().pss for each in family)
    return 0

def watch(pid):
    while not over.wait(0.1):
        seen.append(together(pid))

seen, over = [0], threading.Event()
before = resource.getrusage(resource.RUSAGE_CHILDREN)
clock = time.monotonic()
run = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
watcher = threading.Thread(target=watch, args=(run.pid,))
watcher.start()
code = run.wait()
wall = time.monotonic() - clock
over.set()
watcher.join()
after = resource.getrusage(resource.RUSAGE_CHILDREN)
cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
peak = max(after.ru_maxrss / 1024, max(seen) / 2**20)
print(json.dumps([code, wall, cpu, peak]))
"""
COMMANDS = {
    "mailfix audit": ("mailfix", "audit"),
    "lynis": (
        *("lynis", "audit", "system", "--quick", "--no-colors"),
        *("--tests-from-group", "mail_messaging firewalls"),
    ),
    "mailfix --version": ("mailfix", "--version"),
    "python3 and typer": ("python3", "-c", "import typer"),
}


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a whole process: wall and processor time in seconds, peak memory in MiB.

    The memory is that of the process and of all that it started, together (PSS of
    proc_pid_smaps(5)), seen every 100 ms.
    """

    code: int
    wall_s: float
    cpu_s: float
    peak_mib: float


def measure(lab: Lab, command: tuple[str, ...]) -> Run:
    told = lab.host.run(["python3", "-c", MEASURE, *command], timeout=300).stdout
    return Run(*json.loads(told))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=7, help="counted runs after one to warm up")
    chosen = parser.parse_args()
    turn_termination_into_interrupt()
    with running_lab(LYNIS) as lab:
        lab.internet.break_dns(BadDns(Trouble.SLOW, delay=DNS_DELAY_S))
        runs = {name: [measure(lab, command)] for name, command in COMMANDS.items()}
        for _ in range(chosen.runs):
            for name, command in COMMANDS.items():
                runs[name].append(measure(lab, command))
    report({name: counted[1:] for name, counted in runs.items()})


def report(runs: dict[str, list[Run]]) -> None:
    """Print a row for each command, then the ratios run by run."""
    print_row("", "exit", "wall s (min median max)", "cpu s", "peak MiB")
    for name, counted in runs.items():
        walls = sorted(run.wall_s for run in counted)
        print_row(
            name,
            str(counted[0].code),
            f"{walls[0]:.3f} {statistics.median(walls):.3f} {walls[-1]:.3f}",
            f"{statistics.median(run.cpu_s for run in counted):.3f}",
            f"{max(run.peak_mib for run in counted):.1f}",
        )
    for one, other in (("lynis", "mailfix audit"), ("mailfix --version", "python3 and typer")):
        pairs = zip(runs[one], runs[other], strict=True)
        ratio = statistics.median(a.wall_s / b.wall_s for a, b in pairs)
        sys.stdout.write(f"{one} / {other}: {ratio:.2f}\n")


def print_row(*cells: str) -> None:
    widths = (20, 6, 26, 8, 8)
    sys.stdout.write("".join(c.ljust(w) for c, w in zip(cells, widths, strict=True)) + "\n")


if __name__ == "__main__":
    main()
