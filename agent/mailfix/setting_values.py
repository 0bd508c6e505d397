"""Single values of the configuration file: each is read, or refused in one line with its place."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeAlias

from mailfix.model import Refusal
from mailfix.yaml_text import shown

HOST_NAME = re.compile(r"(?=.{1,253}$)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})+", re.IGNORECASE)
Reader: TypeAlias = Callable[[Any, str], Any]
"""Takes what stands in the file and where it stands; raises :class:`mailfix.model.Refusal`."""


def whole(low: int, high: int) -> Callable[[Any, str], int]:
    """A reader of whole numbers within these bounds."""

    def read(value: Any, where: str) -> int:
        if type(value) is not int or not low <= value <= high:
            raise Refusal(f"{where}: expected a whole number from {low} to {high}")
        return value

    return read


def server(value: Any, where: str) -> str:
    """An address or a host name, in its usual form; raises :class:`mailfix.model.Refusal`."""
    name = value.removesuffix(".") if isinstance(value, str) else ""
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        pass
    if not HOST_NAME.fullmatch(name):
        raise Refusal(f"{where}: {shown(value)} is neither an address nor a host name")
    return name.lower()


def path(value: Any, where: str) -> str:
    """An absolute path; raises :class:`mailfix.model.Refusal`."""
    if not isinstance(value, str) or not value.startswith("/") or not value.isprintable():
        raise Refusal(f"{where}: expected a path that begins with /")
    return value


def block(
    value: Any, where: str, readers: Mapping[str, Reader], required: Collection[str] = ()
) -> dict[str, Any]:
    """The values of a mapping with no other keys than those that have a reader.

    Raises :class:`mailfix.model.Refusal`.
    """
    if not isinstance(value, dict):
        raise Refusal(f"{where}: expected a block with {', '.join(required or readers)}")
    for key in value:
        if key not in readers:
            raise Refusal(f"{where}: unknown key {shown(key)}; known: {', '.join(readers)}")
    for key in required:
        if key not in value:
            raise Refusal(f"{where}: {key} is missing")
    return {key: readers[key](each, f"{where}: {key}") for key, each in value.items()}
