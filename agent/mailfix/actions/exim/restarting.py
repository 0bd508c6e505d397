"""Changes of exim's files with the restarts that make exim take note of them."""

from __future__ import annotations

from collections.abc import Mapping

from mailfix.actions.proposal import Declined
from mailfix.actions.situation import Situation
from mailfix.changes import Change, serving
from mailfix.changes.exim_configuration import Configuration
from mailfix.changes.file import FileChange
from mailfix.changes.restart import SERVER, Restart, When
from mailfix.changes.serving import Listening
from mailfix.facts import Endpoint, Facts, Listener, MailServer
from mailfix.model import Unknown

EXIM_PROCESSES = frozenset({"exim", "exim4"})


def with_restart(
    situation: Situation,
    changed: tuple[FileChange, ...],
    coming: Configuration,
    endpoints: tuple[Endpoint, ...],
    options: Mapping[str, str],
) -> tuple[Change, ...] | Declined:
    """The changes, and exim restarted after them or after they are taken back.

    ``coming`` is the configuration that they make, ``endpoints`` where exim listens by it,
    ``options`` what ``exim -bP`` must tell in the end.
    """
    facts = situation.facts
    unit = unit_of_exim(facts)
    if unit is None:
        return Declined("how exim is started on this host is not known", "restart it by hand")
    before = _served_now(facts)
    if isinstance(before, Unknown):
        return Declined(before.reason)
    quiet = coming.ports_under_tls | _silent_ports(facts)
    after = tuple(Listening(each.address, each.port, each.port not in quiet) for each in endpoints)
    if taken := serving.taken_by_others(SERVER, after):
        return Declined(f"exim could not listen: {taken}")
    runs = bool(serving.processes_of(SERVER))
    untouched = serving.daemon_of(SERVER)
    back = Restart(unit, When.BACK, before, runs=runs, untouched=untouched)
    forth = Restart(unit, When.FORTH, after, tuple(options.items()), runs)
    return (back, *changed, forth)


def is_restarted(situation: Situation) -> bool:
    """Whether exim will read its configuration anew by the changes chosen already."""
    return any(isinstance(each, Restart) for each in situation.draft.changes)


def unit_of_exim(facts: Facts) -> str | None:
    """The unit by which exim is started, None where there is none or it is not known."""
    exim = exim_server(facts)
    return exim.unit if exim else None


def exim_server(facts: Facts) -> MailServer | None:
    if isinstance(facts.servers, Unknown):
        return None
    return next((each for each in facts.servers.value if each.name == SERVER), None)


def _served_now(facts: Facts) -> tuple[Listening, ...] | Unknown:
    if isinstance(facts.listeners, Unknown):
        return facts.listeners
    own = [each for each in facts.listeners.value if each.process in EXIM_PROCESSES]
    return tuple(Listening(each.address, each.port, _greets(facts, each)) for each in own)


def _greets(facts: Facts, listener: Listener) -> bool:
    if isinstance(facts.greetings, Unknown):
        return False
    heard = [each for each in facts.greetings.value if each.port == listener.port]
    return bool(heard) and all(each.text.startswith("220") for each in heard)


def _silent_ports(facts: Facts) -> frozenset[int]:
    """Ports that exim serves today without a welcome: that is not asked of it tomorrow."""
    if isinstance(facts.listeners, Unknown):
        return frozenset()
    own = [each for each in facts.listeners.value if each.process in EXIM_PROCESSES]
    return frozenset(each.port for each in own if not _greets(facts, each))
