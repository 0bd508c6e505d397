"""Failures that are ignored for a while: until a day, for a reason, and nothing else with them."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from mailfix.acknowledged import ignoring
from mailfix.acknowledged.book import Book, Damaged
from mailfix.acknowledged.request import read_request
from mailfix.audit import audit
from mailfix.comparison.acknowledgement import Acknowledgement
from mailfix.facts import Facts
from mailfix.model import Known, Refusal, Status, Unknown
from mailfix.report.news.acknowledged import told, write_list
from tests.rules.cases import book as shipped
from tests.unit.test_audit import DOVECOT, EXIM, rule

TODAY = date(2026, 11, 23)


def asked(
    name: str = "ptr-generic",
    *subject: str,
    until: str | None = "30d",
    why: str | None = "it is ordered",
) -> Acknowledgement:
    return read_request(name, subject, until, why, rules=shipped(), today=TODAY)


@pytest.mark.parametrize(
    ("until", "last"),
    [
        ("2026-12-24", date(2026, 12, 24)),
        ("2026-11-23", TODAY),
        ("30d", date(2026, 12, 23)),
        ("4w", date(2026, 12, 21)),
    ],
)
def test_it_lasts_through_the_day_that_is_named(until: str, last: date) -> None:
    assert asked(until=until).until == last
    assert asked(until=until).holds_on(last)
    assert not asked(until=until).holds_on(last + timedelta(days=1))


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ({"until": None}, "add --until"),
        ({"why": None}, "add --why"),
        ({"why": " "}, "--why: expected one line"),
        ({"why": "a\nb"}, "--why: expected one line"),
        ({"why": "x" * 501}, "--why: expected one line"),
        ({"until": "2026-11-22"}, "that day is over"),
        ({"until": "2026-02-30"}, "expected a day such as"),
        ({"until": "tomorrow"}, "expected a day such as"),
        ({"until": "0d"}, "expected a day such as"),
        ({"until": "999w"}, "a year at most"),
        ({"until": "2036-01-01"}, "a year at most"),
    ],
)
def test_what_makes_no_sense_is_refused(words: dict[str, str | None], complaint: str) -> None:
    until, why = words.get("until", "30d"), words.get("why", "it is ordered")
    with pytest.raises(Refusal, match=complaint):
        asked(until=until, why=why)


@pytest.mark.parametrize(
    ("name", "subject", "complaint"),
    [
        ("no-such-rule", (), "there is no rule 'no-such-rule'"),
        ("ptr-generic", ("port=25",), "tells apart by family, address"),
        ("hostname-not-qualified", ("family=ipv4",), "has one subject alone"),
        ("ptr-generic", ("family",), "expected KEY=VALUE"),
        ("ptr-generic", ("family=",), "expected KEY=VALUE"),
        ("ptr-generic", ("family=ipv4", "family=ipv6"), "is there twice"),
        ("ptr-generic", ("family=ipv5",), "'family=ipv5': expected ipv4 or ipv6"),
        ("firewall-inbound-blocked", ("port=smtp",), "expected a number from 1 to 65535"),
        ("firewall-inbound-blocked", ("port=99999",), "expected a number from 1 to 65535"),
        ("spf-refuses-host", ("domain=a..b",), "not a domain name"),
    ],
)
def test_an_unknown_rule_or_subject_is_refused(
    name: str, subject: tuple[str, ...], complaint: str
) -> None:
    with pytest.raises(Refusal, match=complaint):
        asked(name, *subject)


@pytest.mark.parametrize(
    ("name", "word", "told"),
    [
        ("ptr-generic", "family=IPv6", {"family": "ipv6"}),
        ("firewall-inbound-blocked", "port=025", {"port": "25"}),
        ("spf-refuses-host", "domain=Bücher.Example.", {"domain": "xn--bcher-kva.example"}),
    ],
)
def test_a_subject_is_kept_in_the_form_that_findings_have(
    name: str, word: str, told: dict[str, str]
) -> None:
    assert asked(name, word).subject == told


RULES = [rule("server-stopped", subject=["server"])]
STOPPED = (EXIM, DOVECOT)


def statuses(*entries: Acknowledgement, facts: Facts | None = None) -> list[Status]:
    found = audit(
        facts or Facts(servers=Known(STOPPED)),
        RULES,
        acknowledged=[each.entry for each in entries],
    )
    return [each.status for each in found]


def known(**subject: str | int) -> Acknowledgement:
    return Acknowledgement("server-stopped", subject, TODAY, "why not")


def test_a_failure_that_fits_is_ignored_and_no_other() -> None:
    assert statuses() == [Status.FAIL, Status.PASS]
    assert statuses(known(server="exim")) == [Status.IGNORED, Status.PASS]
    assert statuses(known()) == [Status.IGNORED, Status.PASS]
    assert statuses(known(server="postfix")) == [Status.FAIL, Status.PASS]
    assert statuses(known(server="exim", port="25")) == [Status.FAIL, Status.PASS]


def test_what_is_unknown_is_not_hidden() -> None:
    assert statuses(known(), facts=Facts(servers=Unknown("no answer"))) == [Status.UNKNOWN]


def test_a_number_fits_as_it_is_written() -> None:
    rules = [each for each in shipped() if each.id == "smtp-not-listening"]
    facts = Facts(
        servers=Known((replace(EXIM, running=True),)),
        listeners=Known(()),
    )
    entry = Acknowledgement("smtp-not-listening", {"port": "25"}, TODAY, "why not").entry
    (finding,) = audit(facts, rules, acknowledged=[entry])
    assert (finding.subject, finding.status) == ({"port": 25}, Status.IGNORED)


def test_it_is_written_down_replaced_and_taken_back(tmp_path: Path) -> None:
    book = Book(str(tmp_path / "acknowledged.json"))
    ignoring.ignore("ptr-generic", ["family=ipv6"], "30d", "first", shipped(), book)
    ignoring.ignore("ptr-generic", [], "30d", "all of it", shipped(), book)
    ignoring.ignore("ptr-generic", ["family=ipv6"], "1d", "second", shipped(), book)
    assert [each.why for each in book.read()] == ["all of it", "second"]
    ignoring.end("ptr-generic", ["family=ipv6"], shipped(), book)
    assert [each.why for each in book.read()] == ["all of it"]
    with pytest.raises(Refusal, match="nothing of the kind is ignored"):
        ignoring.end("ptr-generic", ["family=ipv4"], shipped(), book)


def test_what_is_ignored_of_a_rule_that_is_gone_can_be_taken_back(tmp_path: Path) -> None:
    book = Book(str(tmp_path / "acknowledged.json"))
    gone = Acknowledgement("gone-rule", {"selector": "2024"}, TODAY, "before the upgrade")
    book.write([gone, replace(gone, subject={})])
    assert ignoring.end("gone-rule", ["selector=2024"], shipped(), book) == gone
    assert [each.subject for each in book.read()] == [{}]
    with pytest.raises(Refusal, match="there is no rule 'never-was'"):
        ignoring.end("never-was", [], shipped(), book)


def test_what_has_ended_is_listed_as_such_until_the_next_is_written(tmp_path: Path) -> None:
    book = Book(str(tmp_path / "acknowledged.json"))
    book.write([Acknowledgement("ptr-generic", {}, date(2020, 1, 1), "long ago")])
    assert "long ago (this has ended)" in write_list(book.read(), date.today())
    ignoring.ignore("ptr-generic", ["family=ipv6"], "30d", "now", shipped(), book)
    assert [each.why for each in book.read()] == ["now"]


def test_it_is_ours_alone(tmp_path: Path) -> None:
    book = Book(str(tmp_path / "acknowledged.json"))
    ignoring.ignore("ptr-generic", [], "30d", "why not", shipped(), book)
    assert (tmp_path / "acknowledged.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", '{"schema": "mailfix.acknowledged/9", "entries": []}', "[" * 100_000],
)
def test_a_damaged_file_is_told_and_not_written_over(tmp_path: Path, text: str) -> None:
    file = tmp_path / "acknowledged.json"
    file.write_text(text)
    with pytest.raises(Damaged, match="is damaged; remove it"):
        Book(str(file)).read()
    with pytest.raises(Damaged):
        ignoring.ignore("ptr-generic", [], "30d", "why not", shipped(), Book(str(file)))
    assert file.read_text() == text


def test_what_is_no_file_is_told_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "acknowledged.json").mkdir()
    with pytest.raises(Damaged, match=r"is not a regular file; (remove it and|run it as root)"):
        Book(str(tmp_path / "acknowledged.json")).read()


@pytest.mark.parametrize("key", ["rule", "subject", "until", "why"])
@pytest.mark.parametrize("value", [None, 1, "x", [1], {"a": {}}])
def test_an_entry_is_whole_or_the_file_is_damaged(tmp_path: Path, key: str, value: object) -> None:
    entry = {"rule": "ptr-generic", "subject": {}, "until": "2026-12-24", "why": "x", key: value}
    file = tmp_path / "acknowledged.json"
    file.write_text(json.dumps({"schema": "mailfix.acknowledged/1", "entries": [entry]}))
    if isinstance(value, str) and key in ("rule", "why"):
        assert len(Book(str(file)).read()) == 1
    else:
        with pytest.raises(Damaged):
            Book(str(file)).read()


def test_without_a_folder_to_write_to_it_is_refused_in_one_line(tmp_path: Path) -> None:
    book = Book(str(tmp_path / "file" / "acknowledged.json"))
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(Refusal, match="nothing can be kept in "):
        ignoring.ignore("ptr-generic", [], "30d", "why not", shipped(), book)


def test_the_list_says_until_when_and_whether_it_is_the_whole_rule() -> None:
    whole = asked()
    assert told(whole) == ("through 2026-12-23: ptr-generic (whatever its subject): it is ordered")
    assert "(family=ipv6)" in told(asked("ptr-generic", "family=ipv6"))
    assert write_list((), TODAY) == "no failure is ignored for a while\n"
