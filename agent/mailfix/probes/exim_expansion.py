"""Expanding a setting of exim's as it would for the mail of a domain.

The truth is ``exim -bem`` (specification, chapter 5), which takes 20 ms for each domain. For
thousands of domains the variables that tell the sender are replaced by what they would hold, and
``exim -be`` expands it all in one go; that differs from the truth only in what exim calls tainted.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice

from mailfix.host import Host, Output, process
from mailfix.host.files import scratch_text
from mailfix.model import Fact, Known, Unknown

AT_ONCE = 4
SENDER = "postmaster"
PATIENCE_S = 15.0
_PROMPT = "> "
_END = "mailfix-end-of-expansion"
_HEADER = r"(?:[rbl]?h|[rbl]?header)_[!-9;-z|~]+"
_TOKEN = re.compile(
    r"\\N.*?(?:\\N|$)|\\."
    rf"|\$\{{(?P<braced_header>{_HEADER}):?\}}|\$(?P<header>{_HEADER}):"
    r"|\$\{(?P<braced>[A-Za-z][A-Za-z0-9_]*)\}|\$(?P<bare>[A-Za-z][A-Za-z0-9_]*)",
    re.DOTALL,
)
_FROM = frozenset({"h_from", "rh_from", "header_from", "rheader_from", "bh_from", "bheader_from"})
_SAME_FOR_ALL = frozenset(
    {
        *("primary_hostname", "qualify_domain", "qualify_recipient", "config_dir", "config_file"),
        *("value", "item", "spool_directory", "exim_path", "exim_version", "version_number"),
        *("h_sender", "rh_sender", "header_sender", "rheader_sender"),
    }
)
"""Mail as people send it has no header Sender, so that it is empty for all."""

_OF_SENDER: dict[str, Callable[[str], str]] = {
    "sender_address_domain": lambda domain: domain,
    "sender_address_local_part": lambda _: SENDER,
    "sender_address": lambda domain: f"{SENDER}@{domain}",
    "return_path": lambda domain: f"{SENDER}@{domain}",
}
_IS_SET = re.compile(
    r"\bdef:(?:sender_address\w*|return_path|(?:rh|h|rheader|header)_from:?)", re.I
)
_ALWAYS_SET = "def:primary_hostname"
_ACTS = re.compile(r"\$\{\s*(run|perl|dlfunc|readsocket|acl)\b|\b(acl)\s*\{")
_DOMAIN = re.compile(r"[a-z0-9._-]{1,253}")


@dataclass(frozen=True, slots=True)
class Expanded:
    """What an expression comes to, non-printing characters escaped; or how it failed, "" if not."""

    text: str
    failure: str = ""


def obstacle(expression: str) -> str:
    """Say why an expression cannot be tried out for a sender alone, "" where it can.

    It may depend on more of a message than its sender, or run something.
    """
    if acts := _ACTS.search(expression):
        return f"it runs something of its own for each message ({acts[1] or acts[2]})"
    known = {*_SAME_FOR_ALL, *_OF_SENDER, *_FROM}
    unheard = [name for name in variables(expression) if name not in known]
    return f"it depends on ${unheard[0][:60]}, which only a message has" if unheard else ""


def is_same_for_all(expression: str) -> bool:
    """Tell whether an expression comes to the same for every message, and runs nothing."""
    return not _ACTS.search(expression) and _SAME_FOR_ALL.issuperset(variables(expression))


def variables(expression: str) -> tuple[str, ...]:
    """Return the names of the variables in an expression, headers as ``h_from``, lower case."""
    found = (_name(match) for match in _TOKEN.finditer(expression))
    return tuple(name for name in found if name)


def _name(match: re.Match[str]) -> str:
    header = match["header"] or match["braced_header"] or ""
    return header.lower() or match["braced"] or match["bare"] or ""


def replaced(expression: str, values: dict[str, str]) -> str:
    """Replace variables by name, and leave alone what is quoted by a backslash or by ``\\N``."""
    return _TOKEN.sub(lambda match: values.get(_name(match), match[0]), expression)


def for_sender(expression: str, domain: str) -> str:
    """Replace every variable that tells the sender by what it holds for a domain.

    Raises ValueError for a domain with characters that mean something in an expression.
    """
    if not _DOMAIN.fullmatch(domain):
        raise ValueError(f"not a domain: {domain[:80]!r}")
    values = {name: value(domain) for name, value in _OF_SENDER.items()}
    values |= dict.fromkeys(_FROM, f"{SENDER}@{domain}")
    return replaced(_IS_SET.sub(_ALWAYS_SET, expression), values)


def constants(expressions: Sequence[str]) -> tuple[Expanded, ...] | None:
    """Return what expressions come to without asking exim, None where one of them needs it."""
    if any("$" in text for text in expressions):
        return None
    return tuple(Expanded(text) for text in expressions)


async def for_each(
    host: Host, program: str, asked: Sequence[tuple[str, Sequence[str]]]
) -> list[Fact[tuple[Expanded, ...]]]:
    """Expand the expressions of each domain as for a real message from it; the truth."""
    limit = asyncio.Semaphore(AT_ONCE)

    async def one(domain: str, expressions: Sequence[str]) -> Fact[tuple[Expanded, ...]]:
        async with limit:
            return await _for_message(host, program, domain, expressions)

    return list(await asyncio.gather(*(one(domain, texts) for domain, texts in asked)))


async def _for_message(
    host: Host, program: str, domain: str, expressions: Sequence[str]
) -> Fact[tuple[Expanded, ...]]:
    if not _DOMAIN.fullmatch(domain):
        return Unknown(f"not a domain: {domain[:80]!r}")
    sender = f"{SENDER}@{domain}"
    message = f"From: {sender}\nTo: {sender}\nSubject: test\n\ntest\n"
    with scratch_text("message", message) as file:
        argv = (program, "-f", sender, "-bem", file)
        told = _lines(expressions)
        done = await process.run(argv, host.deadline, PATIENCE_S, text_in=told)
    return _read(done, len(expressions))


async def for_all(
    host: Host, program: str, asked: Sequence[tuple[str, Sequence[str]]]
) -> list[Fact[tuple[Expanded, ...]]]:
    """Expand the expressions of all domains in one go, with the sender written into them."""
    written = [for_sender(text, domain) for domain, expressions in asked for text in expressions]
    argv = (program, "-be")
    done = await process.run(argv, host.deadline, PATIENCE_S, text_in=_lines(written))
    everything = _read(done, len(written))
    if isinstance(everything, Unknown):
        return [everything for _ in asked]
    remaining = iter(everything.value)
    return [Known(tuple(islice(remaining, len(expressions)))) for _, expressions in asked]


def _lines(expressions: Sequence[str]) -> str:
    escaped = (f"${{escape:{text}}}".replace("\n", "\\n") for text in expressions)
    return "".join(f"{line}\n{_END}\n" for line in escaped)


def _read(done: Fact[Output], count: int) -> Fact[tuple[Expanded, ...]]:
    if isinstance(done, Unknown):
        return done
    found = parse_expansions(done.value.stdout)
    if len(found) != count:
        return Unknown(f"exim does not tell what its settings come to: {done.value.complaint}")
    tainted = re.search(r"Tainted .*", done.value.stderr)
    return Known(tuple(_with_cause(each, tainted[0] if tainted else "") for each in found))


def _with_cause(expanded: Expanded, tainted: str) -> Expanded:
    """Exim prints what it refuses beside the failure, and the failure says something else."""
    return Expanded("", tainted[:300]) if expanded.failure and tainted else expanded


def parse_expansions(text: str) -> list[Expanded]:
    """Read what exim prints for expressions on its input that each have the end mark after them."""
    parts = text.split(f"{_PROMPT}{_END}\n")[:-1]
    return [_expanded(part.removeprefix(_PROMPT).removesuffix("\n")) for part in parts]


def _expanded(text: str) -> Expanded:
    if text.startswith("Failed: "):
        return Expanded("", text.removeprefix("Failed: ").strip()[:300] or "no reason given")
    return Expanded(text)
