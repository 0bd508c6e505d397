"""Which findings a fix takes on, what it leaves, and why."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from mailfix.actions.proposal import Action, Declined, Proposal
from mailfix.actions.situation import Situation
from mailfix.changes import Failed
from mailfix.changes.file import FileChange
from mailfix.facts import Facts
from mailfix.fixer import choosing
from mailfix.fixer.choosing import Choice, Decision, automatic, choose
from mailfix.model import Finding, FixOffer, Part, Refusal, Severity, Status, identity
from mailfix.plan import new_failures, still_there, to_cure
from mailfix.report.fix.result import Cure
from mailfix.settings import Settings


def finding(rule: str, action: str = "edit", *, automatic: bool = True, port: int = 25) -> Finding:
    return Finding(
        rule=rule,
        title=rule,
        status=Status.FAIL,
        severity=Severity.ERROR,
        subject={"port": port},
        message=f"{rule} fails",
        why="",
        part=Part.HOST,
        fix=FixOffer(action, automatic, "edit a file"),
    )


def edit(situation: Situation, finding: Finding) -> Proposal:
    """Appends the rule's name to a file that does not exist."""
    state = situation.draft.read("/nonexistent/file")
    text = (state.data if state else b"") + finding.rule.encode()
    change = situation.draft.file("/nonexistent/file", text)
    return Proposal(f"edit for {finding.rule}", (change,), "computed", "none")


def decline(situation: Situation, finding: Finding) -> Declined:
    return Declined("the panel rewrites the file", "use the panel")


def cured_before(situation: Situation, finding: Finding) -> Declined:
    return Declined("done by the change before", cured=True)


def fail(situation: Situation, finding: Finding) -> Proposal:
    raise Failed("/etc/file cannot be read: Input/output error")


def ask_first(situation: Situation, finding: Finding) -> Proposal:
    return Proposal("edit", (), "none", "some", manual="it closes tcp/143, too")


ACTIONS: Mapping[str, Action] = {
    "edit": edit,
    "decline": decline,
    "cured-before": cured_before,
    "fail": fail,
    "ask-first": ask_first,
}


@pytest.fixture(autouse=True)
def actions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choosing, "action", ACTIONS.get)


def chosen(*findings: Finding, decide: choosing.Decide = automatic) -> Choice:
    return choose(Situation(Facts(), Settings()), findings, decide)


def reasons(choice: Choice) -> list[str]:
    return [each.reason for each in choice.left]


def test_the_second_change_of_a_file_is_made_for_what_the_first_leaves() -> None:
    choice = chosen(finding("one"), finding("two"))
    [change] = choice.draft.changes
    assert isinstance(change, FileChange)
    assert change.before is None
    assert change.after is not None
    assert change.after.data == b"onetwo"
    assert [cure.summary for cure in choice.chosen] == ["edit for one", "edit for two"]


def test_what_was_not_chosen_leaves_no_trace_in_what_comes_after() -> None:
    def decide(cure: Cure) -> Decision:
        return Decision.NO if cure.finding.rule == "one" else Decision.YES

    [change] = chosen(finding("one"), finding("two"), decide=decide).draft.changes
    assert isinstance(change, FileChange)
    assert change.after is not None
    assert change.after.data == b"two"


def test_without_asking_only_what_is_automatic_is_done() -> None:
    by_rule = finding("by-rule", automatic=False)
    choice = chosen(by_rule, finding("by-proof", "ask-first"))
    assert choice.chosen == ()
    assert choice.draft.changes == ()
    assert reasons(choice) == [
        "it is a choice of yours: mailfix fix asks",
        "it closes tcp/143, too",
    ]


def test_what_cannot_be_done_is_left_with_its_reason_and_advice() -> None:
    choice = chosen(finding("a", "decline"), finding("b", "fail"), finding("c", "unknown-action"))
    assert reasons(choice) == [
        "the panel rewrites the file",
        "/etc/file cannot be read: Input/output error",
        "there is no action unknown-action",
    ]
    assert choice.left[0].advice == "use the panel"


def test_what_an_earlier_change_cures_counts_as_chosen() -> None:
    choice = chosen(finding("one"), finding("two", "cured-before"))
    assert [cure.finding.rule for cure in choice.chosen] == ["one", "two"]
    assert len(choice.draft.changes) == 1


def test_what_only_a_declined_change_would_have_cured_is_left() -> None:
    choice = chosen(finding("two", "cured-before"))
    assert choice.chosen == ()
    assert reasons(choice) == ["done by the change before"]


def test_a_skipped_rule_is_not_asked_about_again() -> None:
    asked: list[str] = []

    def decide(cure: Cure) -> Decision:
        asked.append(f"{cure.finding.rule}/{cure.finding.subject['port']}")
        return Decision.SKIP_RULE if cure.finding.rule == "one" else Decision.YES

    choice = chosen(finding("one"), finding("one", port=587), finding("two"), decide=decide)
    assert asked == ["one/25", "two/25"]
    assert [cure.finding.rule for cure in choice.chosen] == ["two"]


def test_quitting_keeps_what_was_chosen_and_asks_no_more() -> None:
    asked: list[str] = []

    def decide(cure: Cure) -> Decision:
        asked.append(cure.finding.rule)
        return Decision.YES if cure.finding.rule == "one" else Decision.QUIT

    choice = chosen(finding("one"), finding("two"), finding("three"), decide=decide)
    assert asked == ["one", "two"]
    assert [cure.finding.rule for cure in choice.chosen] == ["one"]
    assert [left.finding.rule for left in choice.left] == ["two", "three"]


def test_a_rule_that_does_not_exist_is_refused() -> None:
    with pytest.raises(Refusal, match="there is no rule 'nonsense'"):
        to_cure([finding("one")], ["nonsense"], [])


def test_findings_are_known_again_by_rule_and_subject() -> None:
    before, other_port = finding("one"), finding("one", port=587)
    assert identity(before) == identity(finding("one"))
    assert identity(before) != identity(other_port)
    assert still_there(before, [other_port]) is None
    assert new_failures([before], [before, other_port]) == (other_port,)
