"""Write docs/rules.md from the rules and their cases: python3 -m scripts.rule_pages.

Run it from the top of the checkout, with agent/ in PYTHONPATH.
"""

from __future__ import annotations

import shlex
import textwrap
from collections.abc import Iterator
from pathlib import Path

from mailfix.model import Finding, Part, Severity, Status
from mailfix.report.advice import Paragraph, paragraphs
from mailfix.rulebook import Rule, Scope
from tests.rules.cases import book, case_files, read_case

PAGE = Path(__file__).resolve().parents[1] / "docs" / "rules.md"
WIDTH = 98
INTRODUCTION = """\
# The rules

Written by `scripts/rule_pages.py` from `rules/*/rule.yml` and the cases beside them: change those,
and run `PYTHONPATH=agent python3 -m scripts.rule_pages`. On a host, `mailfix rules` lists the rules
in force, your own among them, and `mailfix rules ID` tells all about one.

The rules stand in the order of mail's way. The texts in boxes are what mailfix says of made-up
facts. A rule answers *unknown* where something that it looks at could not be found out. What
`mailfix fix` does with `--yes`, it does only where that is proven to change nothing else.

**critical**: no mail gets through. **error**: mail is refused. **warning**: mail is at risk.
**notice**: untidy. [writing-a-rule.md](writing-a-rule.md) shows how to change a severity or to add
a rule, and [reports.md](reports.md#ignoring-a-failure) how failures are ignored.
"""
PARTS = {
    Part.INTERNET: "The Internet: the provider, blocklists, other servers",
    Part.FIREWALL: "The firewall of this host",
    Part.SOCKETS: "The ports by which mail comes in",
    Part.SERVER: "The mail server",
    Part.DNS: "What is published in DNS",
    Part.HOST: "The machine: its name, addresses and routes",
}
ORDER = tuple(Severity)


def write(rules: tuple[Rule, ...]) -> str:
    """The whole page, in Markdown."""
    lines = [INTRODUCTION]
    for part, heading in PARTS.items():
        lines += [f"- {heading}:"]
        lines += [f"  [{rule.id}](#{rule.id})," for rule in _of(part, rules)]
        lines[-1] = lines[-1].removesuffix(",")
    for part, heading in PARTS.items():
        lines += ["", f"## {heading}"]
        for rule in _of(part, rules):
            lines += ["", *_section(rule)]
    return "\n".join(lines) + "\n"


def _of(part: Part, rules: tuple[Rule, ...]) -> list[Rule]:
    """The worst first."""
    found = (rule for rule in rules if rule.part is part)
    return sorted(found, key=lambda rule: (ORDER.index(rule.severity), rule.id))


def _section(rule: Rule) -> Iterator[str]:
    failure = _example(rule, Status.FAIL)
    yield from [f"### {rule.id}", "", f"**{rule.severity}**: {rule.title}.", ""]
    yield from textwrap.wrap(rule.why, WIDTH)
    yield from ["", "It fails, for example:", *_box(failure.message)]
    if failure.advice:
        yield from ["", "It advises:", *_box(failure.advice)]
    yield from ["", "It passes:", *_box(_example(rule, Status.PASS).message), ""]
    yield f"- Fix: {_fix(rule, failure)}"
    yield f"- Looks at: {_looks_at(rule)}"
    yield f"- Ignore it for 30 days: `{_ignore(rule, failure)}`"
    if rule.references:
        yield f"- See: {'; '.join(rule.references)}"


def _example(rule: Rule, status: Status) -> Finding:
    """An answer to the first case with that verdict."""
    case = next(each for each in case_files() if each.rule is rule and each.verdict == status)
    return next(each for each in read_case(case).findings() if each.status is status)


def _box(text: str) -> Iterator[str]:
    yield from ["", "```text"]
    for number, paragraph in enumerate(paragraphs(text)):
        yield from [""] if number else []
        yield from _lines(paragraph)
    yield "```"


def _lines(paragraph: Paragraph) -> Iterator[str]:
    for line in paragraph.lines:
        yield from [f"  {line}"] if paragraph.verbatim else textwrap.wrap(line, WIDTH)


def _fix(rule: Rule, failure: Finding) -> str:
    if rule.fix is None or failure.fix is None:
        return "none by mailfix."
    how = (
        "`mailfix fix`, also with `--yes`" if rule.fix.automatic else "`mailfix fix`, after asking"
    )
    return f"{how}: {failure.fix.preview} (`{rule.fix.action}`)."


def _looks_at(rule: Rule) -> str:
    told = [", ".join(f"`{name}`" for name in rule.needs)]
    if rule.families:
        told.append("for " + " and ".join(family.label for family in rule.families))
    if rule.each:
        told.append(f"for every mail {rule.each}")
    if rule.scope is Scope.ANY:
        told.append("on machines without a mail server, too")
    return "; ".join(told) + "."


def _ignore(rule: Rule, failure: Finding) -> str:
    words = (shlex.quote(f"{key}={value}") for key, value in failure.subject.items())
    subject = "".join(f" --subject {word}" for word in words)
    return f'mailfix ignore {rule.id}{subject} --until 30d --why "…"'


def main() -> None:
    PAGE.write_text(write(book()), encoding="utf-8")


if __name__ == "__main__":
    main()
