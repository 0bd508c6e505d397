"""Have exim greet, and say HELO, with the host's own name (RFC 5321 sections 3.1 and 4.1.4)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from mailfix.actions.exim import edits, judging, layout
from mailfix.actions.exim.edits import Edit
from mailfix.actions.exim.judging import Accepts, Bench, Tried
from mailfix.actions.exim.restarting import is_restarted, with_restart
from mailfix.actions.proposal import Declined, Proposal
from mailfix.actions.situation import Situation
from mailfix.changes.exim_configuration import Configuration
from mailfix.changes.file import FileChange
from mailfix.facts import Facts, Layout
from mailfix.model import Family, Finding, Known, Unknown

NAME = "primary_hostname"
BANNER = "smtp_banner"
ACTIVE_NAME = "smtp_active_hostname"
MACRO = "MAIN_HARDCODE_PRIMARY_HOSTNAME"
HELO_RULE = "helo-mismatch"
HELO_MACRO = "REMOTE_SMTP_HELO_DATA"
FOLLOWERS = ("qualify_domain", "qualify_recipient")
"""Options that are the primary host name where they are not set."""
_NAMES = ("$primary_hostname", "${primary_hostname}", "$smtp_active_hostname")
MANUAL = "others know this server by the name that it uses today"


def propose(situation: Situation, finding: Finding) -> Proposal | Declined:
    """Change what greets with another name, if the host's name is one to greet with."""
    if declined := judging.not_exim(situation.facts, "myhostname, smtp_helo_name"):
        return declined
    name = _fitting_name(situation.facts)
    if isinstance(name, Declined):
        return name
    bench = judging.bench(situation, f"{NAME} = {name}")
    if isinstance(bench, Declined):
        return bench
    if bench.coming.options.get(ACTIVE_NAME):
        return Declined(f"{ACTIVE_NAME} is set: the greeting is made anew for each connection")
    tried = _tried(bench, name, finding.rule)
    if isinstance(tried, Declined):
        return tried
    if tried is None and is_restarted(situation):
        return Declined(f"exim calls itself {name} by the changes chosen already", cured=True)
    return _proposal(bench, tried, name)


def _fitting_name(facts: Facts) -> str | Declined:
    """The host's name, where its address is the one that mail leaves from, and the PTR is it."""
    if isinstance(facts.fqdn, Unknown):
        return Declined(facts.fqdn.reason)
    name = facts.fqdn.value
    if name is None:
        return Declined("the host has no fully qualified name", "give it one first")
    for family in Family:
        fits = _fits(facts, name, family)
        if isinstance(fits, Declined):
            return fits
        if fits:
            return name
    return Declined(
        f"{name} does not lead to the address that mail leaves from and back",
        f"publish that address for {name} and have the provider set its PTR record to {name}",
    )


def _fits(facts: Facts, name: str, family: Family) -> bool | Declined:
    reverse, records = facts.reverse_dns.of(family), facts.fqdn_records
    if isinstance(reverse, Unknown):
        return Declined(reverse.reason)
    if isinstance(records, Unknown):
        return Declined(records.reason)
    if reverse.value is None or records.value is None:
        return False
    found = records.value.addresses(family)
    leads = isinstance(found, Known) and reverse.value.address in found.value
    return leads and any(each.name == name for each in reverse.value.names)


def _tried(bench: Bench, name: str, rule: str) -> Tried | Declined | None:
    """What makes the edit, None where a restart will do."""
    return _tried_for_helo(bench, name) if rule == HELO_RULE else _tried_for_banner(bench, name)


def _tried_for_banner(bench: Bench, name: str) -> Tried | Declined | None:
    banner = bench.coming.options.get(BANNER, "").strip('"')
    first, _, rest = banner.partition(" ")
    if first not in _NAMES and first != name:
        new = f"$primary_hostname {rest}" if _is_told(bench, name) else f"{name} {rest}"
        possible = edits.setting_edits(bench.texts, BANNER, new)
        return _chosen(bench, possible, bench.only((), BANNER, new), BANNER)
    if first in _NAMES and not _is_told(bench, name):
        accepts = bench.only(FOLLOWERS, NAME, name)
        return _chosen(bench, _name_edits(bench, name), accepts, NAME)
    return None


def _tried_for_helo(bench: Bench, name: str) -> Tried | Declined | None:
    """HELO is the primary host name, unless a transport says otherwise; Debian's by a macro."""
    if bench.coming.helo == Known(name):
        return None
    only = bench.only((NAME, *FOLLOWERS), NAME, name)

    def accepts(after: Configuration) -> bool:
        return after.helo == Known(name) and only(after)

    possible = chain(
        edits.macro_edits(bench.texts, HELO_MACRO, "$primary_hostname"),
        _name_edits(bench, name),
    )
    return _chosen(bench, possible, accepts, "HELO name")


def _is_told(bench: Bench, name: str) -> bool:
    return bench.coming.options.get(NAME) == name


def _chosen(
    bench: Bench, possible: Iterator[Edit], accepts: Accepts, what: str
) -> Tried | Declined:
    found = bench.first_that_works(possible, accepts)
    return found or Declined(f"no single edit has exim use the name as its {what}")


def _name_edits(bench: Bench, name: str) -> Iterator[Edit]:
    """Debian's own way is a macro; its file of macros is no part of the package."""
    source, line = bench.source, f"{NAME} = {name}"
    return chain(
        edits.macro_edits(bench.texts, MACRO, name),
        edits.setting_edits(bench.texts, NAME, name),
        edits.new_lines(bench.texts, layout.LOCAL_MACROS, f"{MACRO} = {name}")
        if source.layout is Layout.TEMPLATE and layout.LOCAL_MACROS in bench.texts
        else (),
        edits.new_lines(bench.texts, layout.place_for_new(source.layout, source.file, NAME), line),
    )


def _proposal(bench: Bench, tried: Tried | None, name: str) -> Proposal | Declined:
    after = tried.coming if tried else bench.coming
    files: tuple[FileChange, ...] = ()
    if tried:
        files = (bench.situation.draft.file(tried.edit.path, tried.edit.text),)
    planned = {each: after.options[each] for each in (NAME, BANNER) if each in after.options}
    endpoints = after.endpoints(bench.arguments)
    changes = with_restart(bench.situation, files, after, endpoints, planned)
    if isinstance(changes, Declined):
        return changes
    where = f" ({tried.edit.where})" if tried else ""
    return Proposal(
        summary=f"have exim call itself {name}{where} and restart it",
        changes=changes,
        proof=f"{name} leads to the address that mail leaves from, and its PTR record back to "
        f"{name}; exim takes the configuration, tried beside the one in use",
        risk=_risk(bench.coming, after, name),
        manual=MANUAL,
    )


def _risk(before: Configuration, after: Configuration, name: str) -> str:
    moved = [each for each in FOLLOWERS if after.options.get(each) != before.options.get(each)]
    told = f"; {' and '.join(moved)} becomes {name}, too" if moved else ""
    return f"mail is not served for about a second while exim restarts{told}"
