"""Taking a lab down by its name alone, also when its owner is long dead.

A lab's name carries its owner's pid and start time; its cgroup, mounts, directory and
namespaces carry the name.
"""

from __future__ import annotations

import fcntl
import itertools
import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from .children import kill
from .machine import RUN_DIRECTORY, LabError, run, start_time

NAME = re.compile(r"mailfix-lab-(?P<pid>\d+)-(?P<start>\d+)-\d+")
NAMESPACES = Path("/run/netns")
DEATH_SECONDS = 10.0
_numbers = itertools.count(1)


def new_name() -> str:
    """A name that no other lab has had since this machine booted."""
    pid = os.getpid()
    return f"mailfix-lab-{pid}-{start_time(pid)}-{next(_numbers)}"


def mount_point(name: str) -> Path:
    """Where a lab keeps its files, the host's disk (``merged``) among them."""
    return RUN_DIRECTORY / name


def cgroup_directories() -> list[Path]:
    """This process's place in the hierarchies that systemd in a container uses.

    In a container that was given only one of them, the place in the other cannot be written to.
    """
    places = []
    for line in Path("/proc/self/cgroup").read_text(encoding="ascii").splitlines():
        number, controllers, path = line.split(":", 2)
        if controllers == "name=systemd":
            places.append(Path("/sys/fs/cgroup/systemd") / path.lstrip("/"))
        elif number == "0":
            unified = Path("/sys/fs/cgroup/unified")
            root = unified if unified.is_dir() else Path("/sys/fs/cgroup")
            places.append(root / path.lstrip("/"))
    return [place for place in places if place.is_dir() and os.access(place, os.W_OK)]


def lab_cgroups(name: str) -> list[Path]:
    """A lab's cgroups, wherever its owner had its own."""
    roots = [Path("/sys/fs/cgroup/systemd"), Path("/sys/fs/cgroup/unified"), Path("/sys/fs/cgroup")]
    found = [place / name for place in cgroup_directories()]
    found += (path for root in roots if not any(found_in(root, found)) for path in root.glob(name))
    return [path for path in found if path.is_dir()]


def found_in(root: Path, found: list[Path]) -> Iterator[bool]:
    return (path.parent == root for path in found)


def take_down(name: str) -> None:
    """Remove every trace of a lab; what is gone already is fine.

    Raises LabError naming what could not be removed, after the rest was.
    """
    steps: tuple[Callable[[str], None], ...] = (
        remove_cgroups,
        remove_mounts,
        remove_namespaces,
    )
    troubles = []
    for step in steps:
        try:
            step(name)
        except (LabError, OSError) as error:
            troubles.append(f"{name}: {error}")
    if troubles:
        raise LabError("; ".join(troubles))


def remove_cgroups(name: str) -> None:
    deadline = time.monotonic() + DEATH_SECONDS
    for cgroup in lab_cgroups(name):
        while pids := list(members(cgroup)):
            if time.monotonic() > deadline:
                raise LabError(f"processes {pids} do not die")
            for pid in pids:
                kill(pid)
            time.sleep(0.01)
        for directory, _, _ in os.walk(cgroup, topdown=False):
            os.rmdir(directory)


def members(cgroup: Path) -> Iterator[int]:
    for listing in cgroup.rglob("cgroup.procs"):
        try:
            yield from map(int, listing.read_text(encoding="ascii").split())
        except OSError:
            continue


def remove_mounts(name: str) -> None:
    directory = mount_point(name)
    for place in (directory / "merged", directory):
        if place.is_mount():
            run(("umount", str(place)))
    if directory.is_dir():
        directory.rmdir()


def remove_namespaces(name: str) -> None:
    for path in NAMESPACES.glob(f"{name}-*"):
        run(("ip", "netns", "delete", path.name))


def existing_names() -> set[str]:
    """Every lab of which a directory or a namespace is left on this machine."""
    paths = itertools.chain(RUN_DIRECTORY.glob("*"), NAMESPACES.glob("*"))
    return {match.group() for path in paths if (match := NAME.match(path.name))}


def reap() -> None:
    """Take down the labs whose owners are dead; one process at a time does so.

    Raises LabError when a dead lab cannot be removed.
    """
    RUN_DIRECTORY.mkdir(mode=0o700, exist_ok=True)
    with (RUN_DIRECTORY / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for name in existing_names():
            if not has_owner(name):
                take_down(name)


def has_owner(name: str) -> bool:
    """Whether the process that started this lab is still there."""
    owner = NAME.fullmatch(name)
    return owner is not None and start_time(int(owner["pid"])) == owner["start"]


def is_own(name: str) -> bool:
    """Whether this very process, not one it was forked from, started this lab."""
    owner = NAME.fullmatch(name)
    return owner is not None and int(owner["pid"]) == os.getpid()
