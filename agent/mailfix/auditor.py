"""One whole audit: settings, rules, facts, findings."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import AsyncIterator, Collection, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path

from mailfix import __version__, rulebook
from mailfix.acknowledged.book import THIS_HOST, Damaged
from mailfix.audit import Judgement, judge, passes, without_effect
from mailfix.collect import collect
from mailfix.comparison.acknowledgement import Acknowledgement
from mailfix.facts import Facts
from mailfix.grounds import doubted
from mailfix.host import Host, event_loop
from mailfix.host.files import read_text
from mailfix.mail_records.domain_name import is_within
from mailfix.model import Finding, Known, Refusal, Unknown
from mailfix.overview import overview
from mailfix.ownership import require_roots_own
from mailfix.probes.domains import configured
from mailfix.progress import Progress
from mailfix.report.escape import escape
from mailfix.report.summary import Report
from mailfix.rulebook import Rule
from mailfix.settings import CONFIG_FILE, Settings, parse_settings

PROGRESS_EVERY_S = 2.0
PUBLISH = "publish-records"
"""The action that needs a zone of the setting ``dns_updates``."""


def rules() -> tuple[Rule, ...]:
    """Return the rules in force; raises :class:`mailfix.rulebook.Refusal`."""
    return rulebook.load(rulebook.shipped_folder(), Path(rulebook.SITE_FOLDER))


def settings(file: str = CONFIG_FILE) -> Settings:
    """Return the administrator's choices.

    Raises :class:`mailfix.model.Refusal` where they are not understood, or where somebody else
    could write them: they say what root asks, writes and sends, and to whom.
    """
    text = read_text(file)
    if isinstance(text, Unknown):
        raise Refusal(text.reason)
    if text.value is None:
        return Settings()
    for path in (os.path.dirname(file), file):
        require_roots_own(path, os.stat(path))
    return parse_settings(text.value, file)


@dataclass(frozen=True, slots=True)
class Examination:
    """One audit with what it was made from; ``acknowledged`` are those that hold today."""

    settings: Settings
    facts: Facts
    report: Report
    rules: tuple[Rule, ...]
    acknowledged: tuple[Acknowledgement, ...]

    @property
    def told(self) -> Report:
        """The report for people, who are not offered to publish in a zone that nobody has named."""
        zones = [each.zone for each in self.settings.dns_updates]
        findings = tuple(_offering(each, zones) for each in self.report.findings)
        return replace(self.report, findings=findings)

    def passes(self, rules: Collection[str]) -> Iterator[Finding]:
        """The checks of these rules that passed."""
        return passes(self.facts, (each for each in self.rules if each.id in rules))


def run(domains: tuple[str, ...] = ()) -> Report:
    """Audit this host once, and these mail domains besides its own.

    Raises :class:`mailfix.model.Refusal` for a text that is no mail domain.
    """
    return examine(domains).told


def _offering(finding: Finding, zones: Collection[str]) -> Finding:
    """A zone may be of the domain, above it, or of a part such as ``_dmarc``."""
    if finding.fix is None or finding.fix.action != PUBLISH:
        return finding
    domain = str(finding.subject.get("domain", ""))
    if any(is_within(domain, zone) or is_within(zone, domain) for zone in zones):
        return finding
    return replace(finding, fix=None)


def examine(domains: tuple[str, ...] = ()) -> Examination:
    """Audit this host once, and keep the facts."""
    started, clock = datetime.now(UTC), time.monotonic()
    chosen, known = _with_domains(settings(), domains), acknowledged()
    book, facts, judgement = event_loop.run(_look(chosen, known))
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
    return Examination(chosen, facts, report, book, known)


def _with_domains(chosen: Settings, asked: tuple[str, ...]) -> Settings:
    """Raises :class:`mailfix.model.Refusal`."""
    try:
        own = configured(chosen.domains)
    except Refusal as refusal:
        raise Refusal(f"{CONFIG_FILE}: domains: {refusal}") from None
    return replace(chosen, domains=tuple(dict.fromkeys((*own, *configured(asked)))))


def acknowledged() -> tuple[Acknowledgement, ...]:
    """Return what holds today; where that cannot be read it is told, and nothing is hidden."""
    try:
        return tuple(each for each in THIS_HOST.read() if each.holds_on(date.today()))
    except Damaged as damage:
        _tell_aside(str(damage))
        return ()


async def _look(
    chosen: Settings, known: tuple[Acknowledgement, ...]
) -> tuple[tuple[Rule, ...], Facts, Judgement]:
    """Look and judge; what looks wrong with a domain is asked of its zone's own servers.

    The rules are read while the host's first answers are waited for.
    """
    host = Host.within(chosen.audit_seconds)
    progress = Progress()
    async with _telling(progress):
        (facts, look), book = await asyncio.gather(
            collect(host, chosen, progress), asyncio.to_thread(rules)
        )
        for trouble in without_effect(chosen.ignore, book):
            _tell_aside(f"{CONFIG_FILE}: ignore: {trouble}")
        entries = tuple(each.entry for each in known)
        judgement = judge(facts, book, chosen.ignore, entries)
        confirmed: dict[str, frozenset[str]] = {}
        while doubts := doubted(judgement.findings, book, confirmed):
            facts = replace(facts, domain_records=await look.again(facts.domain_records, doubts))
            judgement = judge(facts, book, chosen.ignore, entries)
            confirmed |= {each: confirmed.get(each, frozenset()) | doubts[each] for each in doubts}
        return book, facts, judgement


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
        _tell_aside(str(progress))


def _tell_aside(text: str) -> None:
    sys.stderr.write(f"mailfix: {escape(text)}\n")
    sys.stderr.flush()


def _name(facts: Facts) -> str:
    if isinstance(facts.fqdn, Known) and facts.fqdn.value:
        return facts.fqdn.value
    return facts.names.value.kernel if isinstance(facts.names, Known) else "this host"
