"""A finding's subject in one line."""

from __future__ import annotations

from mailfix.model import Subject
from mailfix.report.escape import clip, escape

MAX_SUBJECT = 200


def flat(subject: Subject) -> str:
    """A subject in one line, for example ``family=ipv4 port=25``."""
    return clip(escape(" ".join(f"{key}={subject[key]}" for key in sorted(subject))), MAX_SUBJECT)
