"""What changes in one chain, told by its rules' texts: numbers and handles are stale by then.

A chain goes from one state to the next by stages. iptables puts new rules in by number, which
somebody else's rule may shift at that very moment; so the new ones come first, and only when they
stand where they should are the old ones deleted, by what they read.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from mailfix.firewall.cure.edits import ChainRef, Drifted, RuleEdit, Spelled


@dataclass(frozen=True, slots=True)
class Line:
    """A rule: ``text`` as it is listed, ``spelling`` and ``native`` as in Spelled.

    The spelling of a rule of iptables may begin with its counters (``-c PACKETS BYTES``).
    """

    text: str
    spelling: str
    native: bool = False

    @classmethod
    def of(cls, spelled: Spelled, text: str = "") -> Line:
        return cls(text or spelled.rule.text, spelled.spelling, spelled.native)


@dataclass(frozen=True, slots=True)
class Hunk:
    """Rules that stand there from ``at`` (0 is the chain's first) and make way for new ones."""

    at: int
    old: tuple[Line, ...]
    new: tuple[Line, ...]


Token: TypeAlias = int | Line
"""A rule that was there, by its place, or one that comes."""


@dataclass(frozen=True, slots=True)
class ChainEdit:
    """``before`` are the texts of all rules of the chain; ``hunks`` go by ``before``, in order."""

    chain: ChainRef
    before: tuple[str, ...]
    hunks: tuple[Hunk, ...] = ()

    @property
    def after(self) -> tuple[str, ...]:
        """The texts of all rules once the edit is made."""
        return tuple(
            each.text if isinstance(each, Line) else self.before[each] for each in self._tokens()
        )

    @property
    def inverse(self) -> ChainEdit:
        found, shift = [], 0
        for hunk in self.hunks:
            found.append(Hunk(hunk.at + shift, hunk.new, hunk.old))
            shift += len(hunk.new) - len(hunk.old)
        return ChainEdit(self.chain, self.after, tuple(found))

    @property
    def stages(self) -> tuple[ChainEdit, ...]:
        """One after the other they make the edit: what comes, then what goes.

        nft does both at once.
        """
        hunks = self.hunks
        if all(each.native for hunk in hunks for each in (*hunk.old, *hunk.new)):
            return (self,)
        coming = tuple(replace(each, old=()) for each in hunks if each.new)
        first = replace(self, hunks=coming)
        going, shift = [], 0
        for hunk in hunks:
            if hunk.old:
                going.append(Hunk(hunk.at + shift + len(hunk.new), hunk.old, ()))
            shift += len(hunk.new)
        second = ChainEdit(self.chain, first.after, tuple(going))
        return tuple(each for each in (first, second) if each.hunks)

    def with_edit(self, edit: RuleEdit, old: str = "", new: str = "") -> ChainEdit:
        """This and then one more edit; ``old`` and ``new`` are the texts in full."""
        gone = () if edit.old is None else (Line.of(edit.old, old),)
        come = () if edit.new is None else (Line.of(edit.new, new),)
        hunk = Hunk(edit.position - 1, gone, come)
        return self.followed_by(ChainEdit(self.chain, self.after, (hunk,)))

    def followed_by(self, later: ChainEdit) -> ChainEdit:
        """Both as one.

        Raises:
            Drifted: ``later`` was not made for what this one leaves.
        """
        if later.before != self.after:
            raise Drifted(f"chain {self.chain.chain} is not what the later edit was made for")
        tokens, gone = self._tokens(), self._gone()
        for hunk in reversed(later.hunks):
            end = hunk.at + len(hunk.old)
            for token, line in zip(tokens[hunk.at : end], hunk.old, strict=True):
                if isinstance(token, int):
                    gone[token] = line
            tokens[hunk.at : end] = hunk.new
        hunks = tuple(_hunks(len(self.before), tokens, gone))
        return replace(self, hunks=hunks)

    def _tokens(self) -> list[Token]:
        tokens: list[Token] = []
        at = 0
        for hunk in self.hunks:
            tokens += range(at, hunk.at)
            tokens += hunk.new
            at = hunk.at + len(hunk.old)
        return [*tokens, *range(at, len(self.before))]

    def _gone(self) -> dict[int, Line]:
        return {at: line for hunk in self.hunks for at, line in enumerate(hunk.old, start=hunk.at)}

    def placed(self, present: Sequence[str], *, beside: bool = True) -> tuple[Hunk, ...]:
        """The hunks as they lie in the chain as it is now.

        Others may have put in rules of theirs or taken them out, but not around the hunks: what
        goes must be there and read the same, what comes must have a neighbour, and nothing new
        between the two. Without ``beside`` that does not matter.

        Raises:
            Drifted: a hunk has no place there.
        """
        known = matching(self.before, present)
        for hunk in self.hunks if beside else ():
            self._demand_neighbours(hunk, known)
        return tuple(self._placed(hunk, known, present) for hunk in self.hunks)

    def _demand_neighbours(self, hunk: Hunk, known: Mapping[int, int]) -> None:
        """The ends of the chain are neighbours, too, unless nothing of it is left."""
        at, length = hunk.at, len(self.before)
        at_an_end = bool(known) and at in (0, length)
        if self.before and not (at_an_end or at in known or at - 1 in known):
            raise Drifted(f"the rules around place {at + 1} of chain {self.chain.chain} are gone")
        between = known.get(at, 0) - known.get(at - 1, 0) - 1
        if not hunk.old and at in known and at - 1 in known and between:
            raise Drifted(f"a rule was put into place {at + 1} of chain {self.chain.chain}")

    def _placed(self, hunk: Hunk, known: Mapping[int, int], present: Sequence[str]) -> Hunk:
        if hunk.old:
            places = [known.get(hunk.at + more) for more in range(len(hunk.old))]
            first = places[0]
            if first is None or places != list(range(first, first + len(places))):
                raise Drifted(f"chain {self.chain.chain} has no more the rule {hunk.old[0].text}")
            return replace(hunk, at=first)
        start, end = self._between(hunk.at, known, len(present))
        if any(line.text in present[start:end] for line in hunk.new):
            raise Drifted(f"chain {self.chain.chain} has the rule {hunk.new[0].text} already")
        return replace(hunk, at=end if hunk.at in known else start)

    def _between(self, at: int, known: Mapping[int, int], length: int) -> tuple[int, int]:
        """The places between which a rule may come: those of the nearest rules that are left."""
        above = next((known[each] + 1 for each in reversed(range(at)) if each in known), 0)
        below = (known[each] for each in range(at, len(self.before)) if each in known)
        return above, next(below, length)


def _hunks(length: int, tokens: Iterable[Token], gone: Mapping[int, Line]) -> Iterator[Hunk]:
    at = 0
    new: list[Line] = []
    for token in (*tokens, length):
        if isinstance(token, Line):
            new.append(token)
            continue
        old = tuple(gone[each] for each in range(at, token))
        if [each.text for each in old] != [each.text for each in new]:
            yield Hunk(at, old, tuple(new))
        at, new = token + 1, []


def matching(before: Sequence[str], present: Sequence[str]) -> dict[int, int]:
    """The places in ``before`` of the rules that are still there, each with its place now."""
    start = _common(before, present)
    end = _common(before[start:][::-1], present[start:][::-1])
    found = {at: at for at in range(start)}
    middle = before[start : len(before) - end], present[start : len(present) - end]
    for block in difflib.SequenceMatcher(None, *middle, autojunk=False).get_matching_blocks():
        for more in range(block.size):
            found[start + block.a + more] = start + block.b + more
    for back in range(1, end + 1):
        found[len(before) - back] = len(present) - back
    return found


def _common(one: Sequence[str], other: Sequence[str]) -> int:
    pairs = enumerate(zip(one, other, strict=False))
    return next((at for at, (left, right) in pairs if left != right), min(len(one), len(other)))


def distance(expected: Sequence[str], present: Sequence[str]) -> int:
    """How many rules were put in or taken out between the two."""
    return len(expected) + len(present) - 2 * len(matching(expected, present))
