"""One lab: a mail host and its Internet, from boot to the last trace removed."""

from __future__ import annotations

import atexit
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from types import FrameType

from .image import BASE, Layer, dkim_key_record
from .internet import Internet
from .leftovers import is_own, mount_point, new_name, reap, take_down
from .machine import run
from .mailhost import MailHost
from .names import healthy_names
from .namespace import Namespace

DISK_SIZE = "4G"
_live: set[str] = set()


@dataclass(frozen=True, slots=True)
class Lab:
    """A booted host and the Internet around it."""

    name: str
    host: MailHost
    internet: Internet


@contextmanager
def running_lab(layer: Layer = BASE) -> Iterator[Lab]:
    """Boot a healthy lab; at the end of the block nothing of it is left.

    Raises LabError when it cannot be brought up.
    """
    reap()
    name = new_name()
    _live.add(name)
    with ExitStack() as stack:
        stack.callback(forget, name)
        directory = mount_point(name)
        directory.mkdir(mode=0o700, parents=True)
        run(("mount", "-t", "tmpfs", "-o", f"size={DISK_SIZE},mode=700", name, str(directory)))
        internet = Internet(Namespace(f"{name}-net"), directory)
        internet.start(stack, healthy_names(dkim_key_record(layer)))
        host = MailHost(name, directory, Namespace(f"{name}-host"), internet, layer)
        host.start(stack)
        yield Lab(name, host, internet)


def forget(name: str) -> None:
    take_down(name)
    _live.discard(name)


def forget_all() -> None:
    for name in filter(is_own, tuple(_live)):
        forget(name)


def interrupt(signum: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def turn_termination_into_interrupt() -> None:
    """Let SIGTERM and SIGHUP unwind like Ctrl-C, so that everything is taken down."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)


atexit.register(forget_all)
