"""What a predicate says about one subject."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mailfix.model import Status, Subject


@dataclass(frozen=True, slots=True)
class Answer:
    """``words`` fill in the rule's messages; ``reason`` is given with unknown only.

    ``advice`` and ``fixable`` let one rule answer differently from subject to subject: advice in
    place of the rule's own, and a failure that the rule's action does not cure.
    """

    status: Status
    subject: Subject
    words: Mapping[str, str | int] = field(default_factory=dict)
    evidence: tuple[str, ...] = ()
    reason: str = ""
    advice: str | None = None
    fixable: bool = True


def passed(subject: Subject, evidence: tuple[str, ...] = (), **words: str | int) -> Answer:
    return Answer(Status.PASS, subject, words, evidence)


def failed(subject: Subject, evidence: tuple[str, ...] = (), **words: str | int) -> Answer:
    return Answer(Status.FAIL, subject, words, evidence)


def unknown(subject: Subject, reason: str, evidence: tuple[str, ...] = ()) -> Answer:
    return Answer(Status.UNKNOWN, subject, {}, evidence, reason)
