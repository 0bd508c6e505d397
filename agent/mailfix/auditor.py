"""One whole audit: settings, rules, facts, findings."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from mailfix import __version__, rulebook
from mailfix.audit import Judgement, judge, passes
from mailfix.collect import collect
from mailfix.facts import Facts
from mailfix.grounds import doubted
from mailfix.host import Host, event_loop
from mailfix.host.files import read_text
from mailfix.model import Known, Refusal, Unknown
from mailfix.overview import overview
from mailfix.probes.domains import configured
from mailfix.progress import Progress
from mailfix.report.summary import Report
from mailfix.rulebook import Rule
from mailfix.settings import CONFIG_FILE, Settings, parse_settings

PROGRESS_EVERY_S = 2.0


def rules() -> tuple[Rule, ...]:
    """Return the rules in force; raises :class:`mailfix.rulebook.Refusal`."""
    return rulebook.load(rulebook.shipped_folder(), Path(rulebook.SITE_FOLDER))


def settings() -> Settings:
    """Return the administrator's choices; raises :class:`mailfix.model.Refusal`."""
    text = read_text(CONFIG_FILE)
    if isinstance(text, Unknown):
        raise Refusal(text.reason)
    return parse_settings(text.value or "")


@dataclass(frozen=True, slots=True)
class Examination:
    """One audit with what it was made from."""

    settings: Settings
    facts: Facts
    report: Report


def run(domains: tuple[str, ...] = ()) -> Report:
    """Audit this host once, and these mail domains besides its own.

    Raises :class:`mailfix.model.Refusal` for a text that is no mail domain.
    """
    return examine(domains).report


def examine(domains: tuple[str, ...] = ()) -> Examination:
    """Audit this host once, and keep the facts."""
    started, clock = datetime.now(UTC), time.monotonic()
    book, chosen = rules(), settings()
    chosen = replace(chosen, domains=configured((*chosen.domains, *domains)))
    facts, judgement = event_loop.run(_look(chosen, book))
    report = Report(
        version=__version__,
        host=_name(facts),
        started=started,
        duration_s=time.monotonic() - clock,
        findings=judgement.findings,
        passed=judgement.passed,
        passes=lambda: passes(facts, book),
        overview=overview(facts),
    )
    return Examination(chosen, facts, report)


async def _look(chosen: Settings, book: tuple[Rule, ...]) -> tuple[Facts, Judgement]:
    """Look and judge; what looks wrong with a domain is asked of its zone's own servers."""
    host = Host.within(chosen.audit_seconds)
    progress = Progress()
    async with _telling(progress):
        facts, look = await collect(host, chosen, progress)
        judgement = judge(facts, book, chosen.ignore)
        confirmed: dict[str, frozenset[str]] = {}
        while doubts := doubted(judgement.findings, book, confirmed):
            facts = replace(facts, domain_records=await look.again(facts.domain_records, doubts))
            judgement = judge(facts, book, chosen.ignore)
            confirmed |= {each: confirmed.get(each, frozenset()) | doubts[each] for each in doubts}
        return facts, judgement


@contextlib.asynccontextmanager
async def _telling(progress: Progress) -> AsyncIterator[None]:
    task = asyncio.create_task(_tell(progress))
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _tell(progress: Progress) -> None:
    while True:
        await asyncio.sleep(PROGRESS_EVERY_S)
        sys.stderr.write(f"mailfix: {progress}\n")
        sys.stderr.flush()


def _name(facts: Facts) -> str:
    if isinstance(facts.fqdn, Known) and facts.fqdn.value:
        return facts.fqdn.value
    return facts.names.value.kernel if isinstance(facts.names, Known) else "this host"
