"""A booted host that is broken, and mailfix's commands, hit there at one system call of theirs."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from tests.faults.sweep import Fault, kill
from tests.faults.tally import Verdict
from tests.lab.mailhost import MailHost
from tests.lab.present import Present

COUNTED = ("fsync", "rename", "vfork", "pipe2")
"""Where a command is hit: the calls with which it changes the host, or has others change it."""
LOG = "/run/strace.log"
LIVE = """
systemctl is-active exim4 dovecot || true
systemctl is-enabled exim4 || true
hostname
ss -Hltn | awk '{print $4}' | sort
"""
_KILLED = (-signal.SIGKILL, 128 + signal.SIGKILL)
_REFUSED = 64
_TIME = re.compile(r" \d+\.\d+$")


@dataclass(frozen=True, slots=True)
class Look:
    """Files, rules, and what runs."""

    present: Present
    live: str

    @classmethod
    def at(cls, host: MailHost) -> Look:
        return cls(Present.of(host), host.sh(LIVE))

    def difference(self, other: Look) -> list[str]:
        found = self.present.difference(other.present)
        return found if self.live == other.live else [*found, f"{self.live} became {other.live}"]

    def without_times(self) -> Look:
        files = frozenset(_TIME.sub("", line) for line in self.present.files)
        return replace(self, present=replace(self.present, files=files))


@dataclass(frozen=True, slots=True)
class Points:
    """Where a command can be hit: its calls of each kind, numbered in their thread, from the moment
    at which its journal is begun until nothing more is flushed. ``all_done`` is the flush after
    which the journal knows of every change that it is made, and not that it was the last one."""

    numbers: Mapping[str, range]
    all_done: int

    @classmethod
    def of(cls, log: str) -> Points:
        """What strace -f -y has seen of a command that went through."""
        lines = log.splitlines()
        own = [line for line in lines if line.split()[0] == lines[0].split()[0]]
        own = [line for line in own if "pycache" not in line]
        journal = [number for number, line in enumerate(own) if "/journal>" in line]
        flushes = [number for number, line in enumerate(own) if " fsync(" in line]
        before, until = own[: journal[0]], own[: flushes[-1] + 1]
        numbers = {
            each: range(1 + _count(each, before), 1 + _count(each, until)) for each in COUNTED
        }
        *_, all_done, _ = (1 + n for n, at in enumerate(flushes) if at in journal)
        return cls(numbers, all_done)


def _count(call: str, lines: list[str]) -> int:
    """Calls of several threads overlap in the log: each begins in one line of its own."""
    return sum(bool(re.match(rf"[0-9]+ +{call}\(", line)) for line in lines)


@dataclass(frozen=True, slots=True)
class Way:
    """A command, and what brings the host to where it begins; that gives how the host looks then,
    if nothing comes of the command."""

    name: str
    words: tuple[str, ...]
    begin: Callable[[Patient], Look]

    def __str__(self) -> str:
        return self.name


@dataclass(slots=True)
class Patient:
    """A broken host. ``rule`` is the one that fails there; ``fixed`` is how the host looks when it
    is cured, but for the times of files; ``now`` is the last look at it."""

    host: MailHost
    rule: str
    broken: Look
    fixed: Look
    now: Look
    _points: dict[str, Points] = field(default_factory=dict)

    @classmethod
    def examined(cls, host: MailHost, rule: str) -> Patient:
        """Fix it once, to see what that leads to, and take that back."""
        broken = Look.at(host)
        patient = cls(host, rule, broken, broken, broken)
        # The first run keeps its bytecode, with renames of its own.
        host.run([*patient.command(FIX), "--dry-run"], timeout=120)
        patient.count(FIX)
        patient.fixed = patient.now.without_times()
        patient.be_broken()
        return patient

    def command(self, way: Way) -> list[str]:
        return ["mailfix", *way.words, *(["--only", self.rule] if way is FIX else [])]

    def trace(self, way: Way, *options: str) -> subprocess.CompletedProcess[str]:
        """The command under strace, which keeps in the log what it saw and ends likewise."""
        strace = ["strace", "-f", "-q", "-o", LOG, *options]
        return self.host.run([*strace, *self.command(way)], timeout=240)

    def count(self, way: Way) -> None:
        """Let the command go through unharmed, and see where it could be hit."""
        way.begin(self)
        done = self.trace(way, "--seccomp-bpf", "-y", f"--trace=write,{','.join(COUNTED)}")
        assert _end(done) in ("made", "taken back"), done
        self._points[way.name] = Points.of(self.host.read(LOG))
        self.now = Look.at(self.host)

    def points(self, way: Way) -> Points:
        if way.name not in self._points:
            self.count(way)
        return self._points[way.name]

    def do(self, way: Way) -> None:
        done = self.host.run(self.command(way), timeout=120)
        assert _end(done) == "made", done
        self.now = Look.at(self.host)

    def be_broken(self) -> Look:
        if self.now != self.broken:
            self.do(UNDO)
            assert self.broken.difference(self.now) == []
        return self.broken

    def be_fixed(self) -> Look:
        if self.now == self.broken:
            self.do(FIX)
        assert self._is_fixed()
        return self.now

    def be_interrupted(self) -> Look:
        """A fix that had done everything, and was killed before it could say so."""
        self.be_broken()
        killing = kill("fsync").at(self.points(FIX).all_done)
        done = self.struck(FIX, "fsync", killing)
        assert done.returncode in _KILLED, done
        return self.broken

    def _is_fixed(self) -> bool:
        return self.fixed.difference(self.now.without_times()) == []

    def _is_planned(self, way: Way) -> bool:
        return self._is_fixed() if way is FIX else self.now == self.broken

    def hit(self, way: Way, fault: Fault, number: int) -> Verdict:
        """Hit the command there; afterwards, and after a recovery that nothing disturbs, the host
        is as before, or as planned, and as the command has said."""
        before = way.begin(self)
        done = self.struck(way, fault.calls, fault.at(number), fault.deed.startswith("error"))
        told = _end(done)
        if told == "stuck":
            self.see_refused()
        self.recover()
        difference = before.difference(self.now)
        about = "\n".join([f"{way} {fault} {number}: {told}", *difference])
        assert not difference or self._is_planned(way), about
        if told == "stuck":
            return Verdict.STUCK
        if done.returncode in _KILLED or (way is RECOVER and not told):
            return Verdict.AS_PLANNED if difference else Verdict.INTERRUPTED
        assert bool(difference) is (told == "made"), about
        return Verdict.AS_PLANNED if difference else Verdict.AS_BEFORE

    def struck(
        self, way: Way, calls: str, deed: str, fast: bool = False
    ) -> subprocess.CompletedProcess[str]:
        """``fast``: the kernel filters the calls, which hinders signals from being injected."""
        filtering = ["--seccomp-bpf"] if fast else []
        done = self.trace(way, *filtering, f"--trace={calls}", "-e", deed)
        assert re.search(r"\(INJECTED\)|killed by SIGKILL", self.host.read(LOG)), (way, deed)
        return done

    def see_refused(self) -> None:
        """While one is stuck no other fix begins, and the administrator is told what to do."""
        done = self.host.run(self.command(FIX), timeout=120)
        assert done.returncode == _REFUSED, done
        assert "mailfix recover" in done.stderr, done

    def recover(self) -> None:
        done = self.host.run(["mailfix", "recover"], timeout=120)
        self.now = Look.at(self.host)
        assert done.returncode == 0, done


def _end(done: subprocess.CompletedProcess[str]) -> str:
    """What the command says that it came to; "" where it says nothing."""
    return str(json.loads(done.stdout)["end"]) if done.stdout.startswith("{") else ""


FIX = Way("fix", ("fix", "--yes", "--no-guard", "--format", "json"), Patient.be_broken)
UNDO = Way("undo", ("undo", "--yes", "--no-guard", "--format", "json"), Patient.be_fixed)
RECOVER = Way("recover", ("recover", "--format", "json"), Patient.be_interrupted)
