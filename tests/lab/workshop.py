"""Where the Debian package is built and looked at: an image of a release, without a network."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from .image import SUITE, WORKSHOP, lower_directories, mount_overlay
from .machine import CHECKOUT, run

BUILD_SECONDS = 300.0
LATER_VERSION = "99.0"


@contextmanager
def workshop(suite: str = SUITE) -> Iterator[Path]:
    """A folder that :func:`build` and :func:`inside` know as theirs; gone at the end."""
    lower = lower_directories(replace(WORKSHOP, suite=suite))
    with tempfile.TemporaryDirectory(prefix="mailfix-workshop-", dir="/var/tmp") as name:
        place = Path(name)
        for folder in ("upper", "work", "root", "out"):
            (place / folder).mkdir(mode=0o755)
        place.chmod(0o755)
        mount_overlay(place / "root", lower, place / "upper", place / "work")
        try:
            yield place
        finally:
            run(("umount", str(place / "root")))


def inside(place: Path, script: str, **variables: str) -> str:
    """Run a shell script there; the checkout is /src, /out is the workshop's own ``out``.

    Raises LabError when a line fails.
    """
    done = run(
        (
            *("systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--pipe"),
            *("--private-network", "--timezone=off", f"--directory={place / 'root'}"),
            *(f"--bind-ro={CHECKOUT}:/src", f"--bind={place / 'out'}:/out"),
            *(f"--setenv={name}={value}" for name, value in variables.items()),
            *("/bin/sh", "-ec", script),
        ),
        timeout=BUILD_SECONDS,
    )
    return done.stdout


def build(place: Path, *, umask: str = "022", clock: str = "", **variables: str) -> Path:
    """Build the package by the one command, now or at a ``clock`` of faketime(1).

    ``variables`` are the environment's.

    Raises LabError with what the build printed.
    """
    at_that_time = f"faketime '{clock}'" if clock else ""
    inside(
        place,
        f"umask {umask}; mkdir -p ${{TMPDIR:=/tmp}}; rm -f /out/mailfix_*.deb\n"
        f"{at_that_time} /src/packaging/build-deb /out >/out/log 2>&1 ||\n"
        "{ tail -n 40 /out/log >&2; exit 1; }",
        **variables,
    )
    (made,) = (place / "out").glob("mailfix_*_all.deb")
    return made


def later(place: Path, package: Path) -> Path:
    """The same package with a higher version."""
    made = place / "out" / f"later-{package.name}"
    inside(
        place,
        f"dpkg-deb -R /out/{package.name} /tmp/later\n"
        f"sed -i 's/^Version: .*/Version: {LATER_VERSION}/' /tmp/later/DEBIAN/control\n"
        f"dpkg-deb --root-owner-group -b /tmp/later /out/{made.name}",
    )
    return made
