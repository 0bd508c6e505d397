"""What was changed on this host, when, and where it stands."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mailfix.report.escape import clip, escape
from mailfix.report.fix.text import preview
from mailfix.report.style import Style
from mailfix.report.wrapping import WIDTH, labelled

SCHEMA = "mailfix.history/1"


@dataclass(frozen=True, slots=True)
class Step:
    """One change: what it does, its difference, and the last that is recorded of it."""

    summary: str
    preview: tuple[str, ...]
    state: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One transaction; ``account`` says why it was taken back or is stuck."""

    number: int
    started: str
    state: str
    titles: tuple[str, ...]
    undoes: int | None
    steps: tuple[Step, ...] = ()
    account: str = ""


def write_list(entries: Sequence[Entry], *, colour: bool) -> str:
    """One line for each, the newest first."""
    if not entries:
        return "nothing was changed on this host yet\n"
    style = Style(colour)
    lines = []
    for entry in entries:
        what = f"undoes {entry.undoes}" if entry.undoes else "; ".join(entry.titles)
        head = f"{entry.number:>6}  {entry.started}  {entry.state}: "
        lines.append(style.bold(head) + clip(escape(what), max(WIDTH - len(head), 40)))
    return "\n".join(lines) + "\n"


def write_entry(entry: Entry, *, colour: bool) -> str:
    """Everything about one."""
    style = Style(colour)
    lines = [style.bold(f"transaction {entry.number}, {entry.started}: {entry.state}")]
    if entry.undoes:
        lines += labelled("undoes", f"transaction {entry.undoes}")
    for title in entry.titles:
        lines += labelled("against", title)
    if entry.account:
        lines += labelled("account", entry.account)
    for step in entry.steps:
        lines += ["", f"{escape(step.summary)}: {step.state}", *preview(step.preview, style)]
    return "\n".join(lines) + "\n"


def document(entries: Iterable[Entry]) -> str:
    """All of them as JSON."""
    plain = [
        {
            "transaction": entry.number,
            "started": entry.started,
            "state": entry.state,
            "against": [escape(title) for title in entry.titles],
            "undoes": entry.undoes,
            "account": escape(entry.account),
            "steps": [
                {
                    "summary": escape(step.summary),
                    "preview": [escape(line) for line in step.preview],
                    "state": step.state,
                }
                for step in entry.steps
            ],
        }
        for entry in entries
    ]
    return json.dumps({"schema": SCHEMA, "transactions": plain}, indent=1, ensure_ascii=False)
