"""One way drawn: hook by hook, chain by chain, and the rules that did something in columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TypeVar

from mailfix.firewall import Deed, Event, Journey, Passage, RuleRef
from mailfix.firewall.ruleset import Hook
from mailfix.report.escape import clip, escape
from mailfix.report.explain.course import Happening, deciders, happenings, is_quiet
from mailfix.report.explain.explanation import SOME, Asked
from mailfix.report.explain.sentence import amount
from mailfix.report.style import Style

T = TypeVar("T")

MARK = ">>> "
MAX_CHAINS = 40
MAX_ROWS = 40
MAX_LISTED = 8
MAX_NAME = 60
MAX_DETAIL = 200
MAX_TEXT = 2000
LEAST_TEXT = 30
LABEL_WIDTH = 13
_COLOURS = {
    Deed.ACCEPT: "green",
    Deed.DROP: "red",
    Deed.REJECT: "red",
    Deed.UNDECIDED: "yellow",
    Deed.ELSEWHERE: "yellow",
}
_TOLD_WITH_RULE = (Deed.UNDECIDED, Deed.ELSEWHERE)


@dataclass(frozen=True, slots=True)
class Row:
    """One rule's line, before its columns are aligned with those of its chain."""

    who: str
    share: str
    deed: str
    text: str
    colour: str | None


class Drawing:
    """Draws passages; what is the same for all of one way's rows."""

    def __init__(self, asked: Asked, journey: Journey, style: Style, width: int) -> None:
        self.everyone = asked.far is None
        self.space = journey.verdict.space
        self.deciders = deciders(journey)
        self.style = style
        self.width = width

    def hooks(self, passages: Sequence[Passage]) -> Iterator[str]:
        kept = self._kept(passages)
        for hook, group in groupby(kept, lambda passage: passage.hook):
            yield from self._hook(hook, list(group))
        if len(kept) < len(passages):
            yield f"  and {len(passages) - len(kept)} more chains"

    def _kept(self, passages: Sequence[Passage]) -> Sequence[Passage]:
        """Those with rules that decided, and of the others the first ones, in their order."""
        decided = [any(each.rule in self.deciders for each in one.events) for one in passages]
        return _chosen(passages, decided, MAX_CHAINS)

    def _hook(self, hook: Hook, passages: list[Passage]) -> Iterator[str]:
        label = hook.value
        for quiet, group in groupby(passages, is_quiet):
            if quiet:
                yield labelled(label, f"nothing happens in {_quiet(list(group))}")
                label = ""
                continue
            for passage in group:
                yield labelled(label, self._base_chain(passage))
                label = ""
                yield from self._rows(passage)

    def _base_chain(self, passage: Passage) -> str:
        chain = self.style.bold(name(passage.chain))
        policy = name(passage.policy).upper()
        told = f"{chain} of {_table(passage)}, priority {passage.priority}, policy {policy}"
        share = passage.entered.share_of(self.space)
        if self.everyone and share <= 1 - SOME:
            return f"{told}, for {amount(passage.entered, share)}"
        return told

    def _rows(self, passage: Passage) -> Iterator[str]:
        rows = [self._row(each) for each in happenings(passage.events)]
        kept = _chosen(rows, [row.colour is not None for row in rows], MAX_ROWS)
        whos = max((len(row.who) for row in kept), default=0)
        shares = max((len(row.share) for row in kept), default=0)
        deeds = max((len(row.deed) for row in kept), default=0)
        for row in kept:
            yield self._drawn(row, whos, shares, deeds)
        if len(kept) < len(rows):
            yield f"        and {len(rows) - len(kept)} more rules that did something"

    def _row(self, happening: Happening) -> Row:
        event = happening.event
        share = _share(event) if self.everyone else ""
        if happening.calls:
            return _calls(happening.calls, share)
        colour = _colour(happening) if event.rule in self.deciders else None
        who = "  " * event.depth + _who(event)
        return Row(who, share, _deed(happening), _text(happening), colour)

    def _drawn(self, row: Row, whos: int, shares: int, deeds: int) -> str:
        mark = MARK if row.colour else " " * len(MARK)
        columns = [row.who.ljust(whos), row.share.rjust(shares), row.deed.ljust(deeds)]
        start = f"    {mark}{'  '.join(column for column in columns if column)}  "
        line = start + clip(row.text, max(LEAST_TEXT, self.width - len(start)))
        return self.style.paint(row.colour, line.rstrip()) if row.colour else line.rstrip()


def _chosen(things: Sequence[T], important: Sequence[bool], limit: int) -> Sequence[T]:
    """At most ``limit`` things in their order: the important ones, and the first of the others."""
    places = sorted(range(len(things)), key=lambda place: not important[place])
    return [things[place] for place in sorted(places[:limit])]


def _calls(calls: Sequence[Event], share: str) -> Row:
    """Chains out of which the packets come as they went in, in one row."""
    first, count = calls[0], len(calls)
    indent = "  " * first.depth
    if count == 1:
        deed = f"into {name(first.detail)}, back"
        return Row(indent + _who(first), share, deed, _one_line(first.rule), None)
    names = listed([name(each.detail) for each in calls])
    return Row(f"{indent}{count} rules", share, f"into {count} chains, back", names, None)


def _share(event: Event) -> str:
    return "all" if event.share > 1 - SOME else amount(event.addresses, event.share)


def _who(event: Event) -> str:
    rule = event.rule
    if rule.position is None:
        return "policy"
    if event.rules > 1:
        return f"rule {rule.position} and {event.rules - 1} alike"
    handle = f" (handle {rule.handle})" if rule.handle is not None else ""
    return f"rule {rule.position}{handle}"


def _colour(happening: Happening) -> str:
    return "yellow" if happening.doubt else _COLOURS.get(happening.event.deed, "cyan")


def _deed(happening: Happening) -> str:
    event = happening.event
    maybe = "may " if happening.doubt else ""
    if event.deed in (Deed.JUMP, Deed.GOTO):
        return f"{maybe}go into {name(event.detail)}" if maybe else f"into {name(event.detail)}"
    if event.deed in _COLOURS:
        return maybe + event.deed.name
    return f"{maybe}{event.deed.value} {name(event.detail)}".strip()


def _text(happening: Happening) -> str:
    event = happening.event
    text = _one_line(event.rule)
    reason = event.detail if event.deed in _TOLD_WITH_RULE else happening.doubt
    return f"{clip(escape(reason), MAX_DETAIL)}: {text}" if reason else text


def _one_line(rule: RuleRef) -> str:
    return escape(rule.text[:MAX_TEXT])


def name(text: str) -> str:
    return clip(escape(text), MAX_NAME)


def _quiet(passages: list[Passage]) -> str:
    names = [
        f"{listed([f'{name(each.table)} {name(each.chain)}' for each in group])} ({backend})"
        for backend, group in groupby(passages, lambda each: each.backend.value)
    ]
    return ", ".join(names)


def _table(passage: Passage) -> str:
    return f"{name(passage.table)} ({passage.backend.value})"


def listed(names: list[str]) -> str:
    shown = ", ".join(names[:MAX_LISTED])
    return shown + (f" and {len(names) - MAX_LISTED} more" if len(names) > MAX_LISTED else "")


def labelled(label: str, text: str) -> str:
    return f"  {label.ljust(LABEL_WIDTH)}{text}"
