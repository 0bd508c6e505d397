"""The edits that may give a main option another value, the least surprising first. Pure.

Which of them does is for exim itself to say (:mod:`mailfix.actions.exim.judging`): conditions and
macros are exim's to understand.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from mailfix.actions.exim import option_text
from mailfix.actions.exim.option_text import Kind, Setting

MOST = 8
"""Edits that are tried; each costs half a second."""


@dataclass(frozen=True, slots=True)
class Edit:
    """``path`` shall hold ``text``; ``where`` tells the line that changes."""

    path: str
    text: bytes
    where: str


Texts = Mapping[str, bytes]
"""The files of the main section in their order."""


def setting_edits(texts: Texts, name: str, value: str) -> Iterator[Edit]:
    """Edits of what sets the option already: of the line, or of the macro that it consists of."""
    for path, text in texts.items():
        for setting in option_text.options_named(text, name):
            definition = _own_macro(texts, setting)
            if definition is not None:
                yield _edit(texts, *definition, value)
            else:
                yield _edit(texts, path, setting, value)


def macro_edits(texts: Texts, name: str, value: str) -> Iterator[Edit]:
    """Edits of the lines that define this macro."""
    for path, text in texts.items():
        for setting in option_text.macros_named(text, name):
            yield _edit(texts, path, setting, value)


def new_lines(texts: Texts, path: str, line: str) -> Iterator[Edit]:
    """The line at the very top of a file; after an empty one where the file before has no end."""
    text = texts.get(path, b"")
    yield Edit(path, option_text.with_first_line(text, line), f"{path}, line 1")
    yield Edit(path, option_text.with_first_line(text, f"\n{line}"), f"{path}, line 2")


def _edit(texts: Texts, path: str, setting: Setting, value: str) -> Edit:
    text = option_text.with_value(texts[path], setting, value)
    return Edit(path, text, f"{path}, line {setting.line}")


def _own_macro(texts: Texts, setting: Setting) -> tuple[str, Setting] | None:
    """The one definition of a macro that stands for this option's value and for nothing else."""
    defined = [
        (path, each)
        for path, text in texts.items()
        for each in option_text.settings(text)
        if each.kind is Kind.MACRO and each.name == setting.value
    ]
    if len(defined) != 1:
        return None
    macro = defined[0][1].name
    used = sum(option_text.mentions(text, macro) for text in texts.values())
    return defined[0] if used == 2 else None


def unusable(texts: Texts, name: str) -> str:
    """Why what sets the option must not be edited; "" where it may."""
    for path, text in texts.items():
        for setting in option_text.options_named(text, name):
            if setting.broken:
                return f"{path}, line {setting.line}: {name} is continued across a comment"
    return ""


def places(texts: Texts, name: str) -> tuple[str, ...]:
    """Where the option is set, as ``FILE, line N``."""
    return tuple(
        f"{path}, line {each.line}"
        for path, text in texts.items()
        for each in option_text.options_named(text, name)
    )
