"""Checks of exim's configuration."""

from __future__ import annotations

from collections.abc import Iterator

from mailfix.facts import Validity
from mailfix.predicates.answer import Answer, failed, passed


def configuration_valid(exim_validity: tuple[Validity, ...]) -> Iterator[Answer]:
    """Exim accepts its configuration, and the one that the next restart will make."""
    for verdict in exim_validity:
        words = {"when": verdict.when, "file": verdict.file, "complaint": verdict.complaint}
        if verdict.valid:
            yield passed({"when": verdict.when}, words)
        else:
            yield failed({"when": verdict.when}, words, (verdict.complaint,))
