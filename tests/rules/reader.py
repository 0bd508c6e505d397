"""Facts from a case file, in the words of :mod:`mailfix.facts`.

A plain value is a known fact, ``{unknown: REASON}`` one that could not be found out, and null a
known "there is none". Lists become tuples, words become enumerations. A key or a value that the
facts do not have is an error.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from enum import Enum
from typing import Any

from mailfix.facts import Facts
from mailfix.mail_records.domain import DomainRecords
from mailfix.model import Known, PerFamily, Unknown


class BadCase(ValueError):
    """The case says something that facts cannot say; the text says where."""


def read_facts(content: Mapping[str, Any]) -> Facts:
    """Return the facts of a case; what it does not name stays "not looked at"."""
    facts = _build(Facts, content, "facts")
    assert isinstance(facts, Facts)
    return facts


def read_domain(content: Mapping[str, Any]) -> DomainRecords:
    """Return the facts of one mail domain."""
    records = _build(DomainRecords, content, "domain")
    assert isinstance(records, DomainRecords)
    return records


def _build(kind: type[Any], content: Any, where: str) -> Any:
    if not isinstance(content, Mapping):
        raise BadCase(f"{where}: expected the fields of {kind.__name__}, not {content!r}")
    hints = typing.get_type_hints(kind)
    for key in content:
        if key not in hints:
            raise BadCase(f"{where}: {kind.__name__} has no {key!r}")
    values = {key: _value(hints[key], each, f"{where}.{key}") for key, each in content.items()}
    try:
        return kind(**values)
    except TypeError as error:
        raise BadCase(f"{where}: {error}") from None


def _value(hint: Any, content: Any, where: str) -> Any:
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return _one_of(inner, content, where)
    if origin is PerFamily:
        return _per_family(inner[0], content, where)
    if origin is tuple:
        return _tuple(inner, content, where)
    if dataclasses.is_dataclass(hint):
        assert isinstance(hint, type)
        return _build(hint, content, where)
    return _scalar(hint, content, where)


def _one_of(choices: tuple[Any, ...], content: Any, where: str) -> Any:
    for choice in choices:
        if typing.get_origin(choice) is Known:
            return _fact(typing.get_args(choice)[0], content, where)
    if content is None and type(None) in choices:
        return None
    (choice,) = (each for each in choices if each is not type(None))
    return _value(choice, content, where)


def _fact(hint: Any, content: Any, where: str) -> Known[Any] | Unknown:
    if isinstance(content, Mapping) and set(content) == {"unknown"}:
        return Unknown(_scalar(str, content["unknown"], where))
    return Known(_value(hint, content, where))


def _per_family(hint: Any, content: Any, where: str) -> PerFamily[Any]:
    if not isinstance(content, Mapping) or not set(content) <= {"ipv4", "ipv6"}:
        raise BadCase(f"{where}: expected ipv4 and ipv6")
    return PerFamily(
        **{family: _fact(hint, each, f"{where}.{family}") for family, each in content.items()}
    )


def _tuple(inner: tuple[Any, ...], content: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(content, list):
        raise BadCase(f"{where}: expected a list, not {content!r}")
    hints = [inner[0]] * len(content) if inner[-1] is Ellipsis else list(inner)
    if len(hints) != len(content):
        raise BadCase(f"{where}: expected {len(hints)} items")
    return tuple(
        _value(hint, each, f"{where}[{index}]")
        for index, (hint, each) in enumerate(zip(hints, content, strict=True))
    )


def _scalar(hint: Any, content: Any, where: str) -> Any:
    if issubclass(hint, Enum):
        try:
            return hint(content)
        except ValueError as error:
            raise BadCase(f"{where}: {error}") from None
    if hint is float and type(content) is int:
        return float(content)
    if type(content) is not hint:
        raise BadCase(f"{where}: {content!r} is no {hint.__name__}")
    return content
