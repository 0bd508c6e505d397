"""How far the edit of a chain has come, told by the rules that stand there."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from mailfix.firewall.cure.edits import Drifted
from mailfix.firewall.cure.hunks import ChainEdit, Hunk, distance, matching


@dataclass(frozen=True, slots=True)
class States:
    """The states of a chain, from before its edit (0) to after it (``last``)."""

    edit: ChainEdit

    @property
    def last(self) -> int:
        return len(self.edit.stages)

    def lines(self, state: int) -> tuple[str, ...]:
        """The texts of all rules in a state, when nobody else changes the chain."""
        return self.edit.before if state == 0 else self.edit.stages[state - 1].after

    def step(self, state: int, goal: int) -> ChainEdit:
        """What leads from a state one further towards the goal."""
        stages = self.edit.stages
        return stages[state] if goal > state else stages[state - 1].inverse

    def state_of(self, present: Sequence[str]) -> int | None:
        """The state that the chain is in, others' rules aside; None for none of them."""
        fitting = [state for state in range(self.last + 1) if self._fits(state, present)]
        return min(fitting, key=lambda each: distance(self.lines(each), present), default=None)

    def _fits(self, state: int, present: Sequence[str]) -> bool:
        """Whether a step to the next state and one back could be made.

        Where the chain's other rules are gone, too, a rule that is not there was never put in.
        """
        with suppress(Drifted):
            if state < self.last:
                self.step(state, self.last).placed(present, beside=False)
            if state > 0:
                self.step(state, 0).placed(present)
            return True
        return False


def misplaced(hunks: Sequence[Hunk], before: Sequence[str], present: Sequence[str]) -> list[int]:
    """Where rules stand that came with ``hunks``, placed in ``before``, the last one first.

    Of several that read the same it is those that were not there before.
    """
    known = set(matching(before, present).values())
    texts = {line.text for hunk in hunks for line in hunk.new}
    return [at for at in reversed(range(len(present))) if at not in known and present[at] in texts]
