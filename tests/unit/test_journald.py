"""What the journal is handed: fields that no text from outside can add to."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailfix.comparison.news import News
from mailfix.host import journald
from mailfix.report import journal
from mailfix.report.journal import Kind
from mailfix.report_settings import ReportSettings
from mailfix.reporter.doors import Delivery, Places, deliver
from tests.property.hostile import ANY_TEXT
from tests.unit.bulletins import BLOCKED, GENERIC, UNTOLD, bulletin, standing

CATALOG = Path(__file__).resolve().parents[2] / "packaging" / "catalog" / "mailfix.catalog"
FORGOTTEN = replace(standing(UNTOLD), doubt="no rule spoke of it")
ALL_OF_IT = News(new=(standing(BLOCKED),), better=(standing(GENERIC),), unclear=(FORGOTTEN,))


def decoded(datagram: bytes) -> list[tuple[str, str]]:
    """The fields as systemd-journald reads them: both forms of the protocol."""
    fields = []
    while datagram:
        line, _, rest = datagram.partition(b"\n")
        name, equals, value = line.partition(b"=")
        if not equals:
            size = int.from_bytes(rest[:8], "little")
            value, rest = rest[8 : 8 + size], rest[8 + size + 1 :]
        fields.append((name.decode(), value.decode()))
        datagram = rest
    return fields


@pytest.fixture
def heard(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(str(tmp_path / "journal"))
        server.settimeout(5)
        yield server


def told_to(server: socket.socket, number: int) -> list[dict[str, str]]:
    return [dict(decoded(server.recv(1 << 20))) for _ in range(number)]


def places(tmp_path: Path) -> Places:
    return Places(state=str(tmp_path), journal=str(tmp_path / "journal"))


CLOSED = ReportSettings(prometheus=None, mail=None)


def test_a_report_is_a_summary_and_its_news(tmp_path: Path, heard: socket.socket) -> None:
    made = deliver(bulletin(BLOCKED, news=ALL_OF_IT), CLOSED, places(tmp_path))
    assert Delivery("journal", "delivered", "journalctl -t mailfix") in made
    summary, new, better, unclear = told_to(heard, 4)
    assert summary["MESSAGE_ID"] == Kind.REPORT
    assert summary["MESSAGE"] == (
        "mail.example.com: 1 thing wrong, 0 not found out, 40 checks passed; "
        "1 new, 1 better, 0 still, 1 no longer known"
    )
    assert new == {
        "MESSAGE": f"new: {BLOCKED.message} [firewall-inbound-blocked]",
        "MESSAGE_ID": Kind.NEW,
        "PRIORITY": "2",
        "SYSLOG_IDENTIFIER": "mailfix",
        "MAILFIX_RULE": "firewall-inbound-blocked",
        "MAILFIX_SUBJECT": "family=ipv4 port=25",
        "MAILFIX_STATUS": "fail",
        "MAILFIX_SEVERITY": "critical",
        "MAILFIX_SINCE": "2026-11-22T10:00:00Z",
    }
    assert (better["MESSAGE_ID"], better["PRIORITY"]) == (Kind.BETTER, "5")
    assert better["MESSAGE"].startswith("better: no longer: ")
    assert (better["MAILFIX_RULE"], better["MAILFIX_STATUS"]) == ("ptr-generic", "pass")
    assert (unclear["MESSAGE_ID"], unclear["MAILFIX_STATUS"]) == (Kind.UNCLEAR, "unknown")
    assert "(no rule spoke of it) [" in unclear["MESSAGE"]


def test_a_door_that_failed_is_told_to_the_journal(tmp_path: Path, heard: socket.socket) -> None:
    folder = replace(CLOSED, prometheus=str(tmp_path / "mailfix.prom"))
    (tmp_path / "mailfix.prom").mkdir()
    made = deliver(bulletin(), folder, places(tmp_path))
    assert [(each.door, each.outcome) for each in made if each.door == "prometheus"] == [
        ("prometheus", "failed")
    ]
    _, failed = told_to(heard, 2)
    assert (failed["MESSAGE_ID"], failed["MAILFIX_DOOR"]) == (Kind.DOOR_FAILED, "prometheus")
    assert "Is a directory" in failed["MESSAGE"]


def test_without_a_journal_the_door_is_skipped(tmp_path: Path) -> None:
    made = deliver(bulletin(BLOCKED), CLOSED, places(tmp_path))
    assert Delivery("journal", "skipped", "there is no systemd-journald here") in made


def test_a_thousand_news_are_fifty_entries() -> None:
    many = tuple(standing(BLOCKED, {"domain": f"d{number}"}) for number in range(1000))
    assert len(list(journal.entries(bulletin(news=News(new=many))))) == 1 + journal.MAX_NEWS


@given(ANY_TEXT, ANY_TEXT)
def test_no_text_from_outside_begins_a_field_of_its_own(message: str, subject: str) -> None:
    hostile = replace(BLOCKED, message="x" + message + "\nPRIORITY=0\nMESSAGE=all is well")
    told = News(new=(standing(hostile, {"domain": subject}),))
    for entry in journal.entries(bulletin(news=told, host=message)):
        fields = decoded(journald.encoded(entry))
        assert fields == list(entry.items())
        assert len({name for name, _ in fields}) == len(fields)
        assert all(value.isprintable() and len(value) <= 1000 for _, value in fields)


@given(st.dictionaries(st.from_regex(r"[A-Z]{1,8}", fullmatch=True), st.text(), max_size=4))
def test_an_entry_is_read_back_as_it_was(entry: dict[str, str]) -> None:
    assert decoded(journald.encoded(entry)) == list(entry.items())


def test_the_catalog_explains_every_kind_of_entry() -> None:
    explained = re.findall(r"^-- ([0-9a-f]{32})$", CATALOG.read_text("utf-8"), re.MULTILINE)
    assert sorted(explained) == sorted(Kind)
