"""When nothing may be changed, and why."""

from __future__ import annotations

import os

from mailfix.apply.journal import Damaged, Journal, State
from mailfix.apply.store import Store
from mailfix.host import dpkg
from mailfix.model import Refusal


def require_root(command: str, to: str = "change this host") -> None:
    """Raises Refusal for anybody but root."""
    if os.geteuid() != 0:
        raise Refusal(f"only root can {to}; run: sudo mailfix {command}")


def require_quiet_dpkg() -> None:
    """Raises Refusal while packages are being installed or configured."""
    pid = dpkg.holder()
    if pid is not None:
        raise Refusal(f"dpkg is at work (pid {pid}): wait until it has finished")


def require_nothing_unfinished(store: Store) -> None:
    """Raises Refusal while an earlier transaction is stuck, interrupted or unconfirmed."""
    try:
        unfinished = store.unfinished()
    except Damaged as error:
        raise Refusal(
            f"the journal cannot be read: {error}; nothing is changed until it is"
        ) from None
    for journal in unfinished:
        raise Refusal(_what_to_do(journal))


def _what_to_do(journal: Journal) -> str:
    number = journal.plan.number
    if journal.state is State.UNCONFIRMED:
        return (
            f"transaction {number} waits for confirmation: run mailfix confirm to keep it, "
            "or mailfix undo to take it back"
        )
    if journal.state is State.STUCK:
        return (
            f"transaction {number} is stuck: mailfix history {number} tells why, "
            "mailfix recover tries again"
        )
    return f"transaction {number} was interrupted: run mailfix recover first"
