"""A network of the test's own: nothing but loopback, with the addresses that the test wishes."""

from __future__ import annotations

import ctypes
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


@contextmanager
def own_network(*addresses: str) -> Iterator[None]:
    """Take this thread, and what it starts, to a new network namespace and back; needs root."""
    with open("/proc/thread-self/ns/net", "rb") as home:
        _must(_libc.unshare(_CLONE_NEWNET), "unshare")
        try:
            commands = ["link set lo up", *(f"addr add {each}/8 dev lo" for each in addresses)]
            subprocess.run(["ip", "-batch", "-"], input="\n".join(commands), text=True, check=True)
            yield
        finally:
            _must(_libc.setns(home.fileno(), _CLONE_NEWNET), "setns")


def _must(code: int, what: str) -> None:
    if code:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")
