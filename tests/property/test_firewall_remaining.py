"""Taking addresses out of a set that changes agrees with the plain algebra of sets."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mailfix.firewall.addresses import EVERYWHERE, AddressSet
from mailfix.firewall.remaining import CHUNK, MANY, Remaining

NUMBERS = st.integers(0, 3000)
SETS = st.lists(st.tuples(NUMBERS, st.integers(0, 40)), max_size=8).map(
    lambda spans: AddressSet.of((first, first + length) for first, length in spans)
)
COMBS = st.integers(1, 3).map(
    lambda step: AddressSet.of((at, at) for at in range(0, 3000, step + 1))
)


@given(start=st.one_of(SETS, COMBS, st.just(EVERYWHERE)), taken=st.lists(SETS, max_size=12))
def test_what_is_taken_and_what_is_left(start: AddressSet, taken: list[AddressSet]) -> None:
    remaining, expected = Remaining(start), start
    for each in taken:
        assert remaining.shared_with(each) == expected & each
        assert remaining.take(each) == expected & each
        expected -= each
        assert bool(remaining) == bool(expected)
    assert remaining.whole() == expected


@given(st.permutations(range(0, 4 * CHUNK, 2)))
def test_single_addresses_one_by_one(order: list[int]) -> None:
    remaining = Remaining(AddressSet((0, 4 * CHUNK)))
    for number in order:
        assert remaining.take(AddressSet((number, number + 1))).bounds == (number, number + 1)
    left = AddressSet.of((number, number) for number in range(1, 4 * CHUNK, 2))
    assert remaining.whole() == left
    assert len(left.bounds) > MANY
