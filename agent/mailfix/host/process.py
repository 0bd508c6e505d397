"""Running programs: by argument list, from a pinned PATH, in the C locale, bounded."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

from mailfix.host.clock import Deadline
from mailfix.model import Fact, Known, Unknown

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
OUTPUT_LIMIT = 256 * 1024 * 1024
_REAP_S = 0.5
_KEPT = ("HOME", "LOGNAME", "USER")


@dataclass(frozen=True, slots=True)
class Output:
    """What a program printed, and its exit status (negative: the signal that ended it)."""

    code: int
    stdout: str
    stderr: str

    @property
    def complaint(self) -> str:
        """The last line of complaint, or of output where there was none; 300 characters at most."""
        lines = (self.stderr.strip() or self.stdout.strip()).splitlines()
        return lines[-1].strip()[:300] if lines else f"exit status {self.code}"


def find_program(name: str) -> str | None:
    """Return the absolute path of a program, or None where it is not installed."""
    return shutil.which(name, path=PATH)


async def run(
    argv: Sequence[str],
    deadline: Deadline,
    timeout_s: float = 5.0,
    limit: int = OUTPUT_LIMIT,
    *,
    text_in: str = "",
) -> Fact[Output]:
    """Run a program to its end and return what it printed, whatever its exit status.

    It reads ``text_in``; without, its input is empty.

    Unknown where the program is missing, cannot be started, prints more than ``limit`` bytes or
    does not end in time; in the last two cases its whole process group is killed.
    """
    program = find_program(argv[0])
    if program is None:
        return Unknown(f"{argv[0]} is not installed")
    allowed = deadline.within(timeout_s)
    try:
        child = await asyncio.create_subprocess_exec(
            program,
            *argv[1:],
            stdin=asyncio.subprocess.PIPE if text_in else asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=_environment(),
            start_new_session=True,
        )
    except OSError as error:
        return Unknown(f"{program} cannot be started: {error.strerror}")
    try:
        async with asyncio.timeout(allowed):
            return await _finish(child, argv[0], limit, text_in)
    except TimeoutError:
        _kill(child)
        return Unknown(f"{' '.join(argv)} did not end within {allowed:.1f} s")
    finally:
        await _end(child)


async def _finish(
    child: asyncio.subprocess.Process, name: str, limit: int, text_in: str
) -> Fact[Output]:
    assert child.stdout is not None
    assert child.stderr is not None
    stdout, stderr, _ = await asyncio.gather(
        _drain(child.stdout, limit, child),
        _drain(child.stderr, limit, child),
        _feed(child, text_in),
    )
    if stdout is None or stderr is None:
        return Unknown(f"{name} printed more than {limit} bytes")
    return Known(Output(await child.wait(), stdout, stderr))


async def _feed(child: asyncio.subprocess.Process, text: str) -> None:
    """Write all of it and close; a program that reads no further is not at fault."""
    if child.stdin is None:
        return
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        child.stdin.write(text.encode("utf-8", "surrogateescape"))
        await child.stdin.drain()
    child.stdin.close()


async def _drain(
    stream: asyncio.StreamReader, limit: int, child: asyncio.subprocess.Process
) -> str | None:
    """Read to the end; a program that prints more than ``limit`` bytes is killed at once."""
    content = bytearray()
    while chunk := await stream.read(1 << 16):
        content += chunk
        if len(content) > limit:
            _kill(child)
            return None
    return content.decode("utf-8", "surrogateescape")


async def _end(child: asyncio.subprocess.Process) -> None:
    """Leave no process and no open pipe behind, whatever the program itself has left."""
    if child.returncode is None:
        _kill(child)
    try:
        await asyncio.wait_for(child.communicate(), _REAP_S)
    except TimeoutError:
        # A daemon that left the group may have them for ever.
        child._transport.close()  # type: ignore[attr-defined]


def processors() -> int:
    """How many processors this process may use (sched_getaffinity(2))."""
    return len(os.sched_getaffinity(0))


def end_now(code: int) -> NoReturn:
    """End this process and all that it has started, and wait for none of it."""
    import psutil

    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            child.kill()
    os._exit(code)


def _kill(child: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)


def _environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    return kept | {"PATH": PATH, "LC_ALL": "C", "SYSTEMD_COLORS": "0", "SYSTEMD_PAGER": ""}
