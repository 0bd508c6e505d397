"""Files for ``nft -f``: statements, several on a line or one on several, and sets' elements."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence

from mailfix.firewall.nft.selectors import Json
from mailfix.firewall.origins.written import MAX_TEXT, Statement, statements
from mailfix.firewall.saved.lines import Deed, Unclear, Verb

_REST_OF_LINE = re.compile(r"[ \t]*;?[ \t]*(#[^\n]*)?(?=\n|\Z)")
_END = re.compile(r"[ \t]*;")
_COMMAND = re.compile(
    r"((?:add|insert)\s+)?rule\s+(?:(?:ip|ip6|inet|arp|bridge|netdev)\s+)?\S+\s+\S+"
)
_ELEMENTS = re.compile(r"\belements\s*=\s*\{([^{}#]*)\}")


def with_deeds_for_nft(text: str, deeds: Iterable[Deed]) -> str:
    """The text with the deeds done and every other character as it was.

    Raises:
        Unclear: there is no such statement, or no telling how to put a rule beside it.
    """
    found = [(_statement(text, deed), deed) for deed in deeds]
    last_first = sorted(found, key=lambda each: (each[0].begins, each[1].verb.value), reverse=True)
    for statement, deed in last_first:
        text = _done(text, statement, deed)
    return text


def _statement(text: str, deed: Deed) -> Statement:
    for each in statements(text):
        if each.line == deed.line and " ".join(each.text.split())[:MAX_TEXT] == deed.expected:
            if each.text.count("{") != each.text.count("}"):
                raise Unclear(f"the braces of line {deed.line} do not match")
            return each
    raise Unclear(f"line {deed.line} does not say: {deed.expected}")


def _done(text: str, statement: Statement, deed: Deed) -> str:
    rules = [_prefix(statement, deed) + rule for rule in deed.rules]
    if deed.verb is Verb.INSTEAD and not rules:
        return _without(text, statement)
    if deed.verb is Verb.INSTEAD:
        new = _between(text, statement).join(rules)
        return text[: statement.begins] + new + text[statement.ends :]
    if deed.verb is Verb.BEFORE:
        separator = _between(text, statement)
        new = "".join(rule + separator for rule in rules)
        return text[: statement.begins] + new + text[statement.begins :]
    return _behind(text, statement, rules)


def _prefix(statement: Statement, deed: Deed) -> str:
    """``add rule inet filter input`` where the rule stands outside of the table's block."""
    found = _COMMAND.match(statement.text)
    if found is None or not deed.rules:
        return ""
    if (found[1] or "").startswith("insert"):
        raise Unclear(f"line {deed.line} inserts its rule before others")
    return f"{found[0]} "


def _indent(text: str, statement: Statement) -> str | None:
    """The spaces before the statement; None where something else is on its line before it."""
    start = text.rfind("\n", 0, statement.begins) + 1
    before = text[start : statement.begins]
    return before if not before.strip() else None


def _between(text: str, statement: Statement) -> str:
    indent = _indent(text, statement)
    return "; " if indent is None else f"\n{indent}"


def _without(text: str, statement: Statement) -> str:
    """With its line, if it is alone there."""
    indent = _indent(text, statement)
    rest = _REST_OF_LINE.match(text, statement.ends)
    if indent is not None and rest:
        return text[: statement.begins - len(indent)] + text[rest.end() + 1 :]
    end = _END.match(text, statement.ends)
    return text[: statement.begins] + text[end.end() if end else statement.ends :].lstrip(" \t")


def _behind(text: str, statement: Statement, rules: Sequence[str]) -> str:
    rest = _REST_OF_LINE.match(text, statement.ends)
    if rest:
        start = text.rfind("\n", 0, statement.begins) + 1
        line = text[start : statement.begins]
        indent = line[: len(line) - len(line.lstrip())]
        new = "".join(f"\n{indent}{rule}" for rule in rules)
        return text[: rest.end()] + new + text[rest.end() :]
    end = _END.match(text, statement.ends)
    at = end.end() if end else statement.ends
    mark = "" if end else ";"
    return text[:at] + mark + "".join(f" {rule};" for rule in rules) + text[at:]


def has_set(text: str, table: str, name: str) -> bool:
    """Whether the file makes the set or map ``name`` of the table."""
    return next(_sets(text, table, name), None) is not None


def without_elements(
    text: str, table: str, name: str, gone: Sequence[str], come: Sequence[str]
) -> str:
    """The text with other elements in the set or map, both as in ElementEdit.

    Raises:
        Unclear: the elements do not stand there by themselves.
    """
    for statement in _sets(text, table, name):
        found = _ELEMENTS.search(text, statement.begins, statement.ends)
        if found:
            listed = _changed(found[1], [*map(_word, gone)], [*map(_word, come)])
            return text[: found.start(1)] + listed + text[found.end(1) :]
    raise Unclear(f"the elements of the set {name} are not found")


def _sets(text: str, table: str, name: str) -> Iterator[Statement]:
    current = ""
    for each in statements(text):
        words = [word.strip('"') for word in each.text.split()]
        if each.opens and "table" in words[:2]:
            current = words[-1]
        elif current == table and words[:2] in (["set", name], ["map", name]):
            yield each


def _changed(listed: str, gone: Sequence[str], come: Sequence[str]) -> str:
    """The comma goes with the element before it, or with the last one."""
    parts = listed.split(",")
    words = [each.strip() for each in parts]
    for word in gone:
        if words.count(word) != 1:
            raise Unclear(f"{word} does not stand among the elements by itself")
        at = words.index(word)
        ending = parts[at][len(parts[at].rstrip()) :] if at == len(parts) - 1 else ""
        del parts[at], words[at]
        if parts and ending:
            parts[-1] = parts[-1].rstrip() + ending
    if not any(words):
        raise Unclear("no element would be left")
    if not come:
        return ",".join(parts)
    ending = parts[-1][len(parts[-1].rstrip()) :]
    return ",".join([*parts[:-1], parts[-1].rstrip(), *(f" {each}" for each in come)]) + ending


def _word(element: str) -> str:
    listed: Json = json.loads(element)
    match listed:
        case bool():
            pass
        case int() | str():
            return str(listed)
        case {"range": [low, high]}:
            return f"{low}-{high}"
        case {"prefix": {"addr": address, "len": length}}:
            return f"{address}/{length}"
    raise Unclear(f"the element {element[:80]} is not understood")
