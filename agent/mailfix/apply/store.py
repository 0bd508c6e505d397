"""Where transactions are kept: one folder each, named by a counter, and one lock over all.

/var/lib/mailfix/lock                        who changes the host right now
/var/lib/mailfix/transactions/000001/journal
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from mailfix.apply.journal import Damaged, Journal, Plan, State
from mailfix.host import durable
from mailfix.model import Refusal

STATE_FOLDER = "/var/lib/mailfix"
_NUMBER = re.compile(r"[0-9]{6,}")
_UNFINISHED = frozenset({State.OPEN, State.UNCONFIRMED, State.STUCK})


class Held(Refusal):
    """Another process is changing this host; ``pid`` is its number, None where it is not told."""

    def __init__(self, text: str, pid: int | None) -> None:
        super().__init__(text)
        self.pid = pid


@dataclass(frozen=True, slots=True)
class Store:
    """The transactions under one state folder."""

    folder: str = STATE_FOLDER

    @property
    def _transactions(self) -> str:
        return os.path.join(self.folder, "transactions")

    def _journal_file(self, number: int) -> str:
        return os.path.join(self._transactions, f"{number:06d}", "journal")

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Be the only one who changes this host.

        Raises:
            Held: somebody else is; who.
            Refusal: the state folder cannot be made or written.
        """
        with ExitStack() as stack:
            lock = os.path.join(self.folder, "lock")
            try:
                self._make_folders()
                descriptor = stack.enter_context(durable.locked(lock))
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
            except BlockingIOError:
                pid = _holder(lock)
                who = f"another mailfix (pid {pid})" if pid else "another mailfix"
                raise Held(f"{who} is changing this host: wait for it", pid) from None
            except OSError as error:
                reason = f"{error.filename or lock}: {error.strerror}"
                raise Refusal(f"nothing can be kept in {self.folder}: {reason}") from None
            yield

    def _make_folders(self) -> None:
        for folder in (self.folder, self._transactions):
            durable.make_folder(folder)

    def numbers(self) -> list[int]:
        """The numbers of all transactions that are kept, the oldest first."""
        try:
            names = os.listdir(self._transactions)
        except FileNotFoundError:
            return []
        return sorted(int(name) for name in names if _NUMBER.fullmatch(name))

    def next_number(self) -> int:
        return max(self.numbers(), default=0) + 1

    def begin(self, plan: Plan) -> Journal:
        """Open the journal of a new transaction; raises OSError."""
        file = self._journal_file(plan.number)
        durable.make_folder(os.path.dirname(file))
        return Journal.begin(file, plan)

    def read(self, number: int) -> Journal | None:
        """None where there is none, or nothing of it was ever done; raises Damaged."""
        return Journal.read(self._journal_file(number), number)

    def journals(self) -> Iterator[Journal]:
        """All that are kept, the newest first; raises Damaged."""
        for number in reversed(self.numbers()):
            journal = self.read(number)
            if journal is not None:
                yield journal

    def unfinished(self) -> list[Journal]:
        """Those that were interrupted, wait for confirmation or are stuck; raises Damaged."""
        return [each for each in self.journals() if each.state in _UNFINISHED]

    def forget_old(self, keep: int) -> None:
        """Remove the oldest finished transactions beyond ``keep``; never the newest one."""
        for number in self.numbers()[: -max(keep, 1)]:
            with contextlib.suppress(Damaged, OSError):
                journal = self.read(number)
                if journal is None or journal.state not in _UNFINISHED:
                    shutil.rmtree(os.path.join(self._transactions, f"{number:06d}"))


def _holder(lock: str) -> int | None:
    try:
        with open(lock, "rb") as file:
            return int(file.read(20))
    except (OSError, ValueError):
        return None
