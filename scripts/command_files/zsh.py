"""The completion of zsh(1)."""

from __future__ import annotations

from .commands import PORTS, Argument, Command, Kind, Option, Value

_TEXT = """\
#compdef mailfix
# zsh completion for mailfix(8)

local -a commands
commands=(
{commands}
)

_arguments -C \\
    '(- *)--help[show help]' \\
    '(- *)--version[show the version]' \\
    '1:command:->command' \\
    '*::argument:->argument' && return

case $state in
    command)
        _describe command commands
        ;;
    argument)
        case $words[1] in
{cases}
        esac
        ;;
esac
"""
_RULES = "_path_files -/ -W /usr/share/mailfix/rules"


def completion(commands: tuple[Command, ...]) -> str:
    """The file for zsh's folder of completions."""
    return _TEXT.format(
        commands="\n".join(f"    '{each.name}:{_text(each.purpose)}'" for each in commands),
        cases="\n".join(_case(each) for each in commands),
    )


def _case(command: Command) -> str:
    words = [
        *(_option(each) for each in command.options),
        "'(- *)--help[show help]'",
        *(_argument(each) for each in command.arguments),
    ]
    lines = " \\\n".join(f"                    {each}" for each in words)
    return (
        f"            {command.name})\n                _arguments \\\n{lines}\n                ;;"
    )


def _option(option: Option) -> str:
    star = "*" if option.repeatable else ""
    value = f":{option.value.name}:{_candidates(option.value)}" if option.value else ""
    return f"'{star}{option.name}[{_text(option.help)}]{value}'"


def _argument(argument: Argument) -> str:
    colons = ":" if argument.required else "::"
    return f"'{colons}{argument.value.name}:{_candidates(argument.value)}'"


def _candidates(value: Value) -> str:
    match value.kind:
        case Kind.CHOICE:
            return f"({' '.join(value.choices)})"
        case Kind.PORT:
            return f"({' '.join(PORTS)})"
        case Kind.RULE:
            return _RULES
        case Kind.FILE:
            return "_files"
        case Kind.HOST:
            return "_hosts"
    return ""


def _text(words: str) -> str:
    """Within single quotes and brackets, where a colon would end it."""
    plain = words.replace("'", "'\\''").replace(":", "\\:")
    return plain.replace("[", "\\[").replace("]", "\\]")
