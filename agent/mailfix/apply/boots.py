"""What a reboot means for a transaction that was made before it."""

from __future__ import annotations

from mailfix.apply.journal import Plan
from mailfix.changes import Change, Present, Seen
from mailfix.host import boot


def is_of_another_boot(plan: Plan) -> bool:
    """Whether the host is known to have been restarted since."""
    now = boot.identity()
    return bool(now) and bool(plan.boot) and plan.boot != now


def is_gone(plan: Plan, change: Change, seen: Seen) -> bool:
    """Whether what a change left in the kernel or a process went with its boot.

    What a later boot has made of it instead is nobody's change to be taken back.
    """
    lived = seen.present is Present.OTHER and not change.survives_boot
    return lived and is_of_another_boot(plan)
