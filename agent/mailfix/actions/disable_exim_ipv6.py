"""Have exim leave IPv6 alone: ``disable_ipv6 = true`` (exim specification, chapter 14)."""

from __future__ import annotations

import ipaddress

from mailfix.actions.exim import edits, judging, layout
from mailfix.actions.exim.judging import Bench, Tried
from mailfix.actions.exim.restarting import is_restarted, with_restart
from mailfix.actions.proposal import Declined, Proposal
from mailfix.actions.situation import Situation
from mailfix.changes.exim_configuration import Configuration
from mailfix.facts import Endpoint, Facts
from mailfix.model import Family, Finding, Known, Unknown

OPTION = "disable_ipv6"
VALUE = "true"
LINE = f"{OPTION} = {VALUE}"
TOLD = "yes"
LISTEN_ADVICE = "have local_interfaces name an IPv4 address, such as 0.0.0.0, beside them"


def propose(situation: Situation, finding: Finding) -> Proposal | Declined:
    """Set the option where this host's layout has it, and restart exim."""
    if declined := _needs_ipv6(situation.facts):
        return declined
    bench = judging.bench(situation, LINE)
    if isinstance(bench, Declined):
        return bench
    if bench.coming.options.get(OPTION) == TOLD:
        return _already(bench, finding)
    tried = _tried(bench)
    return tried if isinstance(tried, Declined) else _proposal(bench, tried, finding)


def _needs_ipv6(facts: Facts) -> Declined | None:
    """Where mail has no other way than IPv6 the option would end it."""
    route = facts.default_route.ipv4
    if isinstance(route, Unknown):
        return Declined(f"whether mail can leave over IPv4 is not known: {route.reason}")
    if not route.value:
        return Declined("this host has no way out over IPv4: without IPv6 no mail leaves it")
    if _greeted(facts, Family.IPV6) and _greeted(facts, Family.IPV4) is False:
        return Declined(
            "mail leaves this host over IPv6 alone: over IPv4 no mail server answers it",
            "see the finding about port 25 over IPv4 first",
        )
    return None


def _greeted(facts: Facts, family: Family) -> bool | None:
    way = facts.way_out.of(family)
    if isinstance(way, Unknown) or way.value is None or not way.value.smtp:
        return None
    return any(each.greeted for each in way.value.smtp)


def _tried(bench: Bench) -> Tried | Declined:
    if why := edits.unusable(bench.texts, OPTION):
        return Declined(why, f"make it one line: {LINE}")
    found = edits.places(bench.texts, OPTION)
    if found:
        possible = edits.setting_edits(bench.texts, OPTION, VALUE)
    else:
        path = layout.place_for_new(bench.source.layout, bench.source.file, OPTION)
        possible = edits.new_lines(bench.texts, path, LINE)
    tried = bench.first_that_works(possible, bench.only((), OPTION, TOLD))
    if tried is not None:
        return tried
    if found:
        reason = f"exim does not follow the line that sets {OPTION} ({', '.join(found)})"
        return Declined(reason, "it stands in a block that is not in effect; set it to true there")
    reason = f"exim does not take '{LINE}' in {bench.source.layout.value} layout"
    return Declined(reason, f"look for {OPTION} in the files that .include names")


def _already(bench: Bench, finding: Finding) -> Proposal | Declined:
    if is_restarted(bench.situation):
        return Declined(f"{LINE} is among the changes chosen already", cured=True)
    changes = with_restart(bench.situation, (), bench.coming, bench.endpoints, {OPTION: TOLD})
    if isinstance(changes, Declined):
        return changes
    return Proposal(
        summary="restart exim, whose configuration says disable_ipv6 already",
        changes=changes,
        proof="exim takes the configuration that the restart will make, and tells disable_ipv6",
        risk="mail is not served for about a second while exim restarts",
        besides=_besides(bench.situation.facts, finding),
    )


def _proposal(bench: Bench, tried: Tried, finding: Finding) -> Proposal | Declined:
    edit, after = tried.edit, tried.coming
    endpoints = after.endpoints(bench.arguments)
    if declined := _unserved(bench.endpoints, endpoints):
        return declined
    file = bench.situation.draft.file(edit.path, edit.text)
    changes = with_restart(bench.situation, (file,), after, endpoints, {OPTION: TOLD})
    if isinstance(changes, Declined):
        return changes
    return Proposal(
        summary=f"set {LINE} in exim's configuration ({edit.where}) and restart exim",
        changes=changes,
        proof=_proof(after, endpoints),
        risk="exim takes and sends no more mail over IPv6, and none for about a second while it "
        "restarts",
        manual=judging.caution(bench.source),
        besides=(*_besides(bench.situation.facts, finding), *_kept_by_dpkg(edit.path)),
    )


def _unserved(before: tuple[Endpoint, ...], after: tuple[Endpoint, ...]) -> Declined | None:
    """Every port has to keep a listener: disable_ipv6 drops the IPv6 entries."""
    if not after:
        return Declined(
            "exim listens on IPv6 addresses alone: no listener would stay", LISTEN_ADVICE
        )
    lost = {each.port for each in before} - {each.port for each in after}
    if lost:
        ports = ", ".join(f"tcp/{port}" for port in sorted(lost))
        return Declined(f"exim listens on {ports} over IPv6 alone: nothing would", LISTEN_ADVICE)
    return None


def _proof(after: Configuration, endpoints: tuple[Endpoint, ...]) -> str:
    ports = ", ".join(f"tcp/{port}" for port in sorted({each.port for each in endpoints}))
    return (
        f"tried beside the one in use: exim takes the configuration, tells {OPTION} and all "
        f"its {len(after.options) - 1} other main options as before; {ports} stay served over IPv4"
    )


def _besides(facts: Facts, finding: Finding) -> tuple[str, ...]:
    name = facts.fqdn.value if isinstance(facts.fqdn, Known) and facts.fqdn.value else "the host"
    address = str(finding.subject.get("address") or _source(facts) or "the IPv6 address")
    return (
        f"take back the AAAA record of {name}{_published(facts)}: no mail is taken there any more",
        f"take ip6:{address} (and networks with it) out of the SPF records: harmless, but untrue",
        "a recipient whose only mail server has no IPv4 address cannot be reached any more",
        _other_way(name, address),
    )


def _kept_by_dpkg(path: str) -> tuple[str, ...]:
    if path != layout.TEMPLATE:
        return ()
    return (f"{path} is the package's: asked at its next upgrade, keep this version or the line",)


def _other_way(name: str, address: str) -> str:
    """What IPv6 needs to be of use: one part without the others is worse than none."""
    return (
        "or leave exim as it is, and do all of this instead: have the provider set the PTR record "
        f"of {address} ({_reverse(address)}) to {name}; publish AAAA {address} for {name}; add "
        f"ip6:{address} to the SPF record of every domain that sends from here; keep exim "
        "listening over IPv6"
    )


def _published(facts: Facts) -> str:
    records = facts.fqdn_records
    if isinstance(records, Unknown) or records.value is None:
        return ""
    found = records.value.ipv6
    return f" ({', '.join(found.value)})" if isinstance(found, Known) and found.value else ""


def _source(facts: Facts) -> str | None:
    leaving = facts.outgoing.ipv6
    return leaving.value.source if isinstance(leaving, Known) and leaving.value else None


def _reverse(address: str) -> str:
    try:
        return ipaddress.ip_address(address).reverse_pointer
    except ValueError:
        return "ip6.arpa"
