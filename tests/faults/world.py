"""A host in a folder, its transactions beside it, and whoever works on it."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from select import select

from mailfix.apply.journal import Journal
from mailfix.apply.store import Store
from mailfix.changes.file import FileChange
from tests.faults import subject, worker
from tests.faults.subject import Snapshot

CHECKOUT = Path(__file__).resolve().parents[2]
PATIENCE_S = 60
COME_AND_GO = ("created.conf", "removed.conf")


class Nursery:
    """Gives birth to processes that have imported everything; see :mod:`tests.faults.worker`."""

    def __init__(self) -> None:
        where = {"PYTHONPATH": f"{CHECKOUT / 'agent'}:{CHECKOUT}", "PYTHONDONTWRITEBYTECODE": "1"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.worker"],
            cwd=CHECKOUT,
            env={**os.environ, **where},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()

    def run(self, command: str, folder: Path, strace: Sequence[str]) -> int:
        """Have the command done in the folder under strace; returns the exit status."""
        (folder / "go").unlink(missing_ok=True)
        os.mkfifo(folder / "go")
        (folder / "told").unlink(missing_ok=True)
        self._say(f"{command} {folder}\n")
        pid = self._number()
        with subprocess.Popen([*strace, "-p", str(pid)], start_new_session=True):
            try:
                _wait_until_traced(pid)
                _let_go(folder / "go")
                return self._number()
            except BaseException:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                self._number()
                raise

    def _say(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line)

    def _number(self) -> int:
        assert self._process.stdout is not None
        if not select([self._process.stdout], [], [], PATIENCE_S)[0]:
            raise TimeoutError("the process does not end")
        return int(self._process.stdout.readline())


def _wait_until_traced(pid: int) -> None:
    since = time.monotonic()
    while "TracerPid:\t0\n" in Path(f"/proc/{pid}/status").read_text():
        if time.monotonic() - since > PATIENCE_S:
            raise TimeoutError(f"strace does not attach to {pid}")
        time.sleep(0.001)


def _let_go(fifo: Path) -> None:
    """Open it as soon as somebody waits there (fifo(7): ENXIO while nobody does)."""
    since = time.monotonic()
    while True:
        try:
            os.close(os.open(fifo, os.O_WRONLY | os.O_NONBLOCK))
            return
        except OSError as error:
            if error.errno != errno.ENXIO or time.monotonic() - since > PATIENCE_S:
                raise
        time.sleep(0.001)


@dataclass(frozen=True, slots=True)
class Run:
    """How a process ended: what it said, "" where it was killed first."""

    told: str
    log: str

    @property
    def hit(self) -> bool:
        """Whether the fault took place."""
        return "(INJECTED)" in self.log or "+++ killed by SIGKILL" in self.log


@dataclass(frozen=True, slots=True)
class World:
    """``folder`` holds everything: paths in journals are absolute, so it is set up in place."""

    folder: Path
    nursery: Nursery

    @property
    def host(self) -> Path:
        return self.folder / "now" / "host"

    @property
    def state(self) -> Path:
        return self.folder / "now" / "state"

    @property
    def store(self) -> Store:
        return Store(str(self.state))

    def build(self) -> None:
        """The host as it is before anything."""
        self._clear()
        subject.build(self.host)

    def keep(self, name: str) -> None:
        """Remember everything as it is now."""
        self._copy(self.folder / "now", self.folder / name)

    def back_to(self, name: str) -> None:
        """Have everything as it was remembered."""
        self._clear()
        self._copy(self.folder / name, self.folder / "now")

    def _clear(self) -> None:
        shutil.rmtree(self.folder / "now", ignore_errors=True)

    def _copy(self, source: Path, target: Path) -> None:
        subprocess.run(["cp", "--archive", str(source), str(target)], check=True)

    def snapshot(self) -> Snapshot:
        return subject.snapshot(self.host)

    def do(self, command: str) -> str:
        """Do it here and now, with no fault; how it ended."""
        return worker.run(command, self.state, self.host)

    def paths(self) -> list[str]:
        """Every path that a transaction may touch, be it there or not."""
        transactions = self.state / "transactions"
        folders = [self.state.parent, self.state, transactions, self.host, self.host / "elsewhere"]
        journals = [transactions / f"{number:06d}" for number in (1, 2, 3)]
        files = [folder / "journal" for folder in journals]
        files += [self.state / "lock", self.folder / "said"]
        for path in {*self.host.rglob("*"), *(self.host / name for name in COME_AND_GO)}:
            files += [path, path.with_name(f".{path.name}.mailfix-new")]
        return [str(path) for path in folders + journals + files if not path.is_symlink()]

    def run(self, command: str, injection: str, *, everywhere: bool = False) -> Run:
        """Do it in a process of its own under strace(1), with a fault injected.

        On the paths of this world alone, unless ``everywhere``.
        """
        calls = injection.partition("=")[2].partition(":")[0]
        paths = [] if everywhere else self.paths()
        return self._traced(command, paths, [f"--trace={calls}", "-e", injection])

    def record(self, command: str, calls: str, injection: str = "") -> str:
        """Do it in a process of its own: what strace(1) saw of it on files, in full."""
        others = {str(self.host / "switch"), str(self.host / "state"), str(self.folder / "said")}
        paths = [path for path in self.paths() if path not in others]
        fault = ["-e", injection] if injection else []
        return self._traced(command, paths, [f"--trace={calls}", "-s", "1000000", *fault]).log

    def _traced(self, command: str, paths: Sequence[str], options: Sequence[str]) -> Run:
        log = self.folder / "strace.log"
        only = [word for path in paths for word in ("-P", path)]
        strace = ["strace", "-f", "-q", "-o", str(log), *only, *options]
        status = self.nursery.run(command, self.folder, strace)
        killed = status == -signal.SIGKILL
        assert killed or status == 0, (self.folder / "said").read_text("utf-8", "replace")
        told = "" if killed else (self.folder / "told").read_text("utf-8")
        return Run(told, log.read_text("latin-1"))

    def newest(self) -> Journal | None:
        """The journal of the last transaction that did anything."""
        return next(self.store.journals(), None)

    def saved(self) -> dict[str, bytes]:
        """The content that the newest journal keeps of each file, by its path on the host."""
        journal = self.newest()
        changes = journal.plan.changes if journal is not None else ()
        files = [each for each in changes if isinstance(each, FileChange)]
        return {
            str(Path(each.path).relative_to(self.host)): each.before.data if each.before else b""
            for each in files
        }
