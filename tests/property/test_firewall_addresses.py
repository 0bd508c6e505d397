"""The algebra of address sets, held against Python's own sets on a short line."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from mailfix.firewall.addresses import EVERYWHERE, LINE_END, AddressSet

LINE = 64

intervals = st.lists(
    st.tuples(st.integers(0, LINE - 1), st.integers(0, 20)).map(
        lambda pair: (pair[0], min(pair[0] + pair[1], LINE - 1))
    ),
    max_size=6,
)
sets = intervals.map(AddressSet.of)


def members(addresses: AddressSet) -> set[int]:
    return {number for number in range(LINE) if number in addresses}


def well_formed(addresses: AddressSet) -> bool:
    bounds = addresses.bounds
    return len(bounds) % 2 == 0 and all(low < high for low, high in pairwise(bounds))


@given(intervals)
def test_of_holds_what_the_intervals_hold(found: list[tuple[int, int]]) -> None:
    expected = {number for first, last in found for number in range(first, last + 1)}
    assert members(AddressSet.of(found)) == expected
    assert AddressSet.of(found).count() == len(expected)


@given(sets, sets)
def test_operations_are_those_of_sets(one: AddressSet, other: AddressSet) -> None:
    assert members(one & other) == members(one) & members(other)
    assert members(one | other) == members(one) | members(other)
    assert members(one - other) == members(one) - members(other)
    for result in (one & other, one | other, one - other):
        assert well_formed(result)
        assert result.count() == len(members(result))


@given(sets)
def test_complement(one: AddressSet) -> None:
    rest = one.complement()
    assert well_formed(rest)
    assert one.count() + rest.count() == LINE_END
    assert rest.complement() == one
    assert (one & EVERYWHERE) == one


@given(sets)
def test_networks_are_the_same_addresses(one: AddressSet) -> None:
    again = AddressSet.union_of(AddressSet.network(text) for text in one.networks(32))
    assert again == one
