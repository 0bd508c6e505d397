"""What the lab needs of this machine, and the one way in which it runs programs."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
RUN_DIRECTORY = Path("/run/mailfix-lab")
TOOLS = ("debootstrap", "ip", "mount", "named", "nft", "nsenter", "setpriv", "systemd-nspawn")
ADMIN_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class LabError(Exception):
    """The lab itself failed, as opposed to what is tested in it."""


def program(name: str) -> str | None:
    """The path of an administrator's program, whatever PATH the caller has."""
    return shutil.which(name, path=ADMIN_PATH)


def obstacle() -> str | None:
    """Why no lab can be started here, or None."""
    if os.geteuid() != 0:
        return "the lab needs root: network namespaces, mounts and systemd-nspawn"
    missing = [tool for tool in TOOLS if program(tool) is None]
    if missing:
        return f"the lab needs these programs: {', '.join(missing)}"
    return None


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """A small, predictable environment; proxies stay, so that apt works where they are needed."""
    kept = {name: value for name, value in os.environ.items() if name.lower().endswith("_proxy")}
    return {"PATH": ADMIN_PATH, "LC_ALL": "C.UTF-8", "HOME": "/root", **kept, **(extra or {})}


def run(
    command: Sequence[str], *, text_in: str | None = None, timeout: float = 30.0
) -> subprocess.CompletedProcess[str]:
    """Run a program of this machine to its end.

    Raises LabError with the program's own words when it fails or takes longer than ``timeout``
    seconds.
    """
    try:
        done = subprocess.run(
            command,
            input=text_in,
            stdin=subprocess.DEVNULL if text_in is None else None,
            capture_output=True,
            text=True,
            timeout=timeout,
            env=environment(),
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise LabError(str(error)) from error
    if done.returncode != 0:
        words = (done.stderr or done.stdout).strip()[-2000:]
        raise LabError(f"{' '.join(command)[:300]}: exit {done.returncode}: {words}")
    return done


def start_time(pid: int) -> str | None:
    """The kernel's start time of a process, which with its pid names it once and for all."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    return stat.rpartition(")")[2].split()[19]
