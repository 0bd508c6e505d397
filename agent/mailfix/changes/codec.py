"""Changes and records as plain values of JSON and back, by the types of their fields."""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from typing import Any, TypeVar

T = TypeVar("T")


def to_plain(value: object) -> Any:
    """A dataclass of dataclasses, tuples, enums, texts and numbers as JSON has them.

    Texts may hold surrogate escapes; bytes are kept as such a text.
    """
    if is_dataclass(value):
        return {each.name: to_plain(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, tuple):
        return [to_plain(each) for each in value]
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    return value


def from_plain(kind: type[T], plain: object) -> T:
    """Build a ``kind`` from what :func:`to_plain` made of one.

    Raises:
        ValueError: it is something else.
    """
    return typing.cast(T, _read(kind, plain, kind.__name__))


def _read(kind: Any, plain: object, where: str) -> object:
    origin = typing.get_origin(kind)
    if origin in (typing.Union, types.UnionType):
        return _read_optional(kind, plain, where)
    if origin is tuple:
        return _read_tuple(kind, plain, where)
    if is_dataclass(kind):
        return _read_dataclass(kind, plain, where)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind(plain)
    if kind is bytes:
        if not isinstance(plain, str):
            raise ValueError(f"{where}: expected a text")
        return plain.encode("utf-8", "surrogateescape")
    if kind is float and type(plain) is int:
        return float(plain)
    if type(plain) is not kind:
        raise ValueError(f"{where}: expected {kind}, not {type(plain).__name__}")
    return plain


def _read_optional(kind: Any, plain: object, where: str) -> object:
    inner = [each for each in typing.get_args(kind) if each is not type(None)]
    return None if plain is None else _read(inner[0], plain, where)


def _read_tuple(kind: Any, plain: object, where: str) -> object:
    if not isinstance(plain, list):
        raise ValueError(f"{where}: expected a list")
    inner = typing.get_args(kind)
    if len(inner) == 2 and inner[1] is Ellipsis:
        return tuple(_read(inner[0], each, where) for each in plain)
    if len(inner) != len(plain):
        raise ValueError(f"{where}: expected {len(inner)} values")
    return tuple(_read(each, value, where) for each, value in zip(inner, plain, strict=True))


def _read_dataclass(kind: Any, plain: object, where: str) -> object:
    if not isinstance(plain, Mapping):
        raise ValueError(f"{where}: expected an object")
    known = _types_of(kind)
    if plain.keys() != known.keys():
        raise ValueError(f"{where}: expected the fields {', '.join(known)}")
    return kind(**{name: _read(each, plain[name], name) for name, each in known.items()})


@cache
def _types_of(kind: type) -> Mapping[str, Any]:
    hints = typing.get_type_hints(kind)
    return {each.name: hints[each.name] for each in fields(kind)}
