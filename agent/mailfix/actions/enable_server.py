"""Have a mail server start at boot."""

from __future__ import annotations

from mailfix.actions.proposal import Declined, Proposal
from mailfix.actions.servers import unit_of, unwanted
from mailfix.actions.situation import Situation
from mailfix.changes.unit import AtBoot
from mailfix.model import Finding


def propose(situation: Situation, finding: Finding) -> Proposal | Declined:
    """Enable its unit, unmasked where need be."""
    found = unit_of(situation.facts, str(finding.subject.get("server", "")))
    if isinstance(found, Declined):
        return found
    change = AtBoot.of(found.unit)
    if any(each.slot == change.slot for each in situation.draft.changes):
        return Declined("enabling it is among the changes chosen already", cured=True)
    return Proposal(
        summary=f"have {found.server} start at boot ({found.unit})",
        changes=(change,),
        proof="what starts it at boot is made by systemctl, which starts and stops nothing",
        risk="none for what runs now",
        manual=unwanted(found),
    )
