"""From findings to the changes that cure them: every action proposes, somebody decides."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import TypeAlias

from mailfix.actions.catalogue import action
from mailfix.actions.proposal import Declined, Proposal
from mailfix.actions.situation import Situation
from mailfix.changes import Failed
from mailfix.changes.draft import Draft
from mailfix.model import Finding
from mailfix.report.fix.result import Cure, Left

AFTER_ASKING = "it is a choice of yours: mailfix fix asks"


class Decision(Enum):
    YES = auto()
    NO = auto()
    SKIP_RULE = auto()
    QUIT = auto()


Decide: TypeAlias = Callable[[Cure], Decision]


@dataclass(frozen=True, slots=True)
class Choice:
    """``draft`` is what is to be done, ``chosen`` what it cures, ``left`` what it does not."""

    draft: Draft
    chosen: tuple[Cure, ...] = ()
    left: tuple[Left, ...] = ()


def choose(situation: Situation, findings: Sequence[Finding], decide: Decide) -> Choice:
    """Go through the findings; each proposal is made for the host as those before it leave it."""
    choice = Choice(situation.draft)
    skipped: set[str] = set()
    over = False
    for finding in findings:
        proposal = _proposed(replace(situation, draft=choice.draft), finding)
        if isinstance(proposal, Declined):
            choice = _declined(choice, finding, proposal)
            continue
        cure = _cure(situation, finding, proposal)
        decision = Decision.NO if over or finding.rule in skipped else decide(cure)
        over = over or decision is Decision.QUIT
        if decision is Decision.SKIP_RULE:
            skipped.add(finding.rule)
        if decision is Decision.YES:
            draft = choice.draft.with_changes(proposal.changes)
            choice = replace(choice, draft=draft, chosen=(*choice.chosen, cure))
        else:
            left = Left(finding, cure.manual or "it was not chosen", finding.advice or "")
            choice = replace(choice, left=(*choice.left, left))
    return choice


def _proposed(situation: Situation, finding: Finding) -> Proposal | Declined:
    if finding.fix is None:
        return Declined("mailfix cannot repair it", finding.advice or "")
    propose = action(finding.fix.action)
    if propose is None:
        return Declined(f"there is no action {finding.fix.action}", finding.advice or "")
    try:
        return propose(situation, finding)
    except Failed as error:
        return Declined(str(error), finding.advice or "")


def _declined(choice: Choice, finding: Finding, declined: Declined) -> Choice:
    """What the changes chosen so far cure, too, counts as chosen."""
    if declined.cured and choice.chosen:
        also = Cure(finding, declined.reason, (), "", "")
        return replace(choice, chosen=(*choice.chosen, also))
    advice = declined.advice or finding.advice or ""
    return replace(choice, left=(*choice.left, Left(finding, declined.reason, advice)))


def _cure(situation: Situation, finding: Finding, proposal: Proposal) -> Cure:
    by_rule = "" if finding.fix and finding.fix.automatic else AFTER_ASKING
    return Cure(
        finding=finding,
        summary=proposal.summary,
        preview=tuple(line for change in proposal.changes for line in change.preview()),
        proof=proposal.proof,
        risk=proposal.risk,
        manual=proposal.manual or by_rule,
        besides=proposal.besides,
    )


def automatic(cure: Cure) -> Decision:
    """What ``--yes`` takes: what is proven and needs no choice."""
    return Decision.NO if cure.manual else Decision.YES


def everything(cure: Cure) -> Decision:
    """What ``--dry-run`` shows."""
    return Decision.YES
