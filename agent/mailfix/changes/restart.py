"""Restarting exim, so that it takes note of its files, and never on files that it would refuse."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import ClassVar

from mailfix.changes import exim_configuration, serving
from mailfix.changes.change import Failed, Place, Present, Seen
from mailfix.changes.exim_configuration import Invalid
from mailfix.changes.serving import Daemon, Listening
from mailfix.host import units

SERVER = "exim"


class When(StrEnum):
    """On which way through a transaction the restart is done."""

    FORTH = "forth"
    BACK = "back"


@dataclass(frozen=True, slots=True)
class Restart:
    """A restart of ``unit``, exim's; on the way that is not its own it does nothing.

    After it ``served`` is listened to and ``exim -bP`` tells ``options``. ``runs``: exim ran when
    this was planned; one that did not is not started. ``untouched`` is the daemon of that time:
    while it lives it has read nothing of what was changed since, and needs no restart.
    """

    unit: str
    when: When
    served: tuple[Listening, ...]
    options: tuple[tuple[str, str], ...] = ()
    runs: bool = True
    untouched: Daemon | None = None

    kind: ClassVar[str] = "restart"
    survives_boot: ClassVar[bool] = False

    @property
    def place(self) -> Place:
        return Place.RESTART if self._acts else Place.RESTART_ON_THE_WAY_BACK

    @property
    def slot(self) -> str:
        return f"restart {self.unit} {self.when}"

    @property
    def _acts(self) -> bool:
        return self.when is When.FORTH

    def followed_by(self, later: Restart) -> Restart:
        """Going forth the last one knows the most, going back the first one."""
        if not self._acts:
            return self
        return replace(later, options=tuple({**dict(self.options), **dict(later.options)}.items()))

    @property
    def cuts_off(self) -> bool:
        return self.runs and self._acts

    @property
    def inverse(self) -> Restart:
        return replace(self, when=When.BACK if self._acts else When.FORTH)

    def describe(self) -> str:
        if not self.runs:
            return f"see that {self.unit}, if it is started, serves"
        if self._acts:
            return f"restart {self.unit}"
        return f"restart {self.unit} if this is taken back"

    def preview(self) -> tuple[str, ...]:
        if not (self.runs and self._acts):
            return ()
        return (" ".join(units.command("restart", self.unit)),)

    def look(self, *, interrupted: bool = False) -> Seen:
        """A restart leaves nothing behind to be looked at but the daemon itself."""
        idle = self._acts or not self.runs or self._is_untouched
        return Seen(Present.BEFORE if idle else Present.AFTER)

    @property
    def _is_untouched(self) -> bool:
        return self.untouched is not None and self.untouched == serving.daemon_of(SERVER)

    def make(self) -> None:
        if not (self._acts and self.runs) or self._is_untouched:
            return
        self._check_configuration()
        serving.end_waiting(SERVER, self.unit)
        try:
            units.restart(self.unit)
        except units.Refused as error:
            raise Failed(str(error)) from None

    def _check_configuration(self) -> None:
        """An exim that is down already has nothing to lose by a start that cannot be checked."""
        try:
            coming = exim_configuration.coming()
        except Invalid:
            raise
        except Failed:
            if serving.processes_of(SERVER):
                raise
        else:
            _hold(coming.options, self.options)

    def verify(self) -> None:
        if self._acts and (self.runs or serving.processes_of(SERVER)):
            serving.wait_until_served(SERVER, self.served)
            _hold(exim_configuration.in_use().options, self.options)


def _hold(told: Mapping[str, str], planned: tuple[tuple[str, str], ...]) -> None:
    for name, value in planned:
        if told.get(name) != value:
            raise Failed(f"exim -bP {name} tells {told.get(name)!r}, not {value!r}")
