"""The words of a rule in the syntax of iptables-save, grouped into options."""

from __future__ import annotations

import re
from dataclasses import dataclass

FREE_TEXT = frozenset(
    {
        "--comment",
        "--log-prefix",
        "--nflog-prefix",
        "--ulog-prefix",
        "--string",
        "--hex-string",
        "--name",
        "--hashlimit-name",
        "--u32",
        "--bytecode",
        "--label",
        "--path",
        "--helper",
    }
)
"""Options whose one value is any text, so that it may look like an option."""

_SHORT = {
    "-s": "--source",
    "--src": "--source",
    "-d": "--destination",
    "--dst": "--destination",
    "-p": "--protocol",
    "--proto": "--protocol",
    "-i": "--in-interface",
    "-o": "--out-interface",
    "-f": "--fragment",
    "-m": "--match",
    "-j": "--jump",
    "-g": "--goto",
}

_WORD = re.compile(r'"((?:[^"\\]|\\.)*)"|(\S+)')
_ESCAPE = re.compile(r"\\(.)")


@dataclass(frozen=True, slots=True)
class Option:
    """One option with its values; ``negated`` by a ``!`` before it or before its value."""

    name: str
    values: tuple[str, ...]
    negated: bool

    @property
    def value(self) -> str:
        """The only value; ValueError where there is none or more than one."""
        if len(self.values) != 1:
            raise ValueError(f"{self.name} has {len(self.values)} values")
        return self.values[0]


def words(line: str) -> list[str]:
    """The line's words; text in double quotes is one word, a backslash in it escapes."""
    if '"' not in line:
        return line.split()
    return [
        _ESCAPE.sub(r"\1", quoted) if plain is None else plain
        for quoted, plain in (found.groups() for found in _WORD.finditer(line))
    ]


def options(line: str) -> list[Option]:
    """The options of a rule, the long names of the general ones in place of the short.

    Raises:
        ValueError: a word stands where no value can be.
    """
    found: list[Option] = []
    tokens = words(line)
    negated = False
    at = 0
    while at < len(tokens):
        token = tokens[at]
        at += 1
        if token == "!":
            negated = True
            continue
        if token[:1] != "-":
            raise ValueError(f"{token!r} belongs to no option")
        name = _SHORT.get(token, token)
        values, at, inner = _values(tokens, at, name)
        found.append(Option(name, values, negated or inner))
        negated = False
    return found


def _values(tokens: list[str], at: int, name: str) -> tuple[tuple[str, ...], int, bool]:
    """An option's values, where the next option starts, and whether a ``!`` stood between.

    ``--option ! value`` is how iptables before 1.4.3 wrote a negation.
    """
    negated = False
    if at + 1 < len(tokens) and tokens[at] == "!" and tokens[at + 1][:1] != "-":
        negated = True
        at += 1
    if name in FREE_TEXT:
        return tuple(tokens[at : at + 1]), at + 1, negated
    start = at
    while at < len(tokens) and tokens[at][:1] != "-" and tokens[at] != "!":
        at += 1
    return tuple(tokens[start:at]), at, negated
