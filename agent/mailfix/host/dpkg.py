"""Whether the package manager is at work, which changes the same files."""

from __future__ import annotations

import fcntl
import os
import struct

LOCKS = ("/var/lib/dpkg/lock-frontend", "/var/lib/dpkg/lock")
_FLOCK = "hhlli"


def holder() -> int | None:
    """The process that holds dpkg's locks (fcntl(2), F_GETLK); None where nobody does.

    The locks are asked about and never taken: nobody else is refused because of the question.
    """
    for path in LOCKS:
        pid = _holder_of(path)
        if pid is not None:
            return pid
    return None


def _holder_of(path: str) -> int | None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        question = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        answer = fcntl.fcntl(descriptor, fcntl.F_GETLK, question)
    finally:
        os.close(descriptor)
    kind, _, _, _, pid = struct.unpack(_FLOCK, answer)
    return None if kind == fcntl.F_UNLCK else pid
