"""The child of :mod:`mailfix.host.scratch`, a program of its own: python3 scratch_child.py FILE.

FILE holds, in marshal's format, a list of ``(argv, input)``; it is overwritten with a list of
``(exit status, stdout, stderr)``. All but the status is bytes. Exits with 1 where the namespace
cannot be made. Imports little, for its start is most of its time.
"""

from __future__ import annotations

import marshal
import os
import sys

CLONE_NEWNET = 0x40000000
NOT_STARTED = 127


def main(file: str) -> None:
    with open(file, "rb") as commands:
        wanted = marshal.load(commands)
    _leave_the_hosts_network()
    os.chdir("/")
    told = [_run(argv, text_in) for argv, text_in in wanted]
    with open(file, "wb") as outputs:
        marshal.dump(told, outputs)


def _leave_the_hosts_network() -> None:
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET) != 0:
        sys.exit(os.strerror(ctypes.get_errno()))


def _run(argv: list[bytes], text_in: bytes) -> tuple[int, bytes, bytes]:
    """Files in memory in place of pipes: nobody waits for a reader."""
    streams = [os.memfd_create(name) for name in ("stdin", "stdout", "stderr")]
    try:
        _fill(streams[0], text_in)
        redirections = [(os.POSIX_SPAWN_DUP2, stream, at) for at, stream in enumerate(streams)]
        pid = os.posix_spawn(argv[0], argv, os.environ, file_actions=redirections)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        return code, _content(streams[1]), _content(streams[2])
    except OSError as problem:
        return NOT_STARTED, b"", os.fsencode(str(problem))
    finally:
        for stream in streams:
            os.close(stream)


def _fill(descriptor: int, content: bytes) -> None:
    while content:
        content = content[os.write(descriptor, content) :]
    os.lseek(descriptor, 0, os.SEEK_SET)


def _content(descriptor: int) -> bytes:
    size = os.lseek(descriptor, 0, os.SEEK_END)
    parts = []
    offset = 0
    while offset < size and (part := os.pread(descriptor, size - offset, offset)):
        parts.append(part)
        offset += len(part)
    return b"".join(parts)


if __name__ == "__main__":
    main(sys.argv[1])
