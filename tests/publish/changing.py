"""Changes of record sets as an action plans them, and what the servers hold."""

from __future__ import annotations

import time
from itertools import count

from mailfix.apply.journal import Journal, Plan
from mailfix.apply.store import Store
from mailfix.changes import Change
from mailfix.changes.record_set import RecordSetChange, check_place, planned, present, replaced
from mailfix.host import boot
from mailfix.host.dns_update import Primary, Records
from mailfix.mail_records.proposal import ProposedSet
from tests.publish.rig import ZONE, Served

SPF = "v=spf1 ip4:192.0.2.25 mx -all"
PATIENCE_S = 5
numbers = count()


def quiet(line: str) -> None:
    return


def change_to(served: Served, wanted: ProposedSet, patience_s: int = PATIENCE_S) -> RecordSetChange:
    """What publishes ``wanted``, planned as an action plans it."""
    check_place(served.account, wanted.name)
    now = present(served.account, wanted.name, wanted.type)
    after = replaced(now, wanted)
    assert after is not None
    change = RecordSetChange(served.account, wanted.name, wanted.type, now, after, (), patience_s)
    return planned(change)[0]


def new_set(primary: Primary, name: str) -> RecordSetChange:
    return RecordSetChange(
        primary, name, "TXT", Records(), Records((f'"{SPF}"',), 600), (), PATIENCE_S
    )


def begin(store: Store, *changes: Change, boot_id: str = "") -> Journal:
    identity = boot_id or boot.identity()
    return store.begin(Plan(store.next_number(), identity, "", ("a test",), changes))


def everywhere(served: Served, name: str) -> list[list[tuple[int, str]] | None]:
    return [each.texts(name) for each in (served.primary, served.secondary)]


def settle(served: Served) -> None:
    """Wait until the secondary has followed."""
    until = time.monotonic() + 10
    mark = f"mark{next(numbers)}.{ZONE}"
    served.change(mark, '"here"')
    while not served.secondary.texts(mark):
        assert time.monotonic() < until
        time.sleep(0.05)
