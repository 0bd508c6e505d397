"""What the next boot makes of the firewall, and what that means for mail that passes today.

The files that the boot loads are loaded by the boot's own programs in a scratch network
namespace and listed there; so nft's and iptables-restore's whole syntax, and their refusals, are
theirs. Nothing is run where no such file is loaded at boot and no owner has rules.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, replace
from functools import cached_property

from mailfix.facts import MAIL_PORTS, BootFile, Flow, MailUser, Prospect
from mailfix.firewall import (
    Backend,
    Direction,
    Dump,
    Question,
    RuleRef,
    Ruleset,
    Verdict,
    judge,
)
from mailfix.firewall.origins import (
    AfterBoot,
    Comeback,
    Origin,
    Origins,
    Place,
    Sources,
    after_boot,
    openings,
    owners_in,
    trace,
)
from mailfix.firewall.ruleset import Block, Chain, Gap, Rule, Table
from mailfix.firewall.verdict import BAN_SHARE
from mailfix.host import Deadline, Host
from mailfix.model import Fact, Family, Known, Unknown
from mailfix.probes.boot import csf, files, firewalld, trial, ufw
from mailfix.probes.boot.files import BootFiles
from mailfix.probes.boot.services import asleep, owner_starts
from mailfix.probes.boot.trial import Tried
from mailfix.probes.firewall import ASKED, Endpoints, question

OUT_PORTS = (25,)
MAX_SUSPECTS = 24
MAX_RULES_JUDGED = 100_000
MAX_SCRIPTS_TOLD = 3
LAST_MOMENT_S = 3.0


@dataclass(frozen=True, slots=True)
class Saved:
    """What the boot loads, which of it was refused, and what may come besides it.

    ``after`` is the firewall of then, None where that of today is not known; ``same`` tells that
    they do not differ. ``doubts`` say what else may open a port that the rest closes. ``dumps``
    are the texts of what the files load.
    """

    after: AfterBoot | None
    same: bool
    files: tuple[BootFile, ...] = ()
    doubts: tuple[str, ...] = ()
    dumps: tuple[Dump, ...] = ()


async def read(host: Host, running: Fact[Ruleset], root: str = "") -> Fact[Saved | None]:
    """Read and try what makes rules at boot; None where nothing does.

    ``root`` goes before the paths of all files. Nothing is tried where the files say, word by
    word, what is running.
    """
    return await read_found(host, running, files.find(host, root), root)


async def read_found(
    host: Host, running: Fact[Ruleset], found: BootFiles, root: str = ""
) -> Fact[Saved | None]:
    """As :func:`read`, of files that were found before."""
    present = owners_in(running.value) if isinstance(running, Known) else frozenset()
    owners = frozenset(name for name in present if owner_starts(name, root))
    sleepers = asleep(present, root)
    if not found.loads and not owners and not sleepers:
        return Known(None)
    if not host.is_root:
        return Unknown("trying the saved firewall rules needs root")
    as_text = trial.read_as_text(found.loads) if found.loads and not sleepers else None
    if as_text is not None:
        saved = _saved(running, _sources(as_text, owners, found), as_text, found)
        if saved.same:
            return Known(saved)
    tried = _with_sleepers(await trial.load(host, found.loads), sleepers)
    forgotten = _forgotten(host, running, owners, root)
    return Known(_saved(running, _sources(tried, owners, found, forgotten), tried, found))


def _with_sleepers(tried: Tried, names: Iterable[str]) -> Tried:
    """What they will close is in settings that are not read."""
    gaps = tuple(
        Gap(Backend.NFT, None, f"{name} starts at boot and does not run now") for name in names
    )
    return replace(tried, ruleset=replace(tried.ruleset, gaps=(*tried.ruleset.gaps, *gaps)))


def _sources(
    tried: Tried,
    owners: frozenset[str],
    found: BootFiles,
    forgotten: frozenset[Place] = frozenset(),
) -> Sources:
    """Where ufw's files could be tried, they say what it makes."""
    returning = owners - {"ufw"} if tried.with_ufw else owners
    return Sources(tried.ruleset, tried.written, returning, found.scripts, forgotten)


def _saved(running: Fact[Ruleset], sources: Sources, tried: Tried, found: BootFiles) -> Saved:
    doubts = tuple(_doubts(found))
    if isinstance(running, Unknown):
        return Saved(None, False, tried.files, doubts, tried.dumps)
    after = after_boot(running.value, sources)
    return Saved(after, after.is_like(running.value), tried.files, doubts, tried.dumps)


def _forgotten(host: Host, running: Fact[Ruleset], owners: Set[str], root: str) -> frozenset[Place]:
    """The rules that somebody added beneath an owner, or for its running time only."""
    if isinstance(running, Unknown):
        return frozenset()
    opened = tuple(openings(running.value)) if owners & {"firewalld", "CSF"} else ()
    found = frozenset[Place]()
    if "firewalld" in owners:
        found |= firewalld.not_permanent(host, opened, root)
    if "CSF" in owners:
        found |= csf.not_configured(host, opened, root)
    return found


def _doubts(found: BootFiles) -> Iterator[str]:
    if found.order_matters:
        names = " and ".join(found.services)
        yield f"{names} load rules at boot, and which comes last is not known"
    for script in found.scripts[:MAX_SCRIPTS_TOLD]:
        yield f"{script} may change firewall rules at boot"


@dataclass(frozen=True)
class Look:
    """Today's rules beside those of after the boot."""

    running: Ruleset
    after: AfterBoot
    saved: Saved

    @cached_property
    def origins(self) -> Origins:
        """Where today's rules come back from."""
        return trace(self.running, self.after.sources)

    @property
    def services(self) -> Mapping[str, str]:
        """What loads each file."""
        return {each.file: each.service for each in self.saved.files} | {ufw.DEFAULTS: "ufw"}


async def prospects(
    running: Ruleset, saved: Saved, endpoints: Endpoints, user: Fact[MailUser], deadline: Deadline
) -> Fact[tuple[Prospect, ...]]:
    """Say for each mail port whether what passes today passes after the next boot."""
    questions = tuple(_questions(endpoints, user))
    if saved.same or saved.after is None:
        return Known(tuple(_unchanged(asked) for asked in questions))
    look = Look(running, saved.after, saved)
    found = []
    for asked in questions:
        await asyncio.sleep(0)
        if deadline.within(LAST_MOMENT_S) < LAST_MOMENT_S:
            return Unknown("there are too many rules to judge the saved ones, too, in time")
        found.append(_prospect(look, asked))
    return Known(tuple(found))


def _unchanged(asked: Question) -> Prospect:
    return Prospect(Flow(asked.direction.value), asked.family, asked.port)


def _questions(endpoints: Endpoints, user: Fact[MailUser]) -> Iterator[Question]:
    sender = user.value if isinstance(user, Known) else None
    for port in OUT_PORTS:
        yield question(endpoints, Direction.OUT, port, sender)
    for port in MAIL_PORTS:
        yield question(endpoints, Direction.IN, port)


def _prospect(look: Look, asked: Question) -> Prospect:
    told = _unchanged(asked)
    then = judge(look.after.ruleset, asked, asked=ASKED)
    if not then.faults and then.undecided_share < BAN_SHARE:
        return told
    now = judge(look.running, asked, asked=ASKED)
    lost = [(each, (each.addresses & now.passed).share_of(now.space)) for each in then.faults]
    blocked, share = max(lost, key=lambda each: each[1], default=(None, 0.0))
    if blocked is None or share < BAN_SHARE:
        return replace(told, undecided=_newly_undecided(now, then), doubt=_reason(then))
    cause = look.after.origins.origin_of(blocked.rule)
    return replace(
        told,
        lost=sum(part for _, part in lost),
        cause=_told(cause, blocked.rule),
        service=look.services.get(cause.name, cause.name),
        today=_today(look, blocked.rule),
        opener=_opener(look, asked, now),
        answer=blocked.answer,
        doubt="; ".join(look.saved.doubts),
    )


def _told(origin: Origin, rule: RuleRef) -> str:
    if origin.comeback is Comeback.NOTHING:
        return rule.describe()
    return f"{origin.describe()}: {origin.text or rule.text}"


def _newly_undecided(now: Verdict, then: Verdict) -> float:
    share = (then.undecided_addresses & now.passed).share_of(now.space)
    return share if share >= BAN_SHARE else 0.0


def _reason(verdict: Verdict) -> str:
    return verdict.undecided[0].reason if verdict.undecided else ""


def _today(look: Look, blocking: RuleRef) -> bool:
    """Whether the rule that will block is among today's rules, too."""
    origin = look.after.origins.origin_of(blocking)
    if origin.comeback is not Comeback.FILE:
        return True
    return origin in look.origins.by_place.values()


def _opener(look: Look, asked: Question, now: Verdict) -> str:
    """The running rule that nothing brings back and without which the port is closed today."""
    for table, chain, rule in _suspects(look, asked.family):
        without = _without(look.running, table, chain, rule)
        lost = (now.passed - judge(without, asked).passed).share_of(now.space)
        if lost >= BAN_SHARE:
            return table.ref(chain, rule).describe()
    return ""


def _suspects(look: Look, family: Family) -> list[tuple[Table, Chain, Rule]]:
    """The running rules that may open something and that nothing known brings back."""
    found = [
        (table, chain, rule)
        for table in look.running.tables
        if table.serves(family)
        for chain in table.chains.values()
        for rule in chain.rules
        if _may_open(rule)
        and look.origins.origin_of(table.ref(chain, rule)).comeback
        in (Comeback.NOTHING, Comeback.SCRIPT)
    ]
    rules = sum(
        len(chain.rules) for table in look.running.tables for chain in table.chains.values()
    )
    return found[: min(MAX_SUSPECTS, MAX_RULES_JUDGED // max(rules, 1))]


def _may_open(rule: Rule) -> bool:
    last = rule.steps[-1] if rule.steps else None
    return last is not None and not isinstance(last, Block)


def _without(ruleset: Ruleset, table: Table, chain: Chain, rule: Rule) -> Ruleset:
    rest = tuple(each for each in chain.rules if each is not rule)
    chains = {**table.chains, chain.name: replace(chain, rules=rest)}
    changed = replace(table, chains=chains)
    tables = tuple(changed if each is table else each for each in ruleset.tables)
    return replace(ruleset, tables=tables)
