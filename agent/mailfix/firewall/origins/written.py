"""Rules as they are written in the files that a boot loads, each with its line.

The files are hostile: any text gives an answer, in time that grows with its length.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum

from mailfix.model import Family

MAX_TEXT = 400
"""Characters of a rule that are kept."""


class Kind(Enum):
    """What a line does: add a rule, set a policy, or change a chain in any other way."""

    RULE = "rule"
    POLICY = "policy"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Written:
    """One rule or policy; ``line`` counts from 1, 0 where the text is no file's.

    ``family`` is None for nft's inet and its like. ``before`` is the position (from 1) at which
    the rule is inserted, None where it is appended.
    """

    file: str
    line: int
    family: Family | None
    table: str
    chain: str
    text: str
    kind: Kind = Kind.RULE
    before: int | None = None

    def describe(self) -> str:
        """For example ``line 7 of /etc/iptables/rules.v4: -A INPUT -p tcp -j DROP``."""
        where = f"line {self.line} of {self.file}" if self.line else self.file
        return f"{where}: {self.text}"


_COUNTERS = re.compile(r"^\[\d+:\d+\]\s+")
_TABLE_OPTION = re.compile(r"\s(?:-t|--table)\s+(\S+)")
_COMMAND = re.compile(r"(-[A-Z]|--[a-z-]+)\s+(\S+)(?:\s+(\d{1,9})(?=\s))?")
_ADDS = {"-A": None, "--append": None, "-I": 1, "--insert": 1}
_KINDS = {name: Kind.RULE for name in _ADDS} | {"-P": Kind.POLICY, "--policy": Kind.POLICY}


def written_for_iptables(file: str, family: Family, text: str) -> tuple[Written, ...]:
    """The lines of a text that iptables-restore(8) takes."""
    return tuple(_iptables_lines(file, family, text))


def _iptables_lines(file: str, family: Family, text: str) -> Iterator[Written]:
    table = "filter"
    for number, raw in enumerate(text.split("\n"), 1):
        line = _COUNTERS.sub("", raw.strip())
        if line.startswith("*"):
            table = line[1:].strip()
        elif line.startswith(":"):
            words = line[1:].split()
            if len(words) > 1 and words[1] != "-":
                shown = line[:MAX_TEXT]
                yield Written(file, number, family, table, words[0], shown, Kind.POLICY)
        elif line.startswith("-") and (found := _COMMAND.match(line)):
            named = _TABLE_OPTION.search(line)
            where = named[1] if named else table
            if found[1] in ("-N", "--new-chain"):
                continue
            kind = _KINDS.get(found[1], Kind.OTHER)
            before = _ADDS.get(found[1]) and int(found[3] or 1)
            yield Written(file, number, family, where, found[2], line[:MAX_TEXT], kind, before)


_FAMILIES: Mapping[str, Family | None] = {"ip": Family.IPV4, "ip6": Family.IPV6}
_NFT_FAMILIES = frozenset({"ip", "ip6", "inet", "arp", "bridge", "netdev"})
_TOKEN = re.compile(r'"[^"\n]*"|#[^\n]*|\\\n|[{};\n]|[^"#\\{};\n]+|.', re.DOTALL)
_NO_RULE = frozenset({"type", "policy", "comment", "device", "devices", "flags", "counter;"})
_INCLUDE = re.compile(r'include\s+"([^"\n]{1,1000})"')


def written_for_nft(file: str, text: str) -> tuple[Written, ...]:
    """The rules of a file in the syntax of nft(8); what it includes is not looked into."""
    reading = _NftReading(file)
    for statement in statements(text):
        reading.take(statement)
    return tuple(reading.found)


def nft_includes(text: str) -> tuple[str, ...]:
    """The patterns that the file includes, in its order."""
    found = (_INCLUDE.match(each.text) for each in statements(text))
    return tuple(each[1] for each in found if each)


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement, the head of a block (``opens``), or the end of one (no text).

    It stands in the file from ``begins`` to ``ends``, in characters.
    """

    line: int
    text: str
    opens: bool = False
    begins: int = 0
    ends: int = 0


def statements(text: str) -> Iterator[Statement]:
    """Cut the text at line ends and semicolons, but not within a rule's own braces."""
    line = start = 1
    begins = ends = 0
    parts: list[str] = []
    inner = 0
    for found in _TOKEN.finditer(text):
        token = found[0]
        if token[0] == "#":
            continue
        if not inner and token in ("\n", ";", "}"):
            yield from _ended(start, parts, begins, ends)
            parts = []
            if token == "}":
                yield Statement(line, "")
        elif token == "{" and not inner and _is_head(parts):
            head = "".join(parts).strip()
            yield Statement(start, head, opens=True, begins=begins, ends=ends)
            parts = []
        else:
            inner += (token == "{") - (token == "}")
            blank = token.isspace() or token == "\\\n"
            if not parts and not blank:
                leading = len(token) - len(token.lstrip())
                start, begins = line + token[:leading].count("\n"), found.start() + leading
            if not blank:
                ends = found.start() + len(token.rstrip())
            if parts or not blank:
                parts.append(" " if token in ("\n", "\\\n") else token)
        line += token.count("\n")
    yield from _ended(start, parts, begins, ends)


def _ended(start: int, parts: list[str], begins: int, ends: int) -> Iterator[Statement]:
    text = "".join(parts).strip()
    if text:
        yield Statement(start, text, begins=begins, ends=ends)


def _is_head(parts: list[str]) -> bool:
    words = "".join(parts[:8]).split(None, 2)
    return bool(words) and (words[0] in ("table", "chain") or words[:2] in _HEADS)


_HEADS = [["add", "table"], ["create", "table"], ["add", "chain"], ["create", "chain"]]


@dataclass(slots=True)
class _NftReading:
    file: str
    found: list[Written] = field(default_factory=list)
    _table: tuple[Family | None, str] | None = None
    _chain: str | None = None

    def take(self, statement: Statement) -> None:
        words = statement.text.split()
        if statement.opens:
            self._open([word for word in words if word not in ("add", "create")])
        elif not words:
            self._close()
        elif self._table and self._chain is not None:
            self._in_chain(statement, words)
        elif self._table is None:
            self._command(statement, words)

    def _open(self, words: list[str]) -> None:
        if words[0] == "table":
            self._table = _table_key(words[1:])[0]
        elif self._table is not None:
            self._chain = _bare(words[1]) if len(words) > 1 else ""
        else:
            self._table, rest = _table_key(words[1:])
            self._chain = _bare(rest[0]) if rest else ""

    def _close(self) -> None:
        if self._chain is not None:
            self._chain = None
        else:
            self._table = None

    def _in_chain(self, statement: Statement, words: list[str]) -> None:
        if words[0] == "policy":
            self._add(statement, self._chain or "", Kind.POLICY)
        elif words[0] not in _NO_RULE:
            self._add(statement, self._chain or "", Kind.RULE)

    def _command(self, statement: Statement, words: list[str]) -> None:
        """``add rule inet filter input tcp dport 25 accept`` and its like."""
        verb = words[0] if words[0] in ("add", "insert", "replace", "delete") else "add"
        rest = words[1:] if words[0] == verb else words
        if rest[:1] != ["rule"]:
            return
        table, rest = _table_key(rest[1:])
        if rest:
            plain = rest[1:2] not in (["handle"], ["index"], ["position"])
            kind = Kind.RULE if plain and verb in ("add", "insert") else Kind.OTHER
            self._table = table
            self._add(statement, _bare(rest[0]), kind, 1 if verb == "insert" else None)
            self._table = None

    def _add(self, statement: Statement, chain: str, kind: Kind, before: int | None = None) -> None:
        family, table = self._table or (None, "")
        text = " ".join(statement.text.split())[:MAX_TEXT]
        line = statement.line
        self.found.append(Written(self.file, line, family, table, chain, text, kind, before))


def _table_key(words: list[str]) -> tuple[tuple[Family | None, str], list[str]]:
    """``[inet] filter`` and what follows; without a family it is ip."""
    family = Family.IPV4 if words[:1] and words[0] not in _NFT_FAMILIES else None
    if words[:1] and words[0] in _NFT_FAMILIES:
        family = _FAMILIES.get(words[0])
        words = words[1:]
    return (family, _bare(words[0]) if words else ""), words[1:]


def _bare(name: str) -> str:
    return name.strip('"')
