"""Have exim listen on the SMTP port for the network (exim specification, chapter 13)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from mailfix.actions.exim import edits, interfaces, judging, layout, shell_text
from mailfix.actions.exim.edits import Edit
from mailfix.actions.exim.interfaces import Wish
from mailfix.actions.exim.judging import Bench
from mailfix.actions.exim.restarting import is_restarted, with_restart
from mailfix.actions.proposal import Declined, Proposal
from mailfix.actions.situation import Situation
from mailfix.changes import exim_configuration
from mailfix.changes.exim_configuration import Configuration
from mailfix.facts import Facts
from mailfix.model import Family, Finding, Unknown
from mailfix.probes import exim

INTERFACES = "local_interfaces"
PORTS = "daemon_smtp_ports"
DEBIAN_INTERFACES = "dc_local_interfaces"
DEBIAN_KIND = "dc_eximconfig_configtype"
LOCAL_KIND = (
    f"{DEBIAN_KIND} is 'local' in {layout.CHOICES}: this host was set up to send and take no mail "
    "but its own users'; 'dpkg-reconfigure exim4-config' changes all of that"
)


def propose(situation: Situation, finding: Finding) -> Proposal | Declined:
    """Change what keeps exim from the port, and restart it."""
    if declined := judging.not_exim(situation.facts, "inet_interfaces = all"):
        return declined
    wish = _wish(situation.facts, int(finding.subject.get("port", 25)))
    if isinstance(wish, Declined):
        return wish
    bench = judging.bench(situation, f"{INTERFACES} = <; 0.0.0.0 ; ::0")
    if isinstance(bench, Declined):
        return bench
    absent = wish.absent(bench.endpoints)
    if wish.served(bench.endpoints) and not absent:
        return _restarted(bench, wish)
    return _edited(bench, wish, absent)


def _wish(facts: Facts, port: int) -> Wish | Declined:
    if isinstance(facts.addresses, Unknown):
        return Declined(facts.addresses.reason)
    own = frozenset(each.address for each in facts.addresses.value)
    for family in Family:
        leaving = facts.outgoing.of(family)
        if isinstance(leaving, Unknown):
            return Declined(leaving.reason)
        if leaving.value is not None:
            return Wish(port, leaving.value.source, own)
    return Declined("this host has no address that the network could use")


def _restarted(bench: Bench, wish: Wish) -> Proposal | Declined:
    if is_restarted(bench.situation):
        return Declined("exim will listen there by the changes chosen already", cured=True)
    changes = with_restart(bench.situation, (), bench.coming, bench.endpoints, {})
    if isinstance(changes, Declined):
        return changes
    return Proposal(
        summary=f"restart exim, whose configuration says to listen on tcp/{wish.port} already",
        changes=changes,
        proof=f"exim takes the configuration that the restart will make: {_told(bench.coming)}",
        risk="mail is not served for about a second while exim restarts",
    )


def _edited(bench: Bench, wish: Wish, absent: tuple[str, ...]) -> Proposal | Declined:
    found = _daemon_edit(bench, wish) or _configuration_edit(bench, wish)
    if found is None:
        return Declined(
            f"no single edit has exim listen on tcp/{wish.port}",
            f"see what it is told: exim4 -bP {INTERFACES} {PORTS}",
        )
    edit, after, arguments = found
    file = bench.situation.draft.file(edit.path, edit.text)
    endpoints = after.endpoints(arguments)
    changes = with_restart(bench.situation, (file,), after, endpoints, _planned(after))
    if isinstance(changes, Declined):
        return changes
    return Proposal(
        summary=f"have exim listen on tcp/{wish.port} ({edit.where}) and restart it",
        changes=changes,
        proof=f"tried beside the one in use: exim takes the configuration: {_told(after)}; its "
        "other main options stay as they are",
        risk="mail is not served for about a second while exim restarts; from then on the network "
        "reaches it, as far as the firewall lets it",
        manual=_manual(bench, absent),
    )


def _planned(after: Configuration) -> dict[str, str]:
    return {name: after.options[name] for name in (INTERFACES, PORTS) if name in after.options}


def _told(found: Configuration) -> str:
    return ", ".join(f"{name} = {value}" for name, value in _planned(found).items())


def _manual(bench: Bench, absent: tuple[str, ...]) -> str:
    if absent:
        return f"this host does not have {', '.join(absent)} now: it may be about to come back"
    choices = bench.situation.draft.read(layout.CHOICES)
    if choices and shell_text.value(choices.data, DEBIAN_KIND) == "local":
        return LOCAL_KIND
    return judging.caution(bench.source)


def _daemon_edit(bench: Bench, wish: Wish) -> tuple[Edit, Configuration, tuple[str, ...]] | None:
    """What -oX says outdoes the configuration: the edit belongs to Debian's default file then."""
    if "-oX" not in bench.arguments:
        return None
    state = bench.situation.draft.read(layout.DEFAULTS)
    name = _variable_of_interfaces(state.data) if state else None
    if state is None or name is None:
        return None
    words = (shell_text.value(state.data, name) or "").split()
    place = words.index("-oX") + 1
    words[place] = _widened_argument(bench, wish, words[place])
    text = shell_text.with_value(state.data, name, " ".join(words))
    where = f"{layout.DEFAULTS}, line {shell_text.line_of(state.data, name)}"
    arguments = judging.daemon_options(text)
    served = wish.served(bench.coming.endpoints(arguments))
    return (Edit(layout.DEFAULTS, text, where), bench.coming, arguments) if served else None


def _variable_of_interfaces(text: bytes) -> str | None:
    """The variable whose words have -oX and what follows it."""
    for name in judging.daemon_variables():
        if "-oX" in (shell_text.value(text, name) or "").split()[:-1]:
            return name
    return None


def _widened_argument(bench: Bench, wish: Wish, value: str) -> str:
    """The argument of -oX: ports alone, or addresses with or without ports."""
    told, ports = exim.listen_options(dict(bench.coming.options), ("-oX", value))
    if told != value:
        return ":".join([str(wish.port), *ports])
    return _without_blanks(interfaces.items_for(wish, exim.split_list(value), ":".join(ports)))


def _without_blanks(items: list[str]) -> str:
    """The init script splits the options at every blank."""
    return f"<,{','.join(items)}" if len(items) > 1 or ":" in items[0] else items[0]


def _configuration_edit(
    bench: Bench, wish: Wish
) -> tuple[Edit, Configuration, tuple[str, ...]] | None:
    def accepts(after: Configuration) -> bool:
        changed = set(exim_configuration.differing(bench.coming, after))
        return changed <= {INTERFACES, PORTS} and wish.served(after.endpoints(bench.arguments))

    tried = bench.first_that_works(_possible(bench, wish), accepts)
    return (tried.edit, tried.coming, bench.arguments) if tried else None


def _possible(bench: Bench, wish: Wish) -> Iterator[Edit]:
    told = bench.coming.options
    ports = told.get(PORTS, "smtp")
    items = exim.split_list(told.get(INTERFACES, ""))
    if any(each.port == wish.port for each in bench.endpoints):
        new = interfaces.items_for(wish, items, ports)
        return chain(
            _debian_edit(bench, interfaces.debian_list(new)),
            edits.setting_edits(bench.texts, INTERFACES, interfaces.exim_list(new)),
        )
    return edits.setting_edits(bench.texts, PORTS, " : ".join([str(wish.port), ports]))


def _debian_edit(bench: Bench, value: str) -> Iterator[Edit]:
    state = bench.situation.draft.read(layout.CHOICES)
    if state and shell_text.value(state.data, DEBIAN_INTERFACES):
        text = shell_text.with_value(state.data, DEBIAN_INTERFACES, value)
        line = shell_text.line_of(state.data, DEBIAN_INTERFACES)
        yield Edit(layout.CHOICES, text, f"{layout.CHOICES}, line {line}")
