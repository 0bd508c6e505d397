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
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.bench.audit import MEASURE, Run, print_row
from tests.lab.bad_dns import BadDns, Trouble
from tests.lab.lab import Lab, running_lab, turn_termination_into_interrupt
from tests.lab.names import DNS_IPV4, DOMAIN, HOST_NAME, SELECTOR

FEW = 20
DELAY_S = 0.020
LATE = f"{DELAY_S * 1000:.0f} ms late"
ZONE = f"""$TTL 300
@ SOA ns.lab. hostmaster.lab. 1 3600 600 86400 60
@ NS ns.lab.
@ MX 10 mail
@ TXT "v=spf1 mx a:{HOST_NAME} -all"
@ A 203.0.113.10
mail A 203.0.113.10
mail AAAA 2001:db8:113::10
_dmarc TXT "v=DMARC1; p=reject"
{SELECTOR}._domainkey TXT {{key}}
"""
CHECKDMARC = """
import sys
import checkdmarc
checkdmarc.check_domains(sys.argv[2:], skip_tls=True, nameservers=[sys.argv[1]])
"""


@dataclass(frozen=True, slots=True)
class Crowd:
    """A lab whose host serves many domains."""

    lab: Lab
    domains: tuple[str, ...]

    def serve(self, count: int) -> None:
        """Let the host have the first ``count`` domains."""
        lines = "".join(f"  - {name}\n" for name in self.domains[:count])
        self.lab.host.write("/etc/mailfix/mailfix.yml", f"domains:\n{lines}")

    def mailfix(self) -> Run:
        command = ("mailfix", "audit", "--format", "json")
        told = self.lab.host.run(["python3", "-c", MEASURE, *command], timeout=900).stdout
        return Run(*json.loads(told))

    def checkdmarc(self, python: str) -> Run:
        """A few of the domains by checkdmarc, from the host's network."""
        command = (python, "-c", CHECKDMARC, DNS_IPV4, *self.domains[:FEW])
        told = self.lab.host.namespace.run(
            (sys.executable, "-c", MEASURE, *command),
            self.lab.host.root / "etc/resolv.conf",
            timeout=900,
        )
        return Run(*json.loads(told.stdout))


@contextmanager
def crowd(count: int) -> Iterator[Crowd]:
    domains = tuple(f"d{number:05}.example" for number in range(count))
    with running_lab() as lab:
        zone = lab.internet.directory / "crowd.zone"
        zone.write_text(ZONE.format(key=published(lab, f"{SELECTOR}._domainkey.{DOMAIN}")))
        lab.internet.add_zones(
            "\n".join(f'zone "{each}" {{ type primary; file "{zone}"; }};' for each in domains)
        )
        lab.host.sh(
            f"cd /etc/exim4/dkim; seq -f d%05g.example.key 0 {count - 1} |"
            " xargs -n 1 ln -s example.com.key",
            timeout=300,
        )
        yield Crowd(lab, domains)


def published(lab: Lab, name: str) -> str:
    return next(each.data for each in lab.internet.names.records if each.name == name)


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
        many.mailfix()  # an installed package is compiled
        internet.break_dns(BadDns(Trouble.SLOW, delay=DELAY_S))
        beside(many, FEW, f"{FEW}, {LATE}", chosen)
        beside(many, chosen.domains, f"{chosen.domains}, {LATE}", chosen)
        many.serve(FEW)
        internet.break_dns(BadDns(Trouble.LOSSY))
        row(f"{FEW}, one in ten lost", [many.mailfix() for _ in range(chosen.runs)])
        internet.mend_dns()
        beside(many, chosen.domains, f"{chosen.domains}", chosen)
        internet.break_dns(BadDns(Trouble.SILENT))
        row(f"{chosen.domains}, no answer", [many.mailfix()])


def beside(many: Crowd, count: int, what: str, chosen: argparse.Namespace) -> None:
    """Take turns; checkdmarc looks at FEW of the domains alone, its rate is per domain."""
    many.serve(count)
    own, other = [], []
    for _ in range(chosen.runs):
        own.append(many.mailfix())
        if chosen.checkdmarc:
            other.append(many.checkdmarc(chosen.checkdmarc))
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
