"""What an undo shows beforehand, and what came of it; the same for what a recovery took back."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mailfix.report.escape import escape
from mailfix.report.fix.result import End
from mailfix.report.fix.text import preview
from mailfix.report.style import Style
from mailfix.report.wrapping import labelled

SCHEMA = "mailfix.undo/1"


@dataclass(frozen=True, slots=True)
class Undone:
    """``undone`` is the number of what was taken back; ``transaction`` that of the undo itself.

    It is None where something unconfirmed or interrupted was taken back in its own transaction.
    ``end`` is ``MADE`` for an undo that was carried out.
    """

    undone: int
    end: End
    transaction: int | None = None
    reason: str = ""
    problems: tuple[str, ...] = ()
    guard_s: int = 0

    @property
    def exit_code(self) -> int:
        """0 all is as before the fix; 1 it is not."""
        if self.transaction is None:
            return 0 if self.end is End.TAKEN_BACK else 1
        return 0 if self.end is End.MADE else 1


def offer(titles: Sequence[str], previews: Iterable[Sequence[str]], *, colour: bool = False) -> str:
    """What an undo would do."""
    lines = ["This was done against:"]
    for title in titles:
        lines += labelled("", title)
    lines += ["", "To take it back:"]
    for each in previews:
        lines += preview(each, Style(colour))
    return "\n".join(lines)


def drifted(differences: Iterable[tuple[str, Sequence[str]]], *, colour: bool = False) -> str:
    """What somebody else changed since: what it was about, and how it differs now."""
    lines = []
    for about, difference in differences:
        lines += [f"changed since: {escape(about)}", *preview(difference, Style(colour))]
    return "\n".join(lines)


def write(result: Undone, *, colour: bool) -> str:
    """What came of it."""
    lines = [_headline(result, Style(colour))]
    if result.reason:
        lines += labelled("because", result.reason)
    for problem in result.problems:
        lines += labelled("problem", problem)
    if result.end is End.STUCK:
        number = result.transaction or result.undone
        lines.append(f"Everything that was there is kept: mailfix history {number}")
        lines.append("To go on: mailfix recover. Until then nothing else is changed.")
    if result.guard_s and result.end is End.MADE:
        lines.append(
            f"Under guard: the undo itself is taken back within {result.guard_s} s unless you run: "
            f"mailfix confirm {result.transaction}"
        )
    return "\n".join(lines) + "\n"


def _headline(result: Undone, style: Style) -> str:
    if result.end is End.STUCK:
        return f"transaction {result.undone}: {style.paint('red', 'stuck')} half-way"
    if result.exit_code == 0:
        return f"transaction {result.undone}: {style.paint('green', 'taken back')}"
    return f"transaction {result.undone}: {style.paint('yellow', 'not undone')}, it is as it was"


def document(result: Undone) -> str:
    """The same as JSON."""
    plain = {
        "schema": SCHEMA,
        "undone": result.undone,
        "end": result.end.value,
        "transaction": result.transaction,
        "reason": escape(result.reason),
        "problems": [escape(each) for each in result.problems],
        "guard_s": result.guard_s,
    }
    return json.dumps(plain, indent=1, ensure_ascii=False)
