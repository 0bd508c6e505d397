"""Exim as the judge of edits: made as its next start makes it, tried in a folder of our own."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from itertools import islice
from typing import TypeAlias

from mailfix.actions.exim import layout, shell_text
from mailfix.actions.exim.edits import MOST, Edit, Texts
from mailfix.actions.proposal import Declined
from mailfix.actions.situation import Situation
from mailfix.changes import Failed, exim_configuration, serving
from mailfix.changes.exim_configuration import Configuration, Invalid
from mailfix.facts import Endpoint, EximSource, Facts, Layout
from mailfix.host import files
from mailfix.model import Unknown

NATIVE_UNITS = ("/usr/lib/systemd/system/exim4.service", "/lib/systemd/system/exim4.service")


Accepts: TypeAlias = Callable[[Configuration], bool]


@dataclass(frozen=True, slots=True)
class Tried:
    """An edit, and the configuration that it makes."""

    edit: Edit
    coming: Configuration


@dataclass(frozen=True, slots=True)
class Bench:
    """Exim's configuration as the changes chosen so far leave it, and what exim says of it."""

    situation: Situation
    source: EximSource
    texts: Texts
    coming: Configuration
    arguments: tuple[str, ...]

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        return self.coming.endpoints(self.arguments)

    def first_that_works(self, edits: Iterable[Edit], accepts: Accepts) -> Tried | None:
        """The first edit that exim takes, and after which its options are as they should be.

        Raises :class:`mailfix.changes.Failed`.
        """
        tried = (self._tried(each) for each in islice(edits, MOST))
        return next((each for each in tried if each and accepts(each.coming)), None)

    def _tried(self, edit: Edit) -> Tried | None:
        """What exim says with one edit made; None where it refuses it."""
        change = self.situation.draft.file(edit.path, edit.text)
        replaced = {**self.situation.draft.contents, change.path: edit.text}
        try:
            return Tried(edit, exim_configuration.coming(replaced))
        except Invalid:
            return None

    def only(self, names: Collection[str], name: str, told: str) -> Accepts:
        """Whether one option tells this value, and none but ``names`` is another than before."""

        def accepts(after: Configuration) -> bool:
            changed = exim_configuration.differing(self.coming, after)
            return set(changed) <= {name, *names} and after.options.get(name) == told

        return accepts


def bench(situation: Situation, line: str) -> Bench | Declined:
    """Lay out the configuration for an edit; ``line`` is what is wanted, for a panel's advice.

    Raises :class:`mailfix.changes.Failed`.
    """
    source = situation.facts.exim_source
    if isinstance(source, Unknown):
        return Declined(source.reason)
    if source.value is None:
        return Declined("exim is not installed")
    panel = panel_here(source.value.layout)
    if panel and panel.instead:
        reason = f"{panel.name} makes exim's configuration: an edit would be lost"
        return Declined(reason, panel.instead.format(line=line))
    try:
        coming = exim_configuration.coming(situation.draft.contents)
    except Invalid as error:
        advice = "repair it first: exim4 -bV names the line"
        return Declined(f"exim refuses its configuration as it is: {error}", advice)
    texts = _texts(situation, source.value)
    return Bench(situation, source.value, texts, coming, coming_arguments(situation))


def not_exim(facts: Facts, postfix: str) -> Declined | None:
    """What is said where another mail server is in use; ``postfix`` is what it is there."""
    if isinstance(facts.mta, Unknown):
        return Declined(facts.mta.reason)
    server = facts.mta.value.server if facts.mta.value else "nothing"
    if server == "exim":
        return None
    return Declined(f"the mail server is {server}, not exim", f"postfix: {postfix}")


def panel_here(found: Layout) -> layout.Panel | None:
    """The hosting panel of this host, known by its folder."""
    if found is Layout.CPANEL:
        return layout.CPANEL
    return next((each for each in layout.PANELS if files.exists(each.marker)), None)


def caution(source: EximSource) -> str:
    """Why an edit is not made without asking; "" where it is."""
    panel = panel_here(source.layout)
    return panel.caution if panel else ""


def _texts(situation: Situation, source: EximSource) -> dict[str, bytes]:
    found = {}
    for path in layout.main_files(source.layout, source.file, _parts(situation)):
        state = situation.draft.read(path)
        if state is not None:
            found[path] = state.data
    return found


def _parts(situation: Situation) -> tuple[str, ...]:
    names = files.names_in(layout.MAIN_FOLDER)
    if isinstance(names, Unknown):
        raise Failed(names.reason)
    prefix = f"{layout.MAIN_FOLDER}/"
    chosen = [
        path.removeprefix(prefix) for path in situation.draft.contents if path.startswith(prefix)
    ]
    return tuple({*names.value, *chosen})


def coming_arguments(situation: Situation) -> tuple[str, ...]:
    """The arguments that say where the next daemon listens (exim's -oX).

    Debian takes them from /etc/default/exim4; elsewhere they are those of the running one.
    """
    state = situation.draft.read(layout.DEFAULTS)
    if state is None:
        daemons = serving.processes_of("exim")
        return daemons[0].arguments if daemons else ()
    return daemon_options(state.data)


def has_native_unit() -> bool:
    """Whether systemd starts Debian's exim by a unit of its own, from Debian 13 on."""
    return any(files.exists(each) for each in NATIVE_UNITS)


def daemon_variables() -> tuple[str, ...]:
    """Where /etc/default/exim4 keeps arguments: for the unit, or for the init script."""
    return ("EXIMSERVICE",) if has_native_unit() else ("COMMONOPTIONS", "SMTPLISTENEROPTIONS")


def daemon_options(text: bytes) -> tuple[str, ...]:
    """The arguments that /etc/default/exim4 gives the daemon."""
    words: list[str] = []
    for name in daemon_variables():
        words += (shell_text.value(text, name) or "").split()
    return tuple(words)
