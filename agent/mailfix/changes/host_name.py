"""The host name that the kernel gives to every program."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from mailfix.changes.change import Drift, Failed, Place, Present, Seen
from mailfix.host import kernel_name


@dataclass(frozen=True, slots=True)
class HostNameChange:
    """The name alone: /etc/hostname and the like are changes of files, made after it.

    ``hostnamectl set-hostname`` would write /etc/hostname and /etc/machine-info anew by itself, so
    that they could not be restored to the byte, and it needs D-Bus, which is not there when a
    recovery runs early in the boot. What it does to the running system is sethostname(2), and that
    is done here; systemd-hostnamed reads the file and the kernel whenever it is asked.
    """

    before: str
    after: str

    kind: ClassVar[str] = "host-name"
    # At boot systemd takes the name from /etc/hostname before a recovery can restore that file.
    survives_boot: ClassVar[bool] = True

    @property
    def place(self) -> Place:
        return Place.HOST_NAME

    @property
    def slot(self) -> str:
        return "host name"

    def followed_by(self, later: HostNameChange) -> HostNameChange:
        return replace(self, after=later.after)

    @property
    def cuts_off(self) -> bool:
        return True

    @property
    def inverse(self) -> HostNameChange:
        return HostNameChange(self.after, self.before)

    def describe(self) -> str:
        return f"name the host {self.after}"

    def preview(self) -> tuple[str, ...]:
        return (f"host name: {self.before} becomes {self.after}",)

    def look(self, *, interrupted: bool = False) -> Seen:
        now = kernel_name.read()
        if now == self.before:
            return Seen(Present.BEFORE)
        if now == self.after:
            return Seen(Present.AFTER)
        return Seen(Present.OTHER, (f"the host is called {now}",))

    def make(self) -> None:
        if self.look().present is Present.OTHER:
            raise Drift(f"the host was given another name meanwhile: {kernel_name.read()}")
        try:
            kernel_name.write(self.after)
        except OSError as error:
            raise Failed(f"the host cannot be named {self.after}: {error.strerror}") from None

    def verify(self) -> None:
        now = kernel_name.read()
        if now != self.after:
            raise Failed(f"the host is called {now}, not {self.after}")
