"""The words of a rule in the syntax of iptables-save, grouped into options."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

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


class Option(NamedTuple):
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
        plain or (_ESCAPE.sub(r"\1", quoted) if "\\" in quoted else quoted)
        for quoted, plain in _WORD.findall(line)
    ]


def is_cut_in_quotes(line: str) -> bool:
    """Whether a text in double quotes goes on in the next line, as a comment with a newline."""
    return '"' in line and _ESCAPE.sub("", line).count('"') % 2 == 1


GENERAL = frozenset(_SHORT.values())
"""Options that are of no extension; what follows one up to the next belongs to it."""

_BEGINNING = GENERAL | set(_SHORT)


def parts(line: str) -> list[tuple[str, ...]]:
    """The words of a rule, cut before each general option and the ``!`` that negates it."""
    tokens = words(line)
    cuts = [0]
    at = free = 0
    while at < len(tokens):
        token = tokens[at]
        if token in FREE_TEXT:
            at = free = at + 2
            continue
        if token in _BEGINNING and at > 0:
            cuts.append(at - 1 if at > free and tokens[at - 1] == "!" else at)
        at += 1
    return [tuple(tokens[low:high]) for low, high in pairwise((*cuts, len(tokens))) if low < high]


def options(tokens: Sequence[str]) -> list[Option]:
    """The options of a rule, the long names of the general ones in place of the short.

    Raises:
        ValueError: a word stands where no value can be.
    """
    found: list[Option] = []
    end = len(tokens)
    negated = False
    at = 0
    while at < end:
        token = tokens[at]
        at += 1
        if token == "!" and not negated and at < end:
            negated = True
            continue
        if token[:1] != "-":
            raise ValueError(f"{token!r} belongs to no option")
        name = _SHORT.get(token, token)
        values, at, inner = _values(tokens, at, end, name)
        found.append(Option(name, values, negated or inner))
        negated = False
    return found


def _values(
    tokens: Sequence[str], at: int, end: int, name: str
) -> tuple[tuple[str, ...], int, bool]:
    """An option's values, where the next option starts, and whether a ``!`` stood between.

    ``--option ! value`` is how iptables before 1.4.3 wrote a negation.
    """
    negated = at + 1 < end and tokens[at] == "!" and tokens[at + 1][:1] != "-"
    if negated:
        at += 1
    if name in FREE_TEXT:
        return tuple(tokens[at : at + 1]), at + 1, negated
    start = at
    while at < end and tokens[at][:1] != "-" and tokens[at] != "!":
        at += 1
    return tuple(tokens[start:at]), at, negated
