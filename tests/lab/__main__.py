"""By hand: boot a host that is broken in a named way and work on it; see README.md."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
from types import FrameType

from .breakages import BREAKAGES
from .dns_faults import FAULTS, HEALTHY
from .lab import Lab, running_lab, turn_termination_into_interrupt
from .machine import LabError, environment, obstacle
from .mailhost import MailHost
from .names import HOST_IPV4
from .scenario import Scenario
from .variants import VARIANTS

SCENARIOS = {**VARIANTS, **HEALTHY, **BREAKAGES, **FAULTS}
HINT = """{name}: {summary}
 * here, inside: `mailfix audit`; `systemctl`, `exim4`, `iptables` and the logs are the host's own
 * from outside, in a second terminal: {outside}
 * `exit` takes everything down
"""


def main() -> int:
    arguments = parser().parse_args()
    if arguments.scenario is None:
        sys.stdout.write(listing())
        return 0
    why = obstacle()
    if why is not None:
        sys.stderr.write(f"{why}\n")
        return 69
    turn_termination_into_interrupt()
    scenario = SCENARIOS[arguments.scenario]
    try:
        with running_lab(scenario.layer) as lab:
            scenario.apply(lab.host, lab.internet)
            return visit(lab, scenario, arguments.command)
    except LabError as error:
        sys.stderr.write(f"{error}\n")
        return 70
    except KeyboardInterrupt:
        return 130


def parser() -> argparse.ArgumentParser:
    known = argparse.ArgumentParser(prog="python3 -m tests.lab", description=__doc__)
    known.add_argument("scenario", nargs="?", choices=sorted(SCENARIOS), metavar="SCENARIO")
    known.add_argument("--command", help="run this shell command on the host instead of a shell")
    return known


def listing() -> str:
    lines = []
    for title, scenarios in (
        ("healthy", {**VARIANTS, **HEALTHY}),
        ("broken", {**BREAKAGES, **FAULTS}),
    ):
        lines.append(f"{title}:")
        lines += [f"  {each.name:34} {each.summary}" for each in scenarios.values()]
    return "\n".join(lines) + "\n"


def visit(lab: Lab, scenario: Scenario, command: str | None) -> int:
    if command is not None:
        return shell(lab.host, "-c", command)
    look = f"bash -c 'cat </dev/tcp/{HOST_IPV4}/25'"
    outside = f"ip netns exec {lab.internet.namespace.name} {look}"
    hint = HINT.format(name=scenario.name, summary=scenario.summary, outside=outside)
    sys.stdout.write(hint)
    sys.stdout.flush()
    return shell(lab.host, "-i")


def shell(host: MailHost, *arguments: str) -> int:
    """Run the host's shell on this terminal; Ctrl-C is the shell's."""
    before = signal.signal(signal.SIGINT, stay)
    try:
        terminal = {"TERM": os.environ.get("TERM", "dumb")}
        command = (*host.enter(), "bash", *arguments)
        return subprocess.run(command, env=environment(terminal), check=False).returncode
    finally:
        signal.signal(signal.SIGINT, before)


def stay(signum: int, frame: FrameType | None) -> None:
    """Let the signal pass; unlike SIG_IGN this is not inherited by the shell."""


if __name__ == "__main__":
    sys.exit(main())
