"""Run on the lab's host: propose, carry out and take back cures of the firewall.

python3 firewall_fixer.py fix RULE...     prints what was proposed, as JSON, and carries it out
python3 firewall_fixer.py propose RULE... the same without carrying it out
python3 firewall_fixer.py undo            takes the last transaction back
"""

from __future__ import annotations

import json
import sys
from typing import Any

from mailfix import auditor
from mailfix.actions import open_port
from mailfix.actions.proposal import Declined, Proposal
from mailfix.actions.situation import Situation
from mailfix.apply.journal import Plan
from mailfix.apply.store import Store
from mailfix.apply.transaction import carry_out, take_back
from mailfix.changes import Failed
from mailfix.changes.draft import Draft
from mailfix.model import Status


def main() -> None:
    deed, *rules = sys.argv[1:]
    told = _undo() if deed == "undo" else _fix(frozenset(rules), carried_out=deed == "fix")
    json.dump(told, sys.stdout)


def _fix(rules: frozenset[str], *, carried_out: bool) -> dict[str, Any]:
    seen = auditor.examine()
    draft = Draft()
    told = []
    for finding in seen.report.findings:
        if finding.rule not in rules or finding.status is not Status.FAIL:
            continue
        try:
            found = open_port.propose(Situation(seen.facts, seen.settings, draft), finding)
        except Failed as problem:
            found = Declined(f"failed: {problem}")
        told.append({"port": finding.subject["port"], **_told(found)})
        if isinstance(found, Proposal):
            draft = draft.with_changes(found.changes)
    answer: dict[str, Any] = {"proposals": told}
    if carried_out:
        answer |= _carried_out(draft)
    return answer


def _told(found: Proposal | Declined) -> dict[str, Any]:
    if isinstance(found, Declined):
        return {"declined": found.reason, "cured": found.cured}
    return {
        "summary": found.summary,
        "proof": found.proof,
        "manual": found.manual,
        "preview": [line for each in found.changes for line in each.preview()],
    }


def _carried_out(draft: Draft) -> dict[str, Any]:
    store = Store()
    with store.locked():
        plan = Plan(store.next_number(), "", "", ("a lab's fix",), draft.changes)
        outcome = carry_out(store.begin(plan), _progress)
    return {"end": outcome.end.value, "reason": outcome.reason, "problems": outcome.problems}


def _undo() -> dict[str, Any]:
    store = Store()
    with store.locked():
        journal = store.read(store.numbers()[-1])
        assert journal is not None
        outcome = take_back(journal, _progress, "asked for")
    return {"end": outcome.end.value, "reason": outcome.reason, "problems": outcome.problems}


def _progress(line: str) -> None:
    sys.stderr.write(f"{line}\n")


if __name__ == "__main__":
    main()
