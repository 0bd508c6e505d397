"""What is told as new and as better from one audit to the next, and what is only carried on."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest

from mailfix.comparison.compare import compare
from mailfix.comparison.news import News, Standing
from mailfix.comparison.records import Standings
from mailfix.comparison.sighting import Today
from mailfix.model import Finding, Part, Severity, Status, Subject
from tests.rules.cases import book, case_files, read_case

FIRST_RUN = datetime(2026, 11, 1, 6, tzinfo=UTC)
DAY = timedelta(days=1)


def finding(
    rule: str,
    status: Status,
    severity: Severity = Severity.ERROR,
    message: str = "in words",
    **subject: str | int,
) -> Finding:
    return Finding(rule, "A title", status, severity, subject, message, "It matters.", Part.DNS)


PORT: Subject = {"port": 25, "family": "ipv4"}
FAIL = replace(finding("firewall-inbound-blocked", Status.FAIL), subject=PORT)
PASS = replace(FAIL, status=Status.PASS)
UNKNOWN = replace(FAIL, status=Status.UNKNOWN, subject={"family": "ipv4"}, message="cannot tell")
IGNORED = replace(FAIL, status=Status.IGNORED)


@dataclass
class Host:
    """A host that is audited once a day."""

    steady_runs: int = 2
    kept: Standings = field(default_factory=Standings)
    runs: int = 0
    asked: list[set[str]] = field(default_factory=list)

    def report(self, *findings: Finding) -> News:
        found = tuple(each for each in findings if each.status is not Status.PASS)
        passed = [each for each in findings if each.status is Status.PASS]

        def passes(rules: Collection[str]) -> Iterator[Finding]:
            self.asked.append(set(rules))
            return (each for each in passed if each.rule in rules)

        today = Today(FIRST_RUN + self.runs * DAY, found, passes)
        self.kept, news = compare(self.kept, today, self.steady_runs)
        self.runs += 1
        return news

    def course(self, *findings: Finding | None) -> list[str]:
        return [where(self.report(*([each] if each else []))) for each in findings]


def where(news: News) -> str:
    """Under which headings something stands."""
    headings = ("new", "better", "still", "wavering", "unclear")
    return " ".join(name for name in headings if getattr(news, name))


def subjects(standings: tuple[Standing, ...]) -> list[Subject]:
    return [each.subject for each in standings]


def test_a_failure_is_new_then_still_there_and_better_once_it_passes() -> None:
    host = Host()
    assert host.course(PASS, FAIL, FAIL, PASS, PASS) == ["", "new", "still", "better", ""]


def test_still_there_says_since_when() -> None:
    host = Host()
    host.course(PASS, FAIL, UNKNOWN, None)
    (still,) = host.report(FAIL).still
    assert still.since == FIRST_RUN + DAY


def test_only_what_is_new_is_told_as_new() -> None:
    host = Host()
    host.report(FAIL)
    other = replace(FAIL, subject={"port": 587, "family": "ipv4"})
    news = host.report(FAIL, other)
    assert subjects(news.new) == [{"port": 587, "family": "ipv4"}]
    assert subjects(news.still) == [PORT]


def test_another_text_is_the_same_failure() -> None:
    host = Host()
    host.report(FAIL)
    news = host.report(replace(FAIL, message="rule 8 of INPUT", title="Another title"))
    assert where(news) == "still"
    assert news.still[0].message == "rule 8 of INPUT"


def test_unknown_is_not_better_and_says_what_is_in_the_way() -> None:
    host = Host()
    news = [host.report(each) for each in (FAIL, UNKNOWN, UNKNOWN, UNKNOWN)]
    assert [where(each) for each in news] == ["new", "still", "still", "still"]
    assert news[-1].still[0].doubt == "cannot tell"
    assert where(host.report(PASS)) == "better"


def test_the_unknown_of_another_family_says_nothing_of_it() -> None:
    host = Host()
    host.report(FAIL)
    assert where(host.report(replace(UNKNOWN, subject={"family": "ipv6"}), PASS)) == "better"


def test_what_is_not_judged_is_not_better_and_told_once_when_it_is_forgotten() -> None:
    host = Host()
    told = host.course(FAIL, *[None] * 9)
    assert told == ["new", *["still"] * 7, "unclear", ""]
    assert host.kept == Standings()


def test_what_is_forgotten_says_why_and_is_a_change() -> None:
    host = Host()
    host.course(FAIL, *[None] * 7)
    news = host.report()
    assert news.is_change
    assert news.unclear[0].doubt == "no rule spoke of it for 7 runs, so it is no longer followed"


def test_what_was_ignored_is_forgotten_in_silence() -> None:
    host = Host()
    assert host.course(IGNORED, *[None] * 9) == [""] * 10


def test_not_judged_says_so() -> None:
    host = Host()
    host.report(FAIL)
    assert host.report().still[0].doubt == "it was not judged today"


def test_the_pass_of_another_port_is_not_better() -> None:
    host = Host()
    host.report(FAIL)
    assert where(host.report(replace(PASS, subject={"port": 587, "family": "ipv4"}))) == "still"


def test_the_pass_of_the_whole_domain_is_better_for_one_of_its_servers() -> None:
    host = Host()
    alias = finding("mx-alias", Status.FAIL, domain="example.com", mx="mx.example.com")
    host.report(alias)
    assert where(host.report(finding("mx-alias", Status.PASS, domain="example.net"))) == "still"
    assert where(host.report(finding("mx-alias", Status.PASS, domain="example.com"))) == "better"


def test_what_comes_and_goes_is_told_once_it_has_lasted() -> None:
    told = Host().course(FAIL, PASS, FAIL, PASS, FAIL, FAIL, PASS, FAIL, PASS, PASS)
    assert told == [
        *("new", "better", "wavering", "", "wavering", "new"),
        *("wavering", "still", "wavering", "better"),
    ]


def test_on_a_day_on_which_it_passes_it_says_so() -> None:
    host = Host()
    host.course(FAIL, PASS, FAIL, FAIL)
    assert host.report(PASS).wavering[0].doubt == "it passes today"


def test_flapping_for_ever_is_told_twice() -> None:
    told = Host().course(*[FAIL, PASS] * 50)
    assert [each for each in told if each in ("new", "better")] == ["new", "better"]


def test_after_ten_quiet_runs_a_failure_is_new_at_once() -> None:
    assert Host().course(FAIL, PASS, *[PASS] * 9, FAIL)[-1] == "wavering"
    assert Host().course(FAIL, PASS, *[PASS] * 10, FAIL)[-1] == "new"


def test_how_long_is_long_enough_is_the_administrators_choice() -> None:
    assert Host(1).course(FAIL, PASS, FAIL, PASS) == ["new", "better", "new", "better"]
    told = Host(3).course(FAIL, PASS, FAIL, FAIL, FAIL)
    assert told == ["new", "better", "wavering", "wavering", "new"]


def test_when_it_fails_again_since_is_the_new_beginning() -> None:
    host = Host()
    host.course(FAIL, PASS, FAIL)
    assert host.report(FAIL).new[0].since == FIRST_RUN + 2 * DAY


def test_an_acknowledged_failure_is_neither_new_nor_better() -> None:
    assert Host().course(IGNORED, IGNORED, PASS) == ["", "", ""]
    assert Host().course(FAIL, IGNORED, PASS) == ["new", "", ""]


def test_when_the_acknowledgement_ends_it_is_new_with_its_old_date() -> None:
    host = Host()
    host.course(FAIL, IGNORED, IGNORED)
    news = host.report(FAIL)
    assert where(news) == "new"
    assert news.new[0].since == FIRST_RUN


def test_what_fails_again_while_it_is_acknowledged_has_a_new_date() -> None:
    host = Host()
    host.course(FAIL, PASS, IGNORED, IGNORED)
    assert host.report(FAIL).new[0].since == FIRST_RUN + 2 * DAY


def test_after_ten_runs_in_which_it_could_be_made_a_doubt_is_told_again() -> None:
    told = Host().course(UNKNOWN, UNKNOWN, *[PASS] * 10, UNKNOWN, UNKNOWN)
    assert (told[1], told[-1]) == ("unclear", "unclear")


def test_what_could_not_be_made_lately_is_told_once() -> None:
    told = Host().course(PASS, UNKNOWN, UNKNOWN, UNKNOWN, PASS, UNKNOWN, UNKNOWN)
    assert told == ["", "", "unclear", "", "", "", ""]
    assert Host().course(UNKNOWN, PASS, UNKNOWN, PASS) == ["", "", "", ""]


def test_a_doubt_about_a_known_failure_is_told_with_the_failure_alone() -> None:
    assert Host().course(FAIL, *[UNKNOWN] * 4) == ["new", *["still"] * 4]


def test_the_worst_comes_first() -> None:
    notice = finding("ptr-generic", Status.FAIL, Severity.NOTICE, family="ipv4")
    critical = finding("server-stopped", Status.FAIL, Severity.CRITICAL, server="exim")
    news = Host().report(notice, FAIL, critical)
    assert [each.severity for each in news.new] == ["critical", "error", "notice"]


def test_passes_are_looked_at_only_for_what_has_gone() -> None:
    host = Host()
    host.course(PASS, FAIL, FAIL, UNKNOWN)
    assert host.asked == []
    host.report(PASS)
    assert host.asked == [{"firewall-inbound-blocked"}]
    host.course(PASS, PASS)
    assert len(host.asked) == 1


RULES_OF_CASES = sorted({each.rule.id for each in case_files() if each.verdict == "fail"})


def test_every_rule_has_a_failure_to_be_mended() -> None:
    assert [each.id for each in book()] == RULES_OF_CASES


@pytest.mark.parametrize("rule", RULES_OF_CASES)
def test_the_mending_of_each_rule_is_told_as_better(rule: str) -> None:
    """Some failure of the rule's cases is told as better by the passes of some other case."""
    cases = [read_case(each) for each in case_files() if each.rule.id == rule]
    answers = [case.findings() for case in cases]
    failed = [each for found in answers for each in found if each.status is Status.FAIL]
    clean = [found for found in answers if all(each.status is Status.PASS for each in found)]
    mended = [one for one in failed if any(_is_mended(one, found) for found in clean)]
    assert mended


def _is_mended(failure: Finding, found: tuple[Finding, ...]) -> bool:
    host = Host()
    host.report(failure)
    return where(host.report(*found)) == "better"
