"""One fault at every point of a process's way, and the invariant after each.

As before, or as planned, or stuck with everything saved and further fixes refused; and after a
recovery that nothing disturbs, as before or as planned.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mailfix.apply.journal import State
from mailfix.apply.transaction import End
from tests.faults.subject import NOTHING, Snapshot, without_times
from tests.faults.tally import Tally, Verdict
from tests.faults.worker import REFUSED
from tests.faults.world import World

MOST = 400
"""Points of one kind on one way: more means that it never went through unharmed."""


@dataclass(frozen=True, slots=True)
class Fault:
    """``calls`` as strace(1) names them, ``deed`` what happens instead; or from then on."""

    calls: str
    deed: str
    lasting: bool = False
    everywhere: bool = False

    def __str__(self) -> str:
        return f"{self.calls}-{self.deed.partition('=')[2]}{'-lasting' if self.lasting else ''}"

    def at(self, number: int) -> str:
        return f"inject={self.calls}:{self.deed}:when={number}{'+' if self.lasting else ''}"


def kill(calls: str, *, everywhere: bool = False) -> Fault:
    return Fault(calls, "signal=KILL", everywhere=everywhere)


def fail(calls: str, error: str, *, lasting: bool = False, everywhere: bool = False) -> Fault:
    return Fault(calls, f"error={error}", lasting, everywhere)


KILLS = tuple(
    kill(calls)
    for calls in (
        "write",
        "fsync",
        "openat",
        "rename",
        "unlink",
        "mkdir",
        "fchown",
        "fchmod",
        "utimensat",
        "fsetxattr",
    )
)
ERRORS = (
    *(fail("write,pwrite64", error) for error in ("ENOSPC", "EIO", "EINTR")),
    *(fail("fsync", error) for error in ("EIO", "ENOSPC", "EINTR")),
    *(fail("openat", error) for error in ("EROFS", "ENOSPC", "EMFILE", "EINTR")),
    *(fail("rename", error) for error in ("EIO", "ENOSPC")),
    *(fail("unlink", error) for error in ("EROFS", "EIO")),
    *(fail("mkdir", error) for error in ("ENOSPC", "EROFS")),
    *(fail("fchown,fchmod,utimensat,fsetxattr", error) for error in ("EPERM", "EIO")),
    *(fail("read,flistxattr,fgetxattr", error) for error in ("EIO",)),
    fail("flock", "ENOLCK"),
)
LASTING = (
    fail("write,pwrite64", "ENOSPC", lasting=True),
    fail("fsync", "EIO", lasting=True),
    fail("openat,rename,unlink,mkdir", "EROFS", lasting=True),
    fail("rename", "EIO", lasting=True),
)
STARTS = (
    kill("vfork,clone,clone3", everywhere=True),
    *(
        fail("vfork,clone,clone3", error, lasting=lasting, everywhere=True)
        for error in ("EAGAIN", "ENOMEM")
        for lasting in (False, True)
    ),
    kill("execve"),
    fail("execve", "ENOENT"),
    fail("execve", "EIO", lasting=True),
    fail("pipe2", "EMFILE", everywhere=True),
    kill("pipe2", everywhere=True),
)


@dataclass(frozen=True, slots=True)
class Way:
    """What is done, and what the host may look like then.

    ``command`` is run in the world that was kept as ``start``, and works on the ``transaction`` of
    this number. ``ends`` are the snapshots by what the process may say, the one of an unharmed run
    first; ``saved`` is what the journal keeps of the files. After a recovery the host is like
    ``reached`` where the transaction is finished, like ``left`` where it is not.
    """

    world: World
    transaction: int
    start: str
    command: str
    ends: Mapping[str, Snapshot]
    saved: Snapshot
    left: Snapshot
    reached: Snapshot

    def sweep(self, fault: Fault, counted: Tally, *, stride: int = 1) -> None:
        """Hit the process at each ``stride``-th point until it goes through unharmed."""
        number = 1
        while self.hit(fault, number, counted):
            number += stride
            assert number < MOST, f"{fault} hits {self.command} for ever"

    def hit(self, fault: Fault, number: int, counted: Tally) -> bool:
        """Whether there was anything to hit."""
        self.world.back_to(self.start)
        run = self.world.run(self.command, fault.at(number), everywhere=fault.everywhere)
        verdict = self._judged(run.told)
        self._recovers()
        if run.hit:
            counted[verdict] += 1
        else:
            assert verdict is self._unharmed, run.told
        return run.hit

    @property
    def _unharmed(self) -> Verdict:
        return _VERDICTS[next(iter(self.ends))]

    def _judged(self, told: str) -> Verdict:
        """Hold what the process left against what it said."""
        word = told.partition(":")[0]
        verdict = _VERDICTS[word]
        if word in self.ends:
            assert differences(self.world.snapshot(), self.ends[word]) == []
        else:
            self._is_saved()
        return verdict

    def _is_saved(self) -> None:
        """All can be had from the journal, and nobody builds upon what is there."""
        if not self.world.store.unfinished():
            self._is_settled()
            return
        for path, saved in self.world.saved().items():
            assert saved == self.saved.get(path, NOTHING).content
        assert self.world.do("fix") == REFUSED

    def _recovers(self) -> None:
        assert self.world.do("recover") != End.STUCK
        assert not self.world.store.unfinished()
        self._is_settled()

    def _is_settled(self) -> None:
        journal = self.world.store.read(self.transaction)
        finished = journal is not None and journal.state is State.FINISHED
        wanted = self.reached if finished else self.left
        assert differences(self.world.snapshot(), wanted) == []


_VERDICTS = {
    "made": Verdict.AS_PLANNED,
    "taken back": Verdict.AS_BEFORE,
    REFUSED: Verdict.AS_BEFORE,
    "stuck": Verdict.STUCK,
    "": Verdict.INTERRUPTED,
}


def differences(now: Snapshot, wanted: Snapshot) -> list[str]:
    """What is not as wanted; times count where the wanted one has them."""
    if not any(entry.modified_ns for entry in wanted.values()):
        now = without_times(now)
    paths = sorted({*now, *wanted})
    return [
        f"{path}: {str(now.get(path))[:200]}, not {str(wanted.get(path))[:200]}"
        for path in paths
        if now.get(path) != wanted.get(path)
    ]


def fixing(world: World) -> Way:
    """From a host before anything to one that is changed."""
    world.build()
    original = world.snapshot()
    world.keep("original")
    assert world.do("fix") == "made"
    changed = without_times(world.snapshot())
    assert changed != without_times(original)
    world.keep("changed")
    ends = {"made": changed, "taken back": original, REFUSED: original}
    return Way(world, 1, "original", "fix", ends, original, original, changed)


def undoing(world: World) -> Way:
    """And the way back, in a transaction of its own."""
    forth = fixing(world)
    original, changed = forth.left, forth.reached
    ends = {"made": original, "taken back": changed, REFUSED: changed}
    return Way(world, 2, "changed", "undo", ends, changed, changed, original)


def recovering(world: World, fault: Fault, number: int) -> Way:
    """What a process left that was hit there."""
    forth = fixing(world)
    world.back_to("original")
    world.run("fix", fault.at(number), everywhere=fault.everywhere)
    assert world.store.unfinished()
    world.keep("interrupted")
    left = world.snapshot()
    ends = {"taken back": forth.left, REFUSED: left}
    return Way(world, 1, "interrupted", "recover", ends, forth.left, forth.left, forth.reached)
