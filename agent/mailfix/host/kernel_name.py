"""The host name that the kernel has (uname(2), nodename)."""

from __future__ import annotations

import os

LIMIT = 64
"""Bytes that the kernel takes (sethostname(2), HOST_NAME_MAX)."""


def read() -> str:
    return os.uname().nodename


def write(name: str) -> None:
    """Have the kernel use another name from now on (sethostname(2)); raises OSError."""
    import socket

    socket.sethostname(name)
