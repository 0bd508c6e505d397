"""Reports and news to be told, as an audit of a mail host could have made them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from mailfix.comparison.news import News, Standing
from mailfix.model import Finding, Part, Severity, Status, Subject
from mailfix.report.bulletin import Bulletin
from mailfix.report.summary import Report

STARTED = datetime(2026, 11, 22, 10, 0, 0, tzinfo=UTC)
BLOCKED = Finding(
    rule="firewall-inbound-blocked",
    title="The firewall blocks the SMTP port",
    status=Status.FAIL,
    severity=Severity.CRITICAL,
    part=Part.FIREWALL,
    subject={"port": 25, "family": "ipv4"},
    message="tcp/25 over IPv4 is blocked by rule 7 of INPUT: -A INPUT -p tcp --dport 25 -j DROP",
    why="Mail servers on the Internet cannot connect.",
)
GENERIC = replace(
    BLOCKED,
    rule="ptr-generic",
    severity=Severity.WARNING,
    subject={"family": "ipv4"},
    message="the PTR record looks like a dial-up line's",
)
UNTOLD = replace(
    BLOCKED,
    rule="helo-mismatch",
    status=Status.UNKNOWN,
    severity=Severity.ERROR,
    subject={},
    message="cannot tell: DNS gave no answer",
)


def report(*findings: Finding, passed: int = 40, host: str = "mail.example.com") -> Report:
    return Report("0.1.0", host, STARTED, 0.412, findings, passed)


def standing(finding: Finding, subject: Subject | None = None) -> Standing:
    return Standing(
        finding.rule,
        finding.title,
        finding.severity,
        finding.subject if subject is None else subject,
        finding.message,
        STARTED,
    )


def bulletin(
    *findings: Finding, news: News | None = None, host: str = "mail.example.com"
) -> Bulletin:
    """Without ``news`` every failure is new."""
    failures = tuple(standing(each) for each in findings if each.status is Status.FAIL)
    return Bulletin(report(*findings, host=host), News(new=failures) if news is None else news)
