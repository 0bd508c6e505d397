"""Lists in settings of the form ``NAME = "20,25:30,80"``, as csf.conf has them."""

from __future__ import annotations

import re


def with_item(text: str, name: str, item: str) -> str | None:
    """The text with one more item in the setting; None where there is no such setting.

    Of several it is the last one that counts.
    """
    pattern = re.compile(rf'^([ \t]*{re.escape(name)}[ \t]*=[ \t]*")([^"\n]*)(")', re.MULTILINE)
    found = list(pattern.finditer(text))
    if not found:
        return None
    last = found[-1]
    items = [each.strip() for each in last[2].split(",")]
    if item in items:
        return text
    listed = f"{last[2].rstrip()},{item}" if last[2].strip() else item
    return f"{text[: last.start(2)]}{listed}{text[last.end(2) :]}"
