"""Which boot of this host it is, and whether systemd runs it."""

from __future__ import annotations

import os

BOOT_ID_FILE = "/proc/sys/kernel/random/boot_id"
INIT_STAT_FILE = "/proc/1/stat"
SYSTEMD_FOLDER = "/run/systemd/system"
_START_TIME = 19
"""Place of ``starttime`` behind the command's name in proc_pid_stat(5)."""


def identity() -> str:
    """A text that differs from boot to boot; "" where /proc cannot be read.

    The kernel's boot id alone would not do: a container has its machine's, which outlives the
    container's own restarts. So the start time of its init is added, in clock ticks since the
    kernel's start (proc_pid_stat(5), starttime).
    """
    kernel, init = _read(BOOT_ID_FILE).strip(), start_time(_read(INIT_STAT_FILE))
    return f"{kernel} {init}" if kernel and init else ""


def start_time(stat: str) -> str:
    """The ``starttime`` in the text of a process's stat (proc_pid_stat(5)); "" where it has none.

    A command's name may hold anything, brackets and spaces among it.
    """
    words = stat.rpartition(")")[2].split()
    return words[_START_TIME] if len(words) > _START_TIME else ""


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(4096)
    except OSError:
        return ""


def runs_systemd() -> bool:
    """Whether this host was booted by systemd (sd_booted(3))."""
    return os.path.isdir(SYSTEMD_FOLDER)
