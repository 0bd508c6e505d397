"""Files for iptables-restore(8): one line each, perhaps with its counters before it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from mailfix.firewall.origins.written import MAX_TEXT
from mailfix.firewall.saved.lines import Deed, Unclear, Verb

_COUNTERS = re.compile(r"\s*\[\d+:\d+\]\s+")


def with_deeds(text: str, deeds: Iterable[Deed]) -> str:
    """The text with the deeds done and every other byte as it was.

    Raises:
        Unclear: a line does not say what was expected.
    """
    lines = text.split("\n")
    for deed in sorted(deeds, key=lambda each: (each.line, each.verb.value), reverse=True):
        _check(lines, deed)
        at = deed.line - 1
        new = [_like(lines[at], rule) for rule in deed.rules]
        start = at + 1 if deed.verb is Verb.BEHIND else at
        end = at + 1 if deed.verb is Verb.INSTEAD else start
        lines[start:end] = new
    return "\n".join(lines)


def _check(lines: Sequence[str], deed: Deed) -> None:
    if not 1 <= deed.line <= len(lines):
        raise Unclear(f"there is no line {deed.line}")
    found = _COUNTERS.sub("", lines[deed.line - 1], count=1).strip()[:MAX_TEXT]
    if found != deed.expected.strip():
        raise Unclear(f"line {deed.line} says something else: {found}")


def _like(neighbour: str, rule: str) -> str:
    """With counters where the neighbour has them, and its carriage return, if any."""
    counters = "[0:0] " if _COUNTERS.match(neighbour) else ""
    end = "\r" if neighbour.endswith("\r") else ""
    return f"{counters}{rule}{end}"


def end_of_table(text: str, table: str) -> Deed:
    """Where a rule may come of whose chain the file has none: before the table's COMMIT.

    Raises:
        Unclear: the file has no such table.
    """
    current = "filter"
    for number, raw in enumerate(text.split("\n"), 1):
        line = raw.strip()
        if line.startswith("*"):
            current = line[1:].strip()
        elif line == "COMMIT" and current == table:
            return Deed(number, Verb.BEFORE, line)
    raise Unclear(f"the file has no table {table}")
