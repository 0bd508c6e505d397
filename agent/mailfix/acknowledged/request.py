"""What the administrator asks to have ignored for a while, read from the words of the command."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, timedelta

from mailfix.comparison.acknowledgement import Acknowledgement
from mailfix.host.idna import to_ascii
from mailfix.model import Family, Refusal, Subject
from mailfix.rulebook import Rule, named
from mailfix.yaml_text import shown

DATES = "a day such as 2026-12-24, or a span such as 30d or 4w"
LONGEST = timedelta(days=366)
MAX_WHY = 500
MAX_VALUE = 253
MAX_PORT = 65535
_SPAN = re.compile(r"([1-9][0-9]{0,2})([dw])", re.ASCII)
_DAYS = {"d": 1, "w": 7}


def read_request(
    name: str,
    subject: Sequence[str],
    until: str | None,
    why: str | None,
    *,
    rules: Sequence[Rule],
    today: date,
) -> Acknowledgement:
    """Make sense of the command line's words; ``today`` is the host's own day.

    Raises:
        Refusal: they make none.
    """
    if until is None:
        raise Refusal(f"how long? add --until with {DATES}")
    if why is None:
        raise Refusal('why? add --why "…": whoever reads the list later wants to know')
    rule = named(name, rules)
    return Acknowledgement(rule.id, read_subject(subject, rule), _until(until, today), _why(why))


def read_subject(words: Sequence[str], rule: Rule) -> Subject:
    """Read ``KEY=VALUE`` words; raises :class:`mailfix.model.Refusal`."""
    subject: dict[str, str | int] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or not value or len(value) > MAX_VALUE or not value.isprintable():
            raise Refusal(f"--subject {shown(word)}: expected KEY=VALUE, such as family=ipv6")
        if key not in rule.subject:
            raise Refusal(f"--subject {shown(word)}: {_apart(rule)}")
        if key in subject:
            raise Refusal(f"--subject: {key} is there twice; give each its own 'mailfix ignore'")
        subject[key] = _as_told(key, value, f"--subject {shown(word)}")
    return subject


def _as_told(key: str, value: str, where: str) -> str:
    """The value in the form that findings have; one that none can have would hide nothing."""
    match key:
        case "family":
            return _family(value.lower(), where)
        case "port":
            return _port(value, where)
        case "domain" | "mx":
            return _domain(value, where)
    return value


def _family(value: str, where: str) -> str:
    if value not in list(Family):
        raise Refusal(f"{where}: expected {' or '.join(Family)}")
    return value


def _port(value: str, where: str) -> str:
    if not value.isascii() or not value.isdecimal() or not 1 <= int(value) <= MAX_PORT:
        raise Refusal(f"{where}: expected a number from 1 to {MAX_PORT}")
    return str(int(value))


def _domain(value: str, where: str) -> str:
    try:
        return to_ascii(value)
    except ValueError as error:
        raise Refusal(f"{where}: not a domain name: {error}") from None


def _apart(rule: Rule) -> str:
    if not rule.subject:
        return f"{rule.id} has one subject alone; leave --subject out"
    return f"{rule.id} tells apart by {', '.join(rule.subject)}"


def _until(text: str, today: date) -> date:
    span = _SPAN.fullmatch(text)
    until = today + timedelta(days=int(span[1]) * _DAYS[span[2]]) if span else _day(text)
    if until < today:
        raise Refusal(f"--until {until.isoformat()}: that day is over")
    if until > today + LONGEST:
        raise Refusal(
            f"--until {until.isoformat()}: a year at most; for longer, 'ignore' in "
            "/etc/mailfix/mailfix.yml"
        )
    return until


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise Refusal(f"--until {shown(text)}: expected {DATES}") from None


def _why(text: str) -> str:
    if not text.strip() or len(text) > MAX_WHY or not text.isprintable():
        raise Refusal(f"--why: expected one line of at most {MAX_WHY} characters")
    return text.strip()
