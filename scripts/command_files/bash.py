"""The completion of bash(1)."""

from __future__ import annotations

from collections.abc import Iterator

from .commands import PORTS, Command, Kind, Value

_TEXT = """\
# bash completion for mailfix(8)

_mailfix_rules() {{
    shopt -s nullglob
    local folders=(/usr/share/mailfix/rules/*/ /etc/mailfix/rules/*/)
    folders=("${{folders[@]%/}}")
    compgen -W "${{folders[*]##*/}}" -- "$1"
}}

_mailfix() {{
    local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD - 1]}}
    local command=${{COMP_WORDS[1]}}
    COMPREPLY=()

    if ((COMP_CWORD == 1)); then
        mapfile -t COMPREPLY < <(compgen -W "{commands} --help --version" -- "$word")
        return
    fi
    case $command:$before in
{values}
    esac
    if [[ $word == -* ]]; then
        case $command in
{options}
        esac
        return
    fi
    case $command in
{arguments}
    esac
}}

complete -F _mailfix mailfix
"""


def completion(commands: tuple[Command, ...]) -> str:
    """The file for bash-completion's folder."""
    return _TEXT.format(
        commands=" ".join(each.name for each in commands),
        values="\n".join(_values(commands)),
        options="\n".join(
            f"            {each.name}) {_filled(_words(_flags(each)))} ;;" for each in commands
        ),
        arguments="\n".join(
            f"        {each.name}) {_filled(told)} ;;"
            for each in commands
            if (told := _first_argument(each))
        ),
    )


def _values(commands: tuple[Command, ...]) -> Iterator[str]:
    for command in commands:
        for option in command.options:
            if option.value is not None:
                told = _candidates(option.value)
                act = f"{_filled(told)}; return" if told else "return"
                yield f"        {command.name}:{option.name}) {act} ;;"


def _first_argument(command: Command) -> str:
    return _candidates(command.arguments[0].value) if command.arguments else ""


def _flags(command: Command) -> list[str]:
    return [*(each.name for each in command.options), "--help"]


def _candidates(value: Value) -> str:
    """The command that prints what may stand there, "" for anything."""
    match value.kind:
        case Kind.CHOICE:
            return _words(value.choices)
        case Kind.PORT:
            return _words(PORTS)
        case Kind.RULE:
            return '_mailfix_rules "$word"'
        case Kind.FILE:
            return 'compgen -f -- "$word"'
        case Kind.HOST:
            return 'compgen -A hostname -- "$word"'
    return ""


def _words(words: tuple[str, ...] | list[str]) -> str:
    return f'compgen -W "{" ".join(words)}" -- "$word"'


def _filled(command: str) -> str:
    return f"mapfile -t COMPREPLY < <({command})"
