"""Build the images that most tests boot, before they ask for them: python3 -m tests.lab.prebuild"""

from __future__ import annotations

from .image import (
    BASE,
    FIREWALLD,
    POSTFIX,
    SAVED_IPTABLES,
    TRIXIE,
    UFW,
    WORKSHOP,
    lower_directories,
)
from .lab import turn_termination_into_interrupt


def main() -> None:
    turn_termination_into_interrupt()
    for layer in (BASE, SAVED_IPTABLES, UFW, FIREWALLD, POSTFIX, TRIXIE, WORKSHOP):
        lower_directories(layer)


if __name__ == "__main__":
    main()
