"""Give the host the one name that has both address and PTR record."""

from __future__ import annotations

from mailfix.actions.exim import judging, restarting
from mailfix.actions.host_name import texts
from mailfix.actions.host_name.fitting import Fitting, doubt, fitting
from mailfix.actions.proposal import Declined, Proposal
from mailfix.actions.situation import Situation
from mailfix.changes import Change, exim_configuration
from mailfix.changes.draft import Draft
from mailfix.changes.file import FileChange
from mailfix.changes.host_name import HostNameChange
from mailfix.changes.restart import SERVER
from mailfix.facts import Facts, HostNames
from mailfix.host import files
from mailfix.model import Fact, Finding, Known, Unknown

HOSTNAME_FILE = "/etc/hostname"
HOSTS_FILE = "/etc/hosts"
MAILNAME_FILE = "/etc/mailname"
CLOUD_INIT_FILE = "/etc/cloud/cloud.cfg"


def propose(situation: Situation, finding: Finding) -> Proposal | Declined:
    """The kernel's name, /etc/hostname, /etc/hosts and, if it held the old one, /etc/mailname."""
    facts = situation.facts
    names, fits = facts.names, fitting(facts)
    if isinstance(names, Unknown):
        return Declined(names.reason)
    if isinstance(fits, Unknown):
        return Declined(f"which name fits this host is not known: {fits.reason}")
    if len(fits.value.names) != 1:
        return _no_single_name(fits.value)
    name = fits.value.names[0]
    if any(isinstance(each, HostNameChange) for each in situation.draft.changes):
        return Declined("the host name is among the changes chosen already", cured=True)
    changes = _changes(situation, names.value, name)
    if not changes:
        return Declined(f"the host is called {name} everywhere already")
    told = _exim_told(situation)
    if isinstance(told, Declined):
        return told
    return Proposal(
        summary=f"name the host {name}",
        changes=(*changes, *told),
        proof=_proof(name, fits.value),
        risk="certificates, monitoring and licences may be meant for the old name; programs that "
        "run keep it until they are restarted",
        manual=doubt(name, fits.value.addresses),
        besides=_besides(),
    )


def _no_single_name(fits: Fitting) -> Declined:
    addresses = " and ".join(fits.addresses) or "the address from which mail leaves"
    if fits.names:
        choice = ", ".join(fits.names)
        return Declined(
            f"several names fit this host: {choice}",
            "choose the one that the mail server shall have: hostnamectl set-hostname, and a line "
            "in /etc/hosts; then have the PTR record of the address lead to that one alone",
        )
    return Declined(
        f"no name has both: an address record that leads to {addresses}, and its PTR record",
        f"publish the address of the name that you choose, have the provider set the PTR record of "
        f"{addresses} to it, then run mailfix fix again",
    )


def _changes(situation: Situation, names: HostNames, name: str) -> tuple[Change, ...]:
    draft, old = situation.draft, _old_names(situation.facts, names)
    hostname = texts.with_name(_content(draft, HOSTNAME_FILE), name)
    hosts = texts.with_host(_content(draft, HOSTS_FILE), name, old, _own(situation.facts))
    wanted = {HOSTNAME_FILE: hostname, HOSTS_FILE: hosts}
    if _is_old(names.mailname, old):
        wanted[MAILNAME_FILE] = texts.with_name(_content(draft, MAILNAME_FILE), name)
    changed: list[FileChange] = [
        draft.file(path, text) for path, text in wanted.items() if text != _content(draft, path)
    ]
    if names.kernel != name:
        return (HostNameChange(names.kernel, name), *changed)
    return tuple(changed)


def _old_names(facts: Facts, names: HostNames) -> frozenset[str]:
    found = {names.kernel.lower()}
    for fact in (facts.fqdn, names.hostname_file):
        if isinstance(fact, Known) and fact.value:
            found.add(fact.value.lower().rstrip("."))
    return frozenset(found)


def _is_old(mailname: Fact[str | None], old: frozenset[str]) -> bool:
    return isinstance(mailname, Known) and (mailname.value or "").lower() in old


def _own(facts: Facts) -> frozenset[str]:
    if isinstance(facts.addresses, Unknown):
        return frozenset()
    own = (each.address.partition("%")[0] for each in facts.addresses.value)
    return frozenset(each for each in own if each not in ("127.0.0.1", "::1"))


def _content(draft: Draft, path: str) -> bytes:
    state = draft.read(path)
    return state.data if state else b""


def _exim_told(situation: Situation) -> tuple[Change, ...] | Declined:
    """Exim takes its primary_hostname from the host when it starts."""
    facts = situation.facts
    if isinstance(facts.mta, Unknown) or facts.mta.value is None:
        return ()
    if facts.mta.value.server != SERVER:
        return ()
    coming = exim_configuration.coming(situation.draft.contents)
    endpoints = coming.endpoints(judging.coming_arguments(situation))
    return restarting.with_restart(situation, (), coming, endpoints, {})


def _proof(name: str, fits: Fitting) -> str:
    addresses = " and ".join(fits.addresses)
    return (
        f"in DNS the PTR record of {addresses} is {name}, which leads back to it; no other name "
        "does both"
    )


def _besides() -> tuple[str, ...]:
    if not files.exists(CLOUD_INIT_FILE):
        return ()
    return (f"cloud-init may name the host at boot: preserve_hostname: true in {CLOUD_INIT_FILE}",)
