"""Start a mail server that is stopped."""

from __future__ import annotations

from mailfix.actions.exim import judging, layout, shell_text
from mailfix.actions.proposal import Declined, Proposal
from mailfix.actions.servers import SystemUnit, unit_of, unwanted
from mailfix.actions.situation import Situation
from mailfix.changes import Failed
from mailfix.changes.unit import EXIM, AtBoot, Running, check_startable
from mailfix.model import Finding

QUEUE_ALONE = ("queueonly", "nodaemon")


def propose(situation: Situation, finding: Finding) -> Proposal | Declined:
    """Start it, if it takes its configuration and finds its ports free."""
    found = unit_of(situation.facts, str(finding.subject.get("server", "")))
    if isinstance(found, Declined):
        return found
    change = Running(found.server, found.unit, True)
    if any(each.slot == change.slot for each in situation.draft.changes):
        return Declined("starting it is among the changes chosen already", cured=True)
    if declined := _refusal(situation, found):
        return declined
    unmasked = (AtBoot.of(found.unit),) if found.masked else ()
    return Proposal(
        summary=f"start {found.server} ({found.unit})",
        changes=(*unmasked, change),
        proof=f"{found.server} takes its configuration, and nobody else holds its ports",
        risk="it was stopped for a reason or by mistake: its log says which",
        manual=unwanted(found),
    )


def _refusal(situation: Situation, found: SystemUnit) -> Declined | None:
    if found.server == EXIM:
        if declined := _meant_not_to_listen(situation, found):
            return declined
        bench = judging.bench(situation, "")
        if isinstance(bench, Declined):
            return bench
    try:
        check_startable(found.server)
    except Failed as error:
        return Declined(str(error), f"cure that first, then systemctl start {found.unit}")
    return None


def _meant_not_to_listen(situation: Situation, found: SystemUnit) -> Declined | None:
    """Debian's file may have the unit run the queue alone: to start that changes nothing."""
    state = situation.draft.read(layout.DEFAULTS)
    if state is None:
        return None
    text = state.data
    if judging.has_native_unit():
        name, advice = "EXIMSERVICE", "put -bdf before what it holds"
        chosen = shell_text.value(text, name)
        listens = chosen is None or any(each.startswith("-bd") for each in chosen.split())
    else:
        name, advice = "QUEUERUNNER", "set it to 'combined'"
        chosen = shell_text.value(text, name)
        listens = chosen not in QUEUE_ALONE
    if listens:
        return None
    return Declined(
        f"{name}='{chosen}' in {layout.DEFAULTS} has exim take no mail",
        f"{advice} there, then systemctl restart {found.unit}",
    )
