"""A mail server's daemon: that it runs, and that it comes back after a boot."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from mailfix.changes import exim_configuration, serving
from mailfix.changes.change import Failed, Place, Present, Seen
from mailfix.changes.serving import Listening
from mailfix.host import program, units
from mailfix.host.units import Link
from mailfix.model import Unknown

EXIM = "exim"
CHECKS = {"dovecot": ("doveconf", "-n"), "postfix": ("postfix", "check")}
"""What tells whether a server takes its configuration, by its exit status."""


@dataclass(frozen=True, slots=True)
class Running:
    """Whether the daemon of ``server`` (see :mod:`mailfix.probes.servers`) runs as ``unit``."""

    server: str
    unit: str
    runs: bool

    kind: ClassVar[str] = "running"
    survives_boot: ClassVar[bool] = False

    @property
    def place(self) -> Place:
        return Place.UNIT

    @property
    def slot(self) -> str:
        return f"running {self.unit}"

    def followed_by(self, later: Running) -> Running:
        return later

    @property
    def cuts_off(self) -> bool:
        return False

    @property
    def inverse(self) -> Running:
        return replace(self, runs=not self.runs)

    def describe(self) -> str:
        return f"{self._verb} {self.unit}"

    @property
    def _verb(self) -> str:
        return "start" if self.runs else "stop"

    def preview(self) -> tuple[str, ...]:
        return (" ".join(units.command("restart" if self.runs else "stop", self.unit)),)

    def look(self, *, interrupted: bool = False) -> Seen:
        runs = bool(serving.processes_of(self.server))
        return Seen(Present.AFTER if runs is self.runs else Present.BEFORE)

    def make(self) -> None:
        """Systemd may take a server that has died for running: only a restart starts that one."""
        if self.look().present is Present.AFTER:
            return
        if self.runs:
            check_startable(self.server)
        try:
            units.restart(self.unit) if self.runs else units.stop(self.unit)
        except units.Refused as error:
            raise Failed(str(error)) from None
        if not self.runs:
            serving.end_waiting(self.server, self.unit)

    def verify(self) -> None:
        if not self.runs:
            serving.wait_until_gone(self.server)
        elif self.server == EXIM:
            serving.wait_until_served(EXIM, _asked_of_exim(exim_configuration.in_use()))
        else:
            serving.wait_until_served(self.server, ())


def check_startable(server: str) -> None:
    """Raise Failed where the server would refuse its configuration, or finds its ports taken."""
    if server == EXIM:
        wanted = _asked_of_exim(exim_configuration.coming())
        if taken := serving.taken_by_others(EXIM, wanted):
            raise Failed(taken)
    elif server in CHECKS:
        told = program.run(CHECKS[server])
        if isinstance(told, Unknown):
            raise Failed(told.reason)
        if told.value.code != 0:
            raise Failed(f"{server} refuses its configuration: {told.value.complaint}")


def _asked_of_exim(found: exim_configuration.Configuration) -> tuple[Listening, ...]:
    daemons = serving.processes_of(EXIM)
    endpoints = found.endpoints(daemons[0].arguments if daemons else ())
    return tuple(
        Listening(each.address, each.port, each.port not in found.ports_under_tls)
        for each in endpoints
    )


@dataclass(frozen=True, slots=True)
class AtBoot:
    """Whether ``unit`` starts at boot: as it should, or by ``links`` as it did before."""

    unit: str
    links: tuple[Link, ...]
    enabled: bool = True

    kind: ClassVar[str] = "at boot"
    survives_boot: ClassVar[bool] = True

    @classmethod
    def of(cls, unit: str) -> AtBoot:
        """What enables a unit, and unmasks it if need be; raises Failed."""
        return cls(unit, _links(unit))

    @property
    def place(self) -> Place:
        return Place.UNIT

    @property
    def slot(self) -> str:
        return f"boot {self.unit}"

    def followed_by(self, later: AtBoot) -> AtBoot:
        return replace(self, enabled=later.enabled)

    @property
    def cuts_off(self) -> bool:
        return False

    @property
    def inverse(self) -> AtBoot:
        return replace(self, enabled=not self.enabled)

    @property
    def _was_masked(self) -> bool:
        return any(each.target == "/dev/null" for each in self.links)

    def describe(self) -> str:
        if not self.enabled:
            return f"have {self.unit} start at boot, or not, as before"
        return f"enable {self.unit}"

    def preview(self) -> tuple[str, ...]:
        if not self.enabled:
            return tuple(f"ln -s {each.target} {each.path}" for each in self.links)
        unmasking = (f"systemctl unmask {self.unit}",) if self._was_masked else ()
        return (*unmasking, f"systemctl enable {self.unit}")

    def look(self, *, interrupted: bool = False) -> Seen:
        now = _links(self.unit)
        if _names(now) == _names(self.links):
            return Seen(Present.BEFORE if self.enabled else Present.AFTER)
        if _is_enabled(self.unit):
            return Seen(Present.AFTER if self.enabled else Present.BEFORE)
        if interrupted:
            return Seen(Present.PARTLY)
        return Seen(Present.OTHER, tuple(f"{each.path} -> {each.target}" for each in now))

    def make(self) -> None:
        try:
            if not self.enabled:
                units.put_boot_links(self.unit, self.links)
                return
            if units.is_masked(self.unit):
                units.unmask(self.unit)
            units.enable(self.unit)
        except units.Refused as error:
            raise Failed(str(error)) from None

    def verify(self) -> None:
        if self.enabled:
            if not _is_enabled(self.unit):
                raise Failed(f"{self.unit} is not enabled")
        elif _names(_links(self.unit)) != _names(self.links):
            raise Failed(f"{self.unit} does not start at boot as it did before")


def _names(links: tuple[Link, ...]) -> frozenset[tuple[str, str]]:
    return frozenset((each.path, each.target) for each in links)


def _links(unit: str) -> tuple[Link, ...]:
    try:
        return units.boot_links(unit)
    except units.Refused as error:
        raise Failed(str(error)) from None


def _is_enabled(unit: str) -> bool:
    try:
        return units.is_enabled(unit)
    except units.Refused as error:
        raise Failed(str(error)) from None
