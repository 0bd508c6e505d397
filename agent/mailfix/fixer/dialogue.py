"""The administrator at the terminal. The dialogue goes to stderr: stdout is for the result."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping


def is_there() -> bool:
    """Whether somebody can be asked."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def colour() -> bool:
    """Whether the dialogue may be coloured."""
    return sys.stderr.isatty() and not os.environ.get("NO_COLOR")


def tell(text: str) -> None:
    """Write one or more lines at once. A terminal that hung up is no reason to stop half-way."""
    try:
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()
    except OSError:
        return


def ask(question: str, answers: Mapping[str, str], otherwise: str) -> str:
    """Ask until one of the ``answers`` (key to meaning) is given, and return its key.

    ``otherwise`` is the key of an empty line, and of the end of all input.
    """
    told = ", ".join(f"[{key}]{meaning.removeprefix(key)}" for key, meaning in answers.items())
    while True:
        tell(f"{question} {told} (Enter: {answers[otherwise]})")
        line = sys.stdin.readline()
        word = line.strip().lower()
        if not line or not word:
            return otherwise
        for key, meaning in answers.items():
            if word in (key, meaning.split(" ", 1)[0]):
                return key
