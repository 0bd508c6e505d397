"""How others start this very program, be it installed or run from a checkout."""

from __future__ import annotations

import sys
from pathlib import Path

IMPORTS = str(Path(__file__).resolve().parents[2])
"""The folder in which this package was found."""


def command(*arguments: str) -> tuple[str, ...]:
    """The program with these arguments; it needs ``environment``."""
    return module("mailfix", *arguments)


def module(name: str, *arguments: str) -> tuple[str, ...]:
    """A module of this package, run as a program; it needs ``environment``.

    ``-P``: what lies in the working directory is none of its modules.
    """
    return (sys.executable, "-P", "-m", name, *arguments)


def environment() -> str:
    """The assignment that lets the interpreter find the package."""
    return f"PYTHONPATH={IMPORTS}"


def folders() -> tuple[str, ...]:
    """Where the program lies."""
    return (IMPORTS, str(Path(sys.executable).parent))
