"""Checks of exim's configuration."""

from __future__ import annotations

from collections.abc import Iterator

from mailfix.facts import MailDomains, Validity
from mailfix.predicates.answer import Answer, Words, failed, passed

MAX_NAMES = 10


def configuration_valid(exim_validity: tuple[Validity, ...]) -> Iterator[Answer]:
    """Exim accepts its configuration, and the one that the next restart will make."""
    for verdict in exim_validity:
        words = {"when": verdict.when, "file": verdict.file, "complaint": verdict.complaint}
        if verdict.valid:
            yield passed({"when": verdict.when}, words)
        else:
            yield failed({"when": verdict.when}, words)


def domains_known(domains: MailDomains | None) -> Iterator[Answer]:
    """The mail server accepts mail for at least one domain; says for which.

    Silent of a host that only passes mail on.
    """
    if domains is None or (domains.relayed and not domains.names):
        return
    words: Words = {"domains": _counted(domains), "source": domains.source}
    if domains.names or domains.unread:
        yield passed({}, words, domains.unread)
    else:
        yield failed({}, words, (f"the list: {domains.source}",))


def _counted(domains: MailDomains) -> str:
    if not domains.names:
        return f"the domains that it looks up in {domains.source}"
    number = len(domains.names)
    least = "at least " if domains.unread else ""
    shown = ", ".join(domains.names[:MAX_NAMES]) + (", ..." if number > MAX_NAMES else "")
    return f"{least}{number} {'domain' if number == 1 else 'domains'}: {shown}"
