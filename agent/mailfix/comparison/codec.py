"""What is kept from run to run as plain values, and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

from mailfix.comparison.news import Standing
from mailfix.comparison.records import DoubtRecord, FailureRecord, Standings, Told
from mailfix.model import Severity, Subject

SCHEMA = "mailfix.standings/1"
MAX_ENTRIES = 12
"""Entries of a subject; the rules' own have four at most."""

T = TypeVar("T")


class Unreadable(ValueError):
    """Values that are not of this program's making; says what is wrong with them."""


def encode(standings: Standings) -> dict[str, Any]:
    """Return plain values, as JSON has them."""
    return {
        "schema": SCHEMA,
        "failures": [_failure(each) for each in standings.failures],
        "doubts": [_doubt(each) for each in standings.doubts],
    }


def decode(content: Any) -> Standings:
    """Read what :func:`encode` returned; raises :class:`Unreadable`."""
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        raise Unreadable(f"it is not of the kind {SCHEMA}")
    return Standings(
        _each(content, "failures", _read_failure), _each(content, "doubts", _read_doubt)
    )


def _failure(record: FailureRecord) -> dict[str, Any]:
    return {
        **_standing(record.standing),
        "told": record.told.value,
        "contrary": record.contrary,
        "restless": record.restless,
        "unjudged": record.unjudged,
    }


def _doubt(record: DoubtRecord) -> dict[str, Any]:
    return {
        **_standing(record.standing),
        "told": record.told,
        "runs": record.runs,
        "clear": record.clear,
    }


def _standing(standing: Standing) -> dict[str, Any]:
    return {
        "rule": standing.rule,
        "title": standing.title,
        "severity": standing.severity.value,
        "subject": dict(standing.subject),
        "message": standing.message,
        "since": standing.since.isoformat(),
    }


def _each(content: Mapping[str, Any], name: str, read: Callable[[Any], T]) -> tuple[T, ...]:
    found = content.get(name)
    if not isinstance(found, list):
        raise Unreadable(f"{name} is no list")
    try:
        return tuple(read(each) for each in found)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise Unreadable(f"an entry of {name} is damaged: {type(error).__name__}") from None


def _read_failure(entry: Any) -> FailureRecord:
    return FailureRecord(
        standing=_read_standing(entry),
        told=Told(entry["told"]),
        contrary=_count(entry["contrary"]),
        restless=_count(entry["restless"]),
        unjudged=_count(entry["unjudged"]),
    )


def _read_doubt(entry: Any) -> DoubtRecord:
    if not isinstance(entry["told"], bool):
        raise TypeError
    return DoubtRecord(
        standing=_read_standing(entry),
        told=entry["told"],
        runs=_count(entry["runs"]),
        clear=_count(entry["clear"]),
    )


def _read_standing(entry: Any) -> Standing:
    return Standing(
        rule=_text(entry["rule"]),
        title=_text(entry["title"]),
        severity=Severity(entry["severity"]),
        subject=_subject(entry["subject"]),
        message=_text(entry["message"]),
        since=_moment(entry["since"]),
    )


def _subject(value: Any) -> Subject:
    if not isinstance(value, dict) or len(value) > MAX_ENTRIES:
        raise TypeError
    if any(isinstance(each, bool) or not isinstance(each, str | int) for each in value.values()):
        raise TypeError
    return value


def _moment(value: Any) -> datetime:
    """Raises ValueError for one without its zone, too."""
    found = datetime.fromisoformat(_text(value))
    if found.tzinfo is None:
        raise ValueError
    return found.astimezone(UTC)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _count(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise ValueError
    return value
