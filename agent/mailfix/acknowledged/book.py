"""Where acknowledgements are kept: one JSON file, as ``mailfix.acknowledged/1``."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import Any

from mailfix.comparison.acknowledgement import Acknowledgement
from mailfix.host import durable
from mailfix.host.files import read_text
from mailfix.model import Refusal, Subject, Unknown

_ANEW = "remove it and run 'mailfix ignore' again"
SCHEMA = "mailfix.acknowledged/1"
FILE = "/var/lib/mailfix/acknowledged.json"


class Damaged(Refusal):
    """The file cannot be used; says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Book:
    """The file with all acknowledgements, those that have ended among them."""

    file: str = FILE

    def read(self) -> tuple[Acknowledgement, ...]:
        """Raises :class:`Damaged`; where there is no file, there are none."""
        text = read_text(self.file)
        if isinstance(text, Unknown):
            raise Damaged(f"what is ignored for a while is not known: {text.reason}; {_hint()}")
        if text.value is None:
            return ()
        try:
            return decode(json.loads(text.value))
        except (ValueError, KeyError, TypeError, RecursionError):
            raise Damaged(
                f"what is ignored for a while is not known: {self.file} is damaged; {_ANEW}"
            ) from None

    def write(self, entries: Sequence[Acknowledgement]) -> None:
        """Raises :class:`mailfix.model.Refusal` where the disk does not take it."""
        with durable.keeping(self.file):
            durable.keep(self.file, json.dumps(encode(entries), indent=1) + "\n")

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Be the only one who changes it, once others are done.

        Raises :class:`mailfix.model.Refusal` where nothing can be written there.
        """
        with durable.alone(f"{self.file}.lock", os.path.dirname(self.file)):
            yield


THIS_HOST = Book()


def _hint() -> str:
    return _ANEW if os.geteuid() == 0 else "run it as root"


def encode(entries: Sequence[Acknowledgement]) -> dict[str, Any]:
    """Return plain values, as JSON has them."""
    plain = [
        {
            "rule": each.rule,
            "subject": dict(each.subject),
            "until": each.until.isoformat(),
            "why": each.why,
        }
        for each in entries
    ]
    return {"schema": SCHEMA, "entries": plain}


def decode(content: Any) -> tuple[Acknowledgement, ...]:
    """Read what :func:`encode` returned; raises ValueError, KeyError or TypeError."""
    if content["schema"] != SCHEMA or not isinstance(content["entries"], list):
        raise ValueError
    return tuple(
        Acknowledgement(
            rule=_text(each["rule"]),
            subject=_subject(each["subject"]),
            until=date.fromisoformat(_text(each["until"])),
            why=_text(each["why"]),
        )
        for each in content["entries"]
    )


def _subject(value: Any) -> Subject:
    if not isinstance(value, dict):
        raise TypeError
    return {key: _text(each) for key, each in value.items()}


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value
