"""What was left at many moments is told without writing all of it out, and is the same."""

from __future__ import annotations

from functools import reduce
from operator import or_

from hypothesis import given
from hypothesis import strategies as st

from mailfix.firewall.addresses import EVERYWHERE, NOWHERE, AddressSet
from mailfix.firewall.remaining import Remaining
from mailfix.firewall.snapshots import Backwards, Found, united, written

NUMBERS = st.integers(0, 300)
SETS = st.lists(st.tuples(NUMBERS, st.integers(0, 40)), max_size=6).map(
    lambda spans: AddressSet.of((first, first + length) for first, length in spans)
)
STEPS = st.lists(st.tuples(st.sampled_from(["take", "become", "find", "find all"]), SETS))


def found_on_the_way(start: AddressSet, steps: list[tuple[str, AddressSet]]) -> list[Found]:
    """What was found, each held against the plain algebra of sets at once and at the end."""
    remaining, now = Remaining(start), start
    found: list[Found] = []
    expected: list[AddressSet] = []
    for deed, addresses in steps:
        if deed == "take":
            remaining.take(addresses)
            now -= addresses
        elif deed == "become":
            remaining.become(addresses)
            now = addresses
        else:
            sought = EVERYWHERE if deed == "find all" else addresses
            found.append(remaining.found(sought))
            expected.append(now & sought)
    assert list(map(bool, found)) == list(map(bool, expected))
    assert list(map(written, found)) == expected
    return found


@given(SETS, STEPS)
def test_a_snapshot_holds_what_there_was_at_its_moment(
    start: AddressSet, steps: list[tuple[str, AddressSet]]
) -> None:
    found = found_on_the_way(start, steps)
    for addresses in (NOWHERE, start):
        assert [written(each - addresses) for each in found] == [
            written(each) - addresses for each in found
        ]


@given(SETS, STEPS)
def test_the_union_is_that_of_all_of_them(
    start: AddressSet, steps: list[tuple[str, AddressSet]]
) -> None:
    found = found_on_the_way(start, steps)
    assert united(found) == reduce(or_, map(written, found), NOWHERE)


@given(SETS, STEPS)
def test_backwards_nothing_is_missed(
    start: AddressSet, steps: list[tuple[str, AddressSet]]
) -> None:
    """With what is new in each, all that the later ones held is known at each."""
    backwards, seen, expected = Backwards(), NOWHERE, NOWHERE
    for each in reversed(found_on_the_way(start, steps)):
        news = backwards.news(each)
        assert not news - written(each)
        seen |= news
        expected |= written(each)
        assert seen == expected
