"""The summary of a report: one screen, what is new first, nothing that a terminal would obey."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from mailfix.comparison.acknowledgement import Acknowledgement
from mailfix.comparison.news import News
from mailfix.report.bulletin import Bulletin
from mailfix.report.news import text
from tests.unit.test_news_document import standing
from tests.unit.test_report import BLOCKED, FINE, PTR, RULE7, SILENT, report

STARTED = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)


def shown(news: News, *findings: object, colour: bool = False) -> str:
    told = report(*[each for each in findings if isinstance(each, type(PTR))])
    return text.write(Bulletin(told, news), colour=colour)


def test_what_is_new_comes_first_with_its_cause() -> None:
    news = News(
        new=(replace(standing(BLOCKED), since=STARTED),),
        better=(standing(PTR),),
        still=(standing(SILENT),),
    )
    lines = shown(news, BLOCKED, FINE).splitlines()
    assert lines[0] == "mail.example.com: 1 new, 1 better"
    assert lines[1] == "2026-11-22 10:00 UTC: 1 thing wrong, 1 check passed"
    labels = [line.split()[0] for line in lines if line[:1].isupper()]
    assert labels == ["NEW", "BETTER", "STILL"]
    assert RULE7 in " ".join(" ".join(lines).split())


def test_how_long_it_has_been_there_is_told_in_days_and_by_date() -> None:
    told = shown(News(still=(standing(PTR),)), PTR)
    assert "error     ptr-missing, since 2026-11-20, for 2 days" in told
    fresh = replace(standing(PTR), since=STARTED - timedelta(hours=3))
    assert "ptr-missing, since 2026-11-22 07:00 UTC" in shown(News(still=(fresh,)), PTR)


def test_better_is_told_by_what_was_wrong_and_not_as_if_it_still_were() -> None:
    told = shown(News(better=(standing(PTR),)))
    assert f"BETTER    no longer: {PTR.message}" in told


def test_better_says_for_how_long_it_was_wrong() -> None:
    told = shown(News(better=(standing(PTR),)))
    assert "ptr-missing, it was wrong since 2026-11-20, for 2 days" in told


def test_a_doubt_is_told_with_the_failure() -> None:
    told = shown(News(still=(standing(PTR, "DNS gave no answer"),)))
    assert "  but       DNS gave no answer" in told


def test_nothing_new_is_said_in_two_lines() -> None:
    assert shown(News(), FINE) == (
        "mail.example.com: nothing new\n2026-11-22 10:00 UTC: nothing wrong, 1 check passed\n"
    )


def test_what_a_rule_says_of_several_subjects_has_its_date_once() -> None:
    both = tuple(replace(standing(PTR), subject={"family": each}) for each in ("ipv4", "ipv6"))
    told = shown(News(new=both), PTR)
    assert told.count("NEW") == 2
    assert told.count("since 2026-11-20") == 1


def test_many_failures_fit_on_a_screen() -> None:
    many = tuple(replace(standing(PTR), subject={"port": each}) for each in range(500))
    told = shown(News(new=many, still=many, wavering=many, unclear=many, better=many))
    assert len(told.splitlines()) < 60
    assert "and 490 more (new)" in told


def test_what_is_ignored_comes_last_with_its_end() -> None:
    known = Acknowledgement("ptr-generic", {"family": "ipv6"}, date(2026, 12, 24), "it is ordered")
    told = text.write(Bulletin(report(FINE), News(), (known,)), colour=False)
    assert told.splitlines()[-1] == (
        "Ignored through 2026-12-24: ptr-generic (family=ipv6): it is ordered"
    )


def test_nothing_from_outside_is_obeyed_by_a_terminal() -> None:
    hostile = replace(standing(PTR, "\x1b[2J"), message="\x1b]0;x\x07", title="\x1b", rule="\x9b")
    news = News(new=(hostile,), better=(hostile,), unclear=(hostile,))
    known = Acknowledgement("\x1b", {"helo": "\x1b"}, date(2026, 12, 24), "\x1b")
    told = text.write(Bulletin(report(host="\x1b"), news, (known,)), colour=False)
    assert all(each.isprintable() or each == "\n" for each in told)


def test_colour_only_where_it_is_wanted() -> None:
    assert "\x1b[31mNEW" in shown(News(new=(standing(PTR),)), colour=True)
    assert "\x1b" not in shown(News(new=(standing(PTR),)))
