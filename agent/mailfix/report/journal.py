"""A report as entries of the systemd journal (systemd.journal-fields(7)).

Every kind of entry has an id of its own (MESSAGE_ID), which stays; ``journalctl -x`` explains it
(packaging/catalog/mailfix.catalog).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import IntEnum, StrEnum
from itertools import chain, islice
from typing import TypeAlias

from mailfix.comparison.news import News, Standing
from mailfix.model import Severity, Status
from mailfix.report.bulletin import Bulletin
from mailfix.report.counting import counted
from mailfix.report.escape import clip, escape
from mailfix.report.subject import flat

Entry: TypeAlias = Mapping[str, str]
"""Fields of one entry: each value is one printable line."""

MAX_NEWS = 50
MAX_VALUE = 1000
IDENTIFIER = "mailfix"


class Kind(StrEnum):
    """What an entry tells, by its MESSAGE_ID."""

    REPORT = "1e6d45f37a7c4a58b416fbcbe3702eab"
    NEW = "804b300f3b094a0e913b4e0a4b3cd48f"
    BETTER = "0044f71dd0b4416c8f06c685c1792713"
    UNCLEAR = "9a0e35138933490a94c902a1762cce5c"
    DOOR_FAILED = "269c865515bd44919c6272897cea69b8"
    REPORT_FAILED = "e0697b4f27f34ad5b6cfcc255cd445d8"
    MAIL_LEFT = "736de41caef94ef0a35c26dcee21a9c9"


class Priority(IntEnum):
    """Of syslog(3)."""

    CRITICAL = 2
    ERROR = 3
    WARNING = 4
    NOTICE = 5
    INFO = 6


_PRIORITY = {
    Severity.CRITICAL: Priority.CRITICAL,
    Severity.ERROR: Priority.ERROR,
    Severity.WARNING: Priority.WARNING,
    Severity.NOTICE: Priority.NOTICE,
}


def entries(bulletin: Bulletin) -> Iterator[Entry]:
    """A summary, then what is new, better and unclear, ``MAX_NEWS`` of them at most."""
    yield _summary(bulletin)
    news = bulletin.news
    told = chain(
        (_told(Kind.NEW, Status.FAIL, "new", each) for each in news.new),
        (_told(Kind.BETTER, Status.PASS, "better", each) for each in news.better),
        (_told(Kind.UNCLEAR, Status.UNKNOWN, "no longer known", each) for each in news.unclear),
    )
    yield from islice(told, MAX_NEWS)


def door_failed(door: str, detail: str) -> Entry:
    """One door of a report failed."""
    message = f"the report did not go out by the door {door}: {detail}"
    return entry(Kind.DOOR_FAILED, Priority.WARNING, message, MAILFIX_DOOR=door)


def report_failed(unit: str, reason: str) -> Entry:
    """The report itself could not be made."""
    message = f"{unit} failed, nothing is known of this mail host today: {reason}"
    return entry(Kind.REPORT_FAILED, Priority.ERROR, message, MAILFIX_UNIT=unit)


def mail_left(detail: str) -> Entry:
    """A mail with a report was not accepted and waits, or waited too long."""
    return entry(Kind.MAIL_LEFT, Priority.WARNING, detail)


def entry(kind: Kind, priority: Priority, message: str, **fields: str) -> Entry:
    """The fields of one entry, bounded and printable."""
    whole = {
        "MESSAGE": message,
        "MESSAGE_ID": kind.value,
        "PRIORITY": str(priority.value),
        "SYSLOG_IDENTIFIER": IDENTIFIER,
        **fields,
    }
    return {name: clip(escape(value), MAX_VALUE) for name, value in whole.items()}


def _summary(bulletin: Bulletin) -> Entry:
    report, news = bulletin.report, bulletin.news
    failures, unknown = report.counts[Status.FAIL], report.counts[Status.UNKNOWN]
    wrong = counted(failures, "thing") + " wrong" if failures else "nothing wrong"
    message = (
        f"{report.host}: {wrong}, {unknown} not found out, {counted(report.passed, 'check')} passed"
        f"; {counts_of(news)}"
    )
    return entry(
        Kind.REPORT,
        Priority.NOTICE if failures or unknown else Priority.INFO,
        message,
        MAILFIX_HOST=report.host,
        MAILFIX_FAIL=str(failures),
        MAILFIX_UNKNOWN=str(unknown),
        MAILFIX_PASS=str(report.passed),
        MAILFIX_NEW=str(len(news.new)),
        MAILFIX_BETTER=str(len(news.better)),
        MAILFIX_STILL=str(len(news.still)),
    )


def counts_of(news: News) -> str:
    """For example ``1 new, 0 better, 2 still``."""
    counts = f"{len(news.new)} new, {len(news.better)} better, {len(news.still)} still"
    return f"{counts}, {len(news.unclear)} no longer known" if news.unclear else counts


def _told(kind: Kind, status: Status, word: str, standing: Standing) -> Entry:
    """Better is told without alarm: its message is of the audit that still found it."""
    was = "no longer: " if kind is Kind.BETTER else ""
    why = f" ({standing.doubt})" if kind is Kind.UNCLEAR and standing.doubt else ""
    return entry(
        kind,
        Priority.NOTICE if kind is Kind.BETTER else _PRIORITY[standing.severity],
        f"{word}: {was}{standing.message}{why} [{standing.rule}]",
        MAILFIX_RULE=standing.rule,
        MAILFIX_SUBJECT=flat(standing.subject),
        MAILFIX_STATUS=status.value,
        MAILFIX_SEVERITY=standing.severity.value,
        MAILFIX_SINCE=standing.since.strftime("%Y-%m-%dT%H:%M:%SZ"),
    )
