"""Which services start at boot, told by the links that ``systemctl enable`` makes."""

from __future__ import annotations

import glob
import os
from collections.abc import Set

from mailfix.firewall.origins import OWNERS

UNIT_FOLDERS = (
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
)
RUNLEVELS = ("rcS.d", "rc2.d", "rc3.d", "rc5.d")


def starts_at_boot(unit: str, root: str = "") -> bool:
    """Whether something wants the unit at boot and nothing masks it (systemd.unit(5)).

    Without a unit file of its own, an init script starts by its runlevel links
    (systemd-sysv-generator(8)).
    """
    mask = f"{root}/etc/systemd/system/{unit}"
    if os.path.islink(mask) and os.readlink(mask) == "/dev/null":
        return False
    if not _has_file(unit, root):
        return _starts_by_runlevel(unit.removesuffix(".service"), root)
    return any(
        os.path.lexists(f"{wants}/{unit}")
        for folder in UNIT_FOLDERS
        for kind in ("wants", "requires")
        for wants in glob.glob(f"{glob.escape(root + folder)}/*.{kind}")
    )


def owner_starts(name: str, root: str = "") -> bool:
    """Whether an owner of rules starts at boot; one whose way of starting is not known does."""
    units = next((owner.units for owner in OWNERS if owner.name == name), ())
    known = [unit for unit in units if _has_file(unit, root)]
    return not known or any(starts_at_boot(unit, root) for unit in known)


def asleep(present: Set[str], root: str = "") -> tuple[str, ...]:
    """The owners that close ports by default, start at boot and have no rules today."""
    return tuple(
        owner.name
        for owner in OWNERS
        if owner.whole and owner.name not in present
        if any(starts_at_boot(unit, root) for unit in owner.units)
    )


def _has_file(unit: str, root: str) -> bool:
    return any(os.path.exists(f"{root}{folder}/{unit}") for folder in UNIT_FOLDERS)


def _starts_by_runlevel(name: str, root: str) -> bool:
    folders = (f"{glob.escape(root)}/etc/{level}" for level in RUNLEVELS)
    return any(glob.glob(f"{folder}/S[0-9][0-9]{name}") for folder in folders)
