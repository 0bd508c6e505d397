"""Pages of the manual, in the language of mdoc(7)."""

from __future__ import annotations

from datetime import date

from .commands import Command, Option, Value

SECTION = 8
COMMANDS_HERE = '.\\" COMMANDS\n'
DATE_HERE = ".Dd today\n"


def page(command: Command, prose: str, day: date) -> str:
    """The page of one command; ``prose`` is put after what its help says."""
    return "".join(
        [
            f".Dd {day:%B} {day.day}, {day.year}\n",
            f".Dt MAILFIX-{command.name.upper()} {SECTION}\n",
            ".Os\n.Sh NAME\n",
            f".Nm mailfix-{command.name}\n",
            f".Nd {_text(command.purpose)}\n",
            ".Sh SYNOPSIS\n",
            _synopsis(command),
            ".Sh DESCRIPTION\n",
            ".Pp\n".join(f"{_text(each)}\n" for each in command.help),
            prose,
            _options(command),
            _examples(command),
            f".Sh SEE ALSO\n.Xr mailfix {SECTION}\n",
        ]
    )


def overview(text: str, commands: tuple[Command, ...], day: date) -> str:
    """The page of the program, with its date and the list of its commands filled in."""
    listed = "".join(
        f".It Xr mailfix-{each.name} {SECTION}\n{_text(each.help[0])}\n" for each in commands
    )
    return text.replace(DATE_HERE, f".Dd {day:%B} {day.day}, {day.year}\n").replace(
        COMMANDS_HERE, listed
    )


def _synopsis(command: Command) -> str:
    lines = [".Nm mailfix", f".Cm {command.name}"]
    lines += [f".Op {_call(each)}{' ...' if each.repeatable else ''}" for each in command.options]
    for each in command.arguments:
        told = f"Ar {_word(each.value.name)}"
        lines.append(f".{told}" if each.required else f".Op {told}")
    return "\n".join(lines) + "\n"


def _options(command: Command) -> str:
    told = [
        *(f".It Ar {_word(each.value.name)}\n{_text(each.help)}\n" for each in command.arguments),
        *(f".It {_call(each)}\n{_text(each.help)}\n" for each in command.options),
        ".It Fl -help\nShow help and exit.\n",
    ]
    return ".Sh OPTIONS\n.Bl -tag -width Ds\n" + "".join(told) + ".El\n"


def _examples(command: Command) -> str:
    if not command.examples:
        return ""
    return ".Sh EXAMPLES\n" + "".join(f".Dl # {_text(each)}\n" for each in command.examples)


def _call(option: Option) -> str:
    flag = f"Fl -{_word(option.name.removeprefix('--'))}"
    return f"{flag} {_placeholder(option.value)}" if option.value else flag


def _placeholder(value: Value) -> str:
    if value.choices:
        return " | ".join(f"Cm {_word(each)}" for each in value.choices)
    return f"Ar {_word(value.name)}"


def _word(name: str) -> str:
    return name.replace("-", "\\-")


def _text(words: str) -> str:
    """Text that is no request and whose dashes can be copied (groff_char(7))."""
    plain = words.replace("\\", "\\e").replace("--", "\\-\\-")
    return f"\\&{plain}" if plain.startswith((".", "'")) else plain
