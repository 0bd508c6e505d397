"""The completion of fish(1)."""

from __future__ import annotations

from collections.abc import Iterator

from .commands import PORTS, Command, Kind, Option, Value

_HEAD = """\
# fish completion for mailfix(8)

complete -c mailfix -f
complete -c mailfix -n __fish_use_subcommand -l help -d 'Show help'
complete -c mailfix -n __fish_use_subcommand -l version -d 'Show the version'
"""
_RULES = "(path basename /usr/share/mailfix/rules/*/)"


def completion(commands: tuple[Command, ...]) -> str:
    """The file for fish's folder of vendors' completions."""
    lines = [line for each in commands for line in _lines(each)]
    return _HEAD + "\n".join(lines) + "\n"


def _lines(command: Command) -> Iterator[str]:
    yield _complete("__fish_use_subcommand", f"-a {command.name}", command.purpose)
    here = f"'__fish_seen_subcommand_from {command.name}'"
    for option in command.options:
        yield _complete(here, _option(option), option.help)
    yield _complete(here, "-l help", "Show help")
    for argument in command.arguments[:1]:
        told = _candidates(argument.value)
        if told:
            yield _complete(here, f"-a '{told}'", argument.help)


def _option(option: Option) -> str:
    name = f"-l {option.name.removeprefix('--')}"
    if option.value is None:
        return name
    if option.value.kind is Kind.FILE:
        return f"{name} -r -F"
    told = _candidates(option.value)
    return f"{name} -x -a '{told}'" if told else f"{name} -x"


def _candidates(value: Value) -> str:
    match value.kind:
        case Kind.CHOICE:
            return " ".join(value.choices)
        case Kind.PORT:
            return " ".join(PORTS)
        case Kind.RULE:
            return _RULES
        case Kind.HOST:
            return "(__fish_print_hostnames)"
    return ""


def _complete(condition: str, what: str, told: str) -> str:
    return f"complete -c mailfix -n {condition} {what} -d '{_text(told)}'"


def _text(words: str) -> str:
    return words.replace("\\", "\\\\").replace("'", "\\'")
