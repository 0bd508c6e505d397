"""Where the processes come from that are hit by faults.

``python -m tests.faults.worker`` imports everything once and then reads lines from its input,
``COMMAND FOLDER``. For each it forks a process, prints its number, and its exit status when it has
ended. That process waits for whoever writes to the FIFO ``go`` in the folder, does what the command
says to the world there, and leaves in the file ``told`` how that ended: made, taken back, stuck, or
refused where nothing was begun.
"""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path

from mailfix.apply import recovery, undo
from mailfix.apply.journal import Plan
from mailfix.apply.store import Store
from mailfix.apply.transaction import End, carry_out
from mailfix.changes import Change, Failed
from mailfix.host import boot
from mailfix.model import Refusal
from tests.faults import subject

REFUSED = "refused"
NOTHING = "nothing"


def tell(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def plan(store: Store, changes: tuple[Change, ...], undoes: int | None = None) -> Plan:
    return Plan(
        number=store.next_number(),
        boot=boot.identity(),
        started="2026-11-22T10:00:00Z",
        titles=("a fault was found",),
        changes=changes,
        undoes=undoes,
    )


def fix(store: Store, host: Path) -> str:
    if store.unfinished():
        return REFUSED
    journal = store.begin(plan(store, subject.changes(host)))
    return carry_out(journal, tell).end.value


def undo_last(store: Store, host: Path) -> str:
    if store.unfinished():
        return REFUSED
    earlier = undo.subject(store, None)
    wanted = plan(store, undo.inverses(earlier), earlier.plan.number)
    journal = store.begin(wanted)
    outcome = carry_out(journal, tell)
    recovery.note_undone(store, journal)
    return outcome.end.value


def recover(store: Store) -> str:
    """Take back what was interrupted or is stuck, as ``mailfix recover`` does."""
    ends = [outcome.end for outcome in recovery.recover(store, tell)]
    if not ends:
        return NOTHING
    return End.STUCK.value if End.STUCK in ends else ends[0].value


COMMANDS = {"fix": fix, "undo": undo_last}


def run(command: str, state: Path, host: Path) -> str:
    """Do it in this process; raises OSError where the state folder cannot be worked with."""
    subject.register()
    store = Store(str(state))
    try:
        if command == "recover":
            return recover(store)
        with store.locked():
            return COMMANDS[command](store, host)
    except (Refusal, Failed):
        return REFUSED


def fork(command: str, folder: Path) -> int:
    """Give the number of the process that will do it.

    Whatever it needs of the files that are hit is open before it is born: however late it comes to
    wait, it calls nothing until then that a fault could hit.
    """
    said = os.open(folder / "said", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    pid = os.fork()
    if pid == 0:
        try:
            _work(command, folder, said)
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
            os._exit(1)
        os._exit(0)
    os.close(said)
    return pid


def _work(command: str, folder: Path, said: int) -> None:
    os.dup2(said, sys.stderr.fileno())
    (folder / "go").read_bytes()
    try:
        end = run(command, folder / "now" / "state", folder / "now" / "host")
    except OSError as error:
        end = f"{REFUSED}: {error.strerror}"
    (folder / "told").write_text(end)


def main() -> None:
    for line in sys.stdin:
        command, folder = line.split()
        pid = fork(command, Path(folder))
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()
        _, status = os.waitpid(pid, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
