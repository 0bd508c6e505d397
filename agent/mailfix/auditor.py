"""One whole audit: settings, rules, facts, findings."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from mailfix import __version__, rulebook
from mailfix.audit import audit
from mailfix.collect import collect
from mailfix.facts import Facts
from mailfix.host import Host
from mailfix.host.files import read_text
from mailfix.model import Known, Refusal, Unknown
from mailfix.report.summary import Report
from mailfix.rulebook import Rule
from mailfix.settings import CONFIG_FILE, Settings, parse_settings

PROGRESS_AFTER_S = 1.0


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


def run() -> Report:
    """Audit this host once."""
    return examine().report


def examine() -> Examination:
    """Audit this host once, and keep the facts."""
    started, clock = datetime.now(UTC), time.monotonic()
    book, chosen = rules(), settings()
    facts = asyncio.run(_look(chosen))
    findings = audit(facts, book, chosen.ignore)
    report = Report(__version__, _name(facts), started, time.monotonic() - clock, findings)
    return Examination(chosen, facts, report)


async def _look(chosen: Settings) -> Facts:
    host = Host.within(chosen.audit_seconds)
    progress = asyncio.create_task(_tell_progress(chosen.audit_seconds))
    try:
        return await collect(host, chosen)
    finally:
        progress.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await progress


async def _tell_progress(limit_s: float) -> None:
    await asyncio.sleep(PROGRESS_AFTER_S)
    sys.stderr.write(f"mailfix: still waiting for answers, {limit_s:.0f} s at most\n")
    sys.stderr.flush()


def _name(facts: Facts) -> str:
    if isinstance(facts.fqdn, Known) and facts.fqdn.value:
        return facts.fqdn.value
    return facts.names.value.kernel if isinstance(facts.names, Known) else "this host"
