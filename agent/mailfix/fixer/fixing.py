"""``mailfix fix``: audit, choose, carry out, audit again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from mailfix import auditor
from mailfix.actions.situation import Situation
from mailfix.apply.store import Store
from mailfix.auditor import Examination
from mailfix.fixer import asking, carrying, choosing, dialogue, requirements
from mailfix.fixer.choosing import Choice
from mailfix.fixer.waiting import wait_for_confirmation
from mailfix.model import Refusal, Status
from mailfix.plan import new_failures, still_there, to_cure
from mailfix.report.fix.result import Cure, End, FixResult, Left


@dataclass(frozen=True, slots=True)
class Request:
    """``only``: the rules that are looked at, none means all. ``yes``: nobody is asked."""

    only: tuple[str, ...] = ()
    yes: bool = False
    dry_run: bool = False
    guard: bool = True


def run(request: Request) -> FixResult:
    """Cure what is wrong, as far as it is chosen.

    Raises:
        Refusal: nothing may be changed now, and nothing was.
    """
    requirements.require_root("fix")
    if request.dry_run:
        return _would_do(request)
    if not request.yes and not dialogue.is_there():
        raise Refusal("there is no terminal to ask at: use --yes, or --dry-run to see what it does")
    store = Store()
    with store.locked():
        requirements.require_nothing_unfinished(store)
        requirements.require_quiet_dpkg()
        before = auditor.examine()
        choice = _choice(request, before)
        if not choice.chosen or (not request.yes and not asking.begin(choice)):
            return _untouched(before, choice)
        result = _carried_out(store, request, before, choice)
        store.forget_old(before.settings.keep_transactions)
    if result.guard_s and not request.yes:
        return wait_for_confirmation(store, result)
    return result


def _would_do(request: Request) -> FixResult:
    before = auditor.examine()
    choice = _chosen(request, before, choosing.everything)
    untouched = _untouched(before, choice)
    return replace(untouched, dry_run=True, applied=choice.chosen, left=choice.left)


def _choice(request: Request, before: Examination) -> Choice:
    decide = choosing.automatic if request.yes else asking.decide
    return _chosen(request, before, decide)


def _chosen(request: Request, before: Examination, decide: choosing.Decide) -> Choice:
    findings = to_cure(before.report.findings, request.only, auditor.rules())
    return choosing.choose(Situation(before.facts, before.settings), findings, decide)


def _untouched(before: Examination, choice: Choice) -> FixResult:
    not_begun = tuple(Left(cure.finding, "it was not chosen") for cure in choice.chosen)
    return FixResult(
        host=before.report.host,
        end=End.UNTOUCHED,
        left=(*choice.left, *not_begun),
        before=before.report.counts[Status.FAIL],
    )


def _carried_out(store: Store, request: Request, before: Examination, choice: Choice) -> FixResult:
    guard_s = before.settings.guard_seconds if request.guard else 0
    titles = [cure.finding.message for cure in choice.chosen]
    wanted = carrying.plan(store, choice.draft.changes, titles, guard_s)
    _, outcome = carrying.carry(store, wanted)
    result = FixResult(
        host=before.report.host,
        end=End(outcome.end.value),
        transaction=wanted.number,
        left=choice.left,
        before=before.report.counts[Status.FAIL],
        guard_s=wanted.guard_s,
        reason=outcome.reason,
        problems=outcome.problems,
    )
    if result.end is not End.MADE:
        failed = tuple(Left(cure.finding, outcome.reason) for cure in choice.chosen)
        return replace(result, failed=failed, guard_s=0)
    return _held_against_a_new_audit(result, before, choice.chosen)


def _held_against_a_new_audit(
    result: FixResult, before: Examination, chosen: Sequence[Cure]
) -> FixResult:
    after = auditor.run()
    failed = []
    cured = []
    for cure in chosen:
        remains = still_there(cure.finding, after.findings)
        if remains is None:
            cured.append(cure)
        else:
            failed.append(Left(remains, f"the audit after it says: {remains.message}"))
    return replace(
        result,
        applied=tuple(cured),
        failed=tuple(failed),
        left=tuple(each for each in result.left if still_there(each.finding, after.findings)),
        worse=new_failures(before.report.findings, after.findings),
        after=after.counts[Status.FAIL],
        outside=f"mailfix probe {after.host}",
    )
