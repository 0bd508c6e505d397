"""Open a port of mail in the firewall by the smallest change that opens it and nothing else."""

from __future__ import annotations

from mailfix.actions.firewall.asked import asked_besides, asked_by
from mailfix.actions.firewall.changes import changes_for
from mailfix.actions.firewall.drafted import drafted_texts
from mailfix.actions.firewall.next_boot import Future, NextBoot, next_boot
from mailfix.actions.proposal import Declined, Proposal
from mailfix.actions.situation import Situation
from mailfix.changes.present import PresentRules
from mailfix.firewall import Question, judge
from mailfix.firewall.cure import Cure, applied, cure
from mailfix.host import Host
from mailfix.model import Finding, Unknown, percent

PATIENCE_S = 20.0
RISK = "the firewall changes while it runs; connections that are open now stay open"


def propose(situation: Situation, finding: Finding) -> Proposal | Declined:
    """The subject has ``port`` and ``family``.

    Raises:
        mailfix.changes.Failed: the firewall or a file of its cannot be read.
    """
    host = Host.within(PATIENCE_S)
    asked = asked_by(finding, situation.facts, host)
    if isinstance(asked, Unknown):
        return Declined(asked.reason)
    question = asked.value
    also = tuple(asked_besides(question, situation.facts, host))
    texts = drafted_texts(situation.draft)
    now = PresentRules.of(texts)
    found = cure(now.ruleset, question, texts, also)
    if not found.plan:
        return _without_plan(situation, found, now, also)
    advice = [step.owner for step in found.plan if step.owner and not step.owner.commands]
    if advice:
        return Declined(found.why_not or advice[0].advice, advice[0].advice)
    return _proposed(situation, found, now, also)


def _without_plan(
    situation: Situation, found: Cure, now: PresentRules, also: tuple[Question, ...]
) -> Proposal | Declined:
    asked = found.question
    if judge(now.ruleset, asked).faults:
        told = f'see "mailfix explain {asked.port} --cure"'
        return Declined(found.why_not, told)
    future = Future(situation.draft, now.ruleset, now.ruleset, (), asked, also)
    boot = next_boot(future)
    if not boot.files:
        return Declined("the changes chosen before open it already", boot.manual, cured=True)
    names = " and ".join(each.path for each in boot.files)
    return Proposal(f"keep it open after the next boot: {names}", boot.files, boot.proof, RISK)


def _proposed(
    situation: Situation, found: Cure, now: PresentRules, also: tuple[Question, ...]
) -> Proposal:
    changes = changes_for(found, now)
    if any(step.owner is not None for step in found.plan):
        boot = NextBoot(proof="after the next boot, too: its owner keeps the rule in its files")
    else:
        running = applied(now.ruleset, found.edits)
        draft = situation.draft.with_changes(changes)
        culprits = tuple(ref for step in found.plan for ref in step.fault.every_rule())
        future = Future(draft, now.ruleset, running, culprits, found.question, also)
        boot = next_boot(future)
    return Proposal(
        summary="; then ".join(step.summary for step in found.plan),
        changes=(*boot.files, *changes),
        proof=_proof(found, boot),
        risk=RISK,
        manual="; ".join(filter(None, (found.why_not, boot.manual))),
    )


def _proof(found: Cure, boot: NextBoot) -> str:
    assert found.difference is not None
    asked, difference = found.question, found.difference
    computed = "computed over all ports, protocols and addresses of both families: "
    opens = f"opens {asked.protocol}/{asked.port} {_way(asked)}over {asked.family.label} for "
    share = f"{percent(difference.after.passed_share)} of the Internet"
    rest = ", changes nothing else" if difference.is_clean else ", but changes more"
    return "; ".join(filter(None, (computed + opens + share + rest, boot.proof)))


def _way(asked: Question) -> str:
    return "out " if asked.direction == "out" else ""
