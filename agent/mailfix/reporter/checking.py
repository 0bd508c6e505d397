"""``mailfix check``: a monitoring plugin, from an audit made now or from the last report kept."""

from __future__ import annotations

import contextlib
import io
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import FrameType

from mailfix import auditor
from mailfix.host import durable, process
from mailfix.host.files import read_text
from mailfix.model import Refusal, Unknown
from mailfix.report import nagios
from mailfix.report.news.reading import NotAReport, read_report
from mailfix.report.summary import Report
from mailfix.reporter.store import THIS_HOST, Store


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a plugin gives its runner: one line, and the exit code that is the service's state."""

    line: str
    exit_code: int


def verdict(report: Report) -> Verdict:
    return Verdict(nagios.write(report), nagios.service(report))


def now(timeout_s: float) -> Verdict:
    """Audit this host; where that takes too long, the whole process ends with UNKNOWN.

    Some runners put both streams together: what an audit says meanwhile is not told.
    """
    with bounded(timeout_s), contextlib.redirect_stderr(io.StringIO()):
        return verdict(auditor.run())


def last(max_age: timedelta, store: Store = THIS_HOST) -> Verdict:
    """Take the last report that was kept.

    Raises :class:`mailfix.model.Refusal` where there is none, it is older, or it cannot be read.
    """
    now = datetime.now(UTC)
    report = _last_report(store, now)
    age = now - report.started
    if age > max_age:
        told = f"the last report is {age / timedelta(hours=1):.0f} hours old"
        raise Refusal(f"{told}: systemctl status mailfix-report.timer")
    return verdict(report)


def _last_report(store: Store, now: datetime) -> Report:
    try:
        path = store.last(now)
    except OSError as error:
        hint = "; run it as root" if isinstance(error, PermissionError) else ""
        raise Refusal(f"{store.reports} cannot be read: {error.strerror}{hint}") from None
    if path is None:
        raise Refusal("no report is kept: run 'mailfix report'")
    text = read_text(path, durable.LIMIT)
    if isinstance(text, Unknown):
        raise Refusal(text.reason)
    try:
        return read_report(text.value or "")
    except NotAReport as error:
        raise Refusal(f"{path}: {error}") from None


@contextmanager
def bounded(seconds: float) -> Iterator[None]:
    """End the process as a plugin does that ran out of time, whatever hangs within the block."""
    stdout = sys.stdout

    def give_up(number: int, frame: FrameType | None) -> None:
        stdout.write(nagios.trouble(f"the audit did not end within {seconds:g} s"))
        stdout.flush()
        process.end_now(nagios.Service.UNKNOWN)

    before = signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
