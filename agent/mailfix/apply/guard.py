"""The guard: a timer of systemd's that takes a transaction back unless it is confirmed.

It is armed before the first act and does not depend on the process that armed it, nor on its
session: when the time is over, systemd starts ``mailfix recover --guard N`` by itself. A timer ends
with the boot, so a unit for the next one stands beside it (:mod:`mailfix.apply.boot_unit`).
"""

from __future__ import annotations

import contextlib

from mailfix.apply import boot_unit
from mailfix.apply.journal import Damaged
from mailfix.apply.store import Store
from mailfix.changes import Failed
from mailfix.host import boot, itself, program
from mailfix.host.process import Output
from mailfix.model import Fact, Known, Refusal

TRIAL_S = 20.0
"""Patience for the first start of the command, seconds."""

_SERVICE = (
    # A crash while taking back is no reason to stop there; 1 says that it is stuck, 64 that the
    # call is refused: trying at once again helps neither.
    "--property=Restart=on-failure",
    "--property=RestartSec=2s",
    "--property=RestartPreventExitStatus=1 64",
    "--property=KillMode=process",
    "--property=OOMScoreAdjust=-900",
)


def arm(store: Store, number: int, seconds: int) -> None:
    """Have the transaction taken back after ``seconds``, and at the next boot, unless confirmed.

    Raises:
        Refusal: that cannot be had; nothing is left of the attempt.
    """
    if not boot.runs_systemd():
        raise Refusal(
            "without systemd nothing could take the changes back if they lock you out: "
            "use --no-guard, and only from a local console"
        )
    try:
        _try_it(number)
        boot_unit.put(store.folder)
        _stop(number)
        _start(number, seconds)
    except Failed as error:
        _stop(number)
        tidy(store, number)
        raise Refusal(f"the guard cannot be armed, nothing was changed: {error}") from None


def stand_by(store: Store, number: int) -> None:
    """Have what is interrupted taken back at the next boot, for a transaction without a guard.

    Without systemd there is no such unit, and ``mailfix recover`` is left to the administrator.

    Raises:
        Refusal: the unit cannot be made.
    """
    if not boot.runs_systemd():
        return
    try:
        boot_unit.put(store.folder)
    except Failed as error:
        tidy(store, number)
        raise Refusal(f"a crash could not be recovered, nothing was changed: {error}") from None


def disarm(store: Store, number: int) -> None:
    """The transaction is confirmed or taken back: nothing is left of its guard."""
    if boot.runs_systemd():
        _stop(number)
        tidy(store)


def tidy(store: Store, never_begun: int | None = None) -> None:
    """Remove the unit for the next boot, unless a transaction other than that is unfinished."""
    if not boot.runs_systemd():
        return
    with contextlib.suppress(OSError, Failed, Damaged):
        if all(each.plan.number == never_begun for each in store.unfinished()):
            boot_unit.remove()


def watches(number: int) -> bool:
    """Whether the transaction's timer runs."""
    if not boot.runs_systemd():
        return False
    told = program.run(("systemctl", "is-active", "--quiet", _timer(number)))
    return isinstance(told, Known) and told.value.code == 0


def _try_it(number: int) -> None:
    """A way back that was never walked may not be one: have systemd start the program now."""
    _need(
        program.run(
            (
                *_systemd_run(f"{_name(number)}-trial"),
                "--wait",
                "--property=StandardOutput=null",
                *itself.command("recover", "--help"),
            ),
            timeout_s=TRIAL_S,
        )
    )


def _start(number: int, seconds: int) -> None:
    _need(
        program.run(
            (
                *_systemd_run(_name(number)),
                f"--on-active={seconds}",
                "--timer-property=AccuracySec=100ms",
                *_SERVICE,
                *itself.command("recover", "--guard", str(number)),
            )
        )
    )


def _systemd_run(unit: str) -> tuple[str, ...]:
    return (
        "systemd-run",
        "--quiet",
        "--collect",
        "--no-ask-password",
        f"--unit={unit}",
        f"--setenv={itself.environment()}",
        "--description=Take back what mailfix changed, unless it is confirmed",
    )


def _stop(number: int) -> None:
    """The timer alone: the service that it starts may be who is calling."""
    program.run(("systemctl", "stop", "--quiet", _timer(number)))


def _need(told: Fact[Output]) -> None:
    if not isinstance(told, Known):
        raise Failed(told.reason)
    if told.value.code != 0:
        raise Failed(f"systemd-run: {told.value.complaint}")


def _name(number: int) -> str:
    return f"mailfix-guard-{number}"


def _timer(number: int) -> str:
    return f"{_name(number)}.timer"
