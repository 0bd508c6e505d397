"""What a predicate says about one subject."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from mailfix.model import Status, Subject

Words: TypeAlias = Mapping[str, str | int]
Evidence: TypeAlias = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """``words`` fill in the rule's messages; ``reason`` is given with unknown only.

    ``advice`` and ``fixable`` let one rule answer differently from subject to subject: advice in
    place of the rule's own, and a failure that the rule's action does not cure.
    """

    status: Status
    subject: Subject
    words: Words = field(default_factory=dict)
    evidence: Evidence = ()
    reason: str = ""
    advice: str | None = None
    fixable: bool = True


def passed(subject: Subject, words: Words | None = None, evidence: Evidence = ()) -> Answer:
    return Answer(Status.PASS, subject, words or {}, evidence)


def failed(
    subject: Subject,
    words: Words | None = None,
    evidence: Evidence = (),
    *,
    advice: str | None = None,
    fixable: bool = True,
) -> Answer:
    return Answer(Status.FAIL, subject, words or {}, evidence, advice=advice, fixable=fixable)


def unknown(subject: Subject, reason: str, evidence: Evidence = ()) -> Answer:
    return Answer(Status.UNKNOWN, subject, {}, evidence, reason)
