"""How long the records of many mail domains take, beside checkdmarc, in the same run.

    python3 -m tests.bench.domains [--domains N] [--runs N] [--checkdmarc PYTHON]

PYTHON is the interpreter of a virtual environment that has checkdmarc. A BIND of the lab serves
every domain as a zone of its own; mailfix is a whole process on the healthy lab host, checkdmarc
one in the same network namespace. The resolver answers at once, 20 ms late, never, or loses one
packet in ten.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys

from tests.bench.audit import MEASURE, Run, print_row
from tests.lab.bad_dns import BadDns, Trouble
from tests.lab.crowd import Crowd, crowd
from tests.lab.lab import turn_termination_into_interrupt
from tests.lab.names import DNS_IPV4

FEW = 20
DELAY_S = 0.020
LATE = f"{DELAY_S * 1000:.0f} ms late"
CHECKDMARC = """
import sys
import checkdmarc
checkdmarc.check_domains(sys.argv[2:], skip_tls=True, nameservers=[sys.argv[1]])
"""


def mailfix(many: Crowd) -> Run:
    command = ("mailfix", "audit", "--format", "json")
    told = many.lab.host.run(["python3", "-c", MEASURE, *command], timeout=900).stdout
    return Run(*json.loads(told))


def checkdmarc(many: Crowd, python: str) -> Run:
    """A few of the domains by checkdmarc, from the host's network."""
    command = (python, "-c", CHECKDMARC, DNS_IPV4, *many.domains[:FEW])
    told = many.lab.host.namespace.run(
        (sys.executable, "-c", MEASURE, *command),
        many.lab.host.root / "etc/resolv.conf",
        timeout=900,
    )
    return Run(*json.loads(told.stdout))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--domains", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--checkdmarc", help="a Python that has checkdmarc")
    chosen = parser.parse_args()
    turn_termination_into_interrupt()
    print_row("", "exit", "wall s (min median max)", "cpu s", "peak MiB")
    with crowd(chosen.domains) as many:
        internet = many.lab.internet
        mailfix(many)  # an installed package is compiled
        internet.break_dns(BadDns(Trouble.SLOW, delay=DELAY_S))
        beside(many, FEW, f"{FEW}, {LATE}", chosen)
        beside(many, chosen.domains, f"{chosen.domains}, {LATE}", chosen)
        many.serve(FEW)
        internet.break_dns(BadDns(Trouble.LOSSY))
        row(f"{FEW}, one in ten lost", [mailfix(many) for _ in range(chosen.runs)])
        internet.mend_dns()
        beside(many, chosen.domains, f"{chosen.domains}", chosen)
        internet.break_dns(BadDns(Trouble.SILENT))
        row(f"{chosen.domains}, no answer", [mailfix(many)])


def beside(many: Crowd, count: int, what: str, chosen: argparse.Namespace) -> None:
    """Take turns; checkdmarc looks at FEW of the domains alone, its rate is per domain."""
    many.serve(count)
    own, other = [], []
    for _ in range(chosen.runs):
        own.append(mailfix(many))
        if chosen.checkdmarc:
            other.append(checkdmarc(many, chosen.checkdmarc))
    row(f"mailfix {what}", own)
    if chosen.checkdmarc:
        row(f"checkdmarc {FEW}", other)
        ratio = statistics.median(
            (count / mine.wall_s) / (FEW / theirs.wall_s)
            for mine, theirs in zip(own, other, strict=True)
        )
        sys.stdout.write(f"domains a second, mailfix / checkdmarc: {ratio:.1f}\n")


def row(what: str, runs: list[Run]) -> None:
    walls = sorted(each.wall_s for each in runs)
    print_row(
        what,
        str(runs[0].code),
        f"{walls[0]:.2f} {statistics.median(walls):.2f} {walls[-1]:.2f}",
        f"{statistics.median(each.cpu_s for each in runs):.2f}",
        f"{max(each.peak_mib for each in runs):.1f}",
    )
    sys.stdout.flush()


if __name__ == "__main__":
    main()
