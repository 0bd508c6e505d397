"""The fix for people: each offer, the summary, and what came of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from mailfix.report.counting import counted
from mailfix.report.escape import clip, escape
from mailfix.report.fix.result import Cure, End, FixResult, Left
from mailfix.report.style import Style
from mailfix.report.wrapping import headed, labelled, one_line

MAX_PREVIEW = 60
MAX_LINE = 400
_DIFF_COLOURS = {"+": "green", "-": "red"}


def offer(cure: Cure, *, colour: bool = False) -> str:
    """One finding and what would be done about it."""
    style = Style(colour)
    lines = ["", *_heading(cure, style), *_labelled_parts(cure, style)]
    return "\n".join(lines)


def _heading(cure: Cure, style: Style) -> list[str]:
    severity = cure.finding.severity.value.upper()
    return headed(severity, cure.finding.message, style)


def _labelled_parts(cure: Cure, style: Style) -> Iterator[str]:
    yield from labelled("do", cure.summary)
    yield from preview(cure.preview, style)
    if cure.proof:
        yield from labelled("proof", cure.proof)
    if cure.risk:
        yield from labelled("risk", cure.risk)
    if cure.manual:
        yield from labelled("asked", cure.manual)
    for each in cure.besides:
        yield from labelled("besides", each)


def preview(lines: Sequence[str], style: Style) -> Iterator[str]:
    """The lines of a difference, coloured, the long ones cut."""
    for line in lines[:MAX_PREVIEW]:
        told = clip(escape(line), MAX_LINE)
        colour = _DIFF_COLOURS.get(line[:1])
        yield "      " + (style.paint(colour, told) if colour else told)
    if len(lines) > MAX_PREVIEW:
        yield f"      and {len(lines) - MAX_PREVIEW} more lines"


def summary(chosen: Sequence[Cure], *, cuts_off: bool) -> str:
    """All that was chosen, before it begins."""
    lines = ["", "To be done, all of it or nothing:"]
    lines += [one_line(f"{number}.", cure.summary) for number, cure in enumerate(chosen, 1)]
    if cuts_off:
        lines += [
            "",
            "If this cuts you off it is taken back by itself. Have a second session open to see",
            "that you can still log in before you keep it.",
        ]
    return "\n".join(lines)


def please_confirm(result: FixResult) -> str:
    """Before the guard's time is over."""
    return "\n".join(
        [
            "",
            f"Done, and under guard: taken back within {result.guard_s} s unless it is kept.",
            "See from a second session that you can still log in, and that mail works; from any",
            f"session: mailfix confirm {result.transaction}",
        ]
    )


def write(result: FixResult, *, colour: bool) -> str:
    """What came of it."""
    style = Style(colour)
    lines = [_headline(result, style)]
    lines += _listed(result.applied, style, dry_run=result.dry_run)
    lines += _stays("FAILED", result.failed, style)
    lines += _stays("LEFT", result.left, style)
    for finding in result.worse:
        lines += ["", *headed("NEW", finding.message, style)]
    lines += _what_next(result)
    return "\n".join(lines) + "\n"


def _headline(result: FixResult, style: Style) -> str:
    host = style.bold(escape(result.host))
    if result.dry_run:
        return f"{host}: {counted(len(result.applied), 'thing')} could be done; nothing was"
    if result.end is End.UNTOUCHED:
        if not result.left:
            return f"{host}: {style.paint('green', 'there is nothing to fix')}"
        return f"{host}: nothing was changed"
    number = f"transaction {result.transaction}"
    if result.end is End.MADE:
        counts = f"{counted(result.before, 'thing')} wrong before, {result.after} after"
        return f"{host}: {style.paint('green', 'applied and verified')}, {counts} ({number})"
    if result.end is End.TAKEN_BACK:
        return f"{host}: {style.paint('yellow', 'taken back, all is as before')} ({number})"
    return f"{host}: {style.paint('red', 'stuck')} half-way ({number})"


def _listed(cures: Iterable[Cure], style: Style, *, dry_run: bool) -> Iterator[str]:
    for cure in cures:
        yield ""
        if dry_run:
            yield from _heading(cure, style)
            yield from _labelled_parts(cure, style)
            continue
        yield from headed("CURED", cure.finding.message, style, colour="green")
        yield from labelled("done", cure.summary)
        for each in cure.besides:
            yield from labelled("besides", each)


def _stays(label: str, stays: Iterable[Left], style: Style) -> Iterator[str]:
    for each in stays:
        yield ""
        yield from headed(label, each.finding.message, style)
        yield from labelled("because", each.reason)
        if each.advice:
            yield from labelled("advice", " ".join(each.advice.split()))


def _what_next(result: FixResult) -> Iterator[str]:
    if result.reason:
        yield ""
        yield from labelled("because", result.reason)
    for problem in result.problems:
        yield from labelled("problem", problem)
    if result.end is End.STUCK:
        yield ""
        yield f"Everything that was there before is kept: mailfix history {result.transaction}"
        yield "To go on: mailfix recover. Until then nothing else is changed."
    if result.end is End.MADE:
        yield ""
        if result.guard_s:
            yield (
                f"Under guard: taken back within {result.guard_s} s unless you run, best from a "
                f"new session: mailfix confirm {result.transaction}"
            )
        yield f"To take it back later: mailfix undo {result.transaction}"
        yield f"To see it from outside, on another machine: {escape(result.outside)}"
