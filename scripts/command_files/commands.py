"""The commands as their definitions in ``mailfix.cli`` tell them, whatever release of Typer."""

from __future__ import annotations

import inspect
import re
import types
import typing
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Any

from typer.models import ArgumentInfo, CommandInfo, OptionInfo

from mailfix import cli

EXAMPLE = "Example: "
PORTS = ("25", "465", "587", "110", "143", "993", "995")


class Kind(StrEnum):
    """What a value is, for a shell that completes it."""

    CHOICE = "choice"
    FILE = "file"
    HOST = "host"
    PORT = "port"
    RULE = "rule"
    OTHER = "other"


KINDS = {
    "force": Kind.FILE,
    "host": Kind.HOST,
    "only": Kind.RULE,
    "port": Kind.PORT,
    "rule": Kind.RULE,
}
"""By the name of the parameter."""


@dataclass(frozen=True, slots=True)
class Value:
    """What stands for a value in a synopsis, its kind, and the choices if they are few."""

    name: str
    kind: Kind
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Option:
    """``name`` begins with its dashes; without a ``value`` it is a switch."""

    name: str
    help: str
    value: Value | None
    repeatable: bool


@dataclass(frozen=True, slots=True)
class Argument:
    value: Value
    help: str
    required: bool


@dataclass(frozen=True, slots=True)
class Command:
    """``help`` are paragraphs, the first of which begins with the command's purpose."""

    name: str
    help: tuple[str, ...]
    examples: tuple[str, ...]
    arguments: tuple[Argument, ...]
    options: tuple[Option, ...]

    @property
    def purpose(self) -> str:
        """The first clause, as a phrase."""
        first = re.split(r"[.;:](?: |$)", self.help[0])[0]
        return first[0].lower() + first[1:]


def commands() -> tuple[Command, ...]:
    """Every command that is not hidden, by name."""
    shown = (_command(each) for each in cli.app.registered_commands if not each.hidden)
    return tuple(sorted(shown, key=lambda each: each.name))


def _command(info: CommandInfo) -> Command:
    function = info.callback
    assert function is not None
    parameters = _parameters(function)
    return Command(
        name=info.name or function.__name__.replace("_", "-"),
        help=tuple(" ".join(part.split()) for part in inspect.getdoc(function).split("\n\n")),  # type: ignore[union-attr]
        examples=_examples(info.epilog or ""),
        arguments=tuple(
            Argument(_value(name, kind), told.help or "", told.default is ...)
            for name, kind, told in parameters
            if isinstance(told, ArgumentInfo)
        ),
        options=tuple(
            _option(name, kind, told)
            for name, kind, told in parameters
            if isinstance(told, OptionInfo) and not told.hidden
        ),
    )


def _parameters(function: Callable[..., Any]) -> list[tuple[str, Any, Any]]:
    hints = typing.get_type_hints(function)
    return [
        (name, hints[name], each.default)
        for name, each in inspect.signature(function).parameters.items()
    ]


def _examples(epilog: str) -> tuple[str, ...]:
    return (epilog.removeprefix(EXAMPLE),) if epilog.startswith(EXAMPLE) else ()


def _option(name: str, hint: Any, told: OptionInfo) -> Option:
    declared = [each for each in told.param_decls or () if each.startswith("--")]
    plain = _plain(hint)
    return Option(
        name=declared[0] if declared else f"--{name.replace('_', '-')}",
        help=told.help or "",
        value=None if plain is bool else _value(name, hint),
        repeatable=typing.get_origin(_without_none(hint)) is list,
    )


def _value(name: str, hint: Any) -> Value:
    plain = _plain(hint)
    if isinstance(plain, type) and issubclass(plain, Enum):
        return Value(name, Kind.CHOICE, tuple(str(each.value) for each in plain))
    return Value(name.replace("_", "-"), KINDS.get(name, Kind.OTHER))


def _plain(hint: Any) -> Any:
    inner = _without_none(hint)
    return typing.get_args(inner)[0] if typing.get_origin(inner) is list else inner


def _without_none(hint: Any) -> Any:
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return next(each for each in typing.get_args(hint) if each is not type(None))
    return hint
