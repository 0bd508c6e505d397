"""A zone that its primary signs (DNSSEC): what it answers may lag behind what it was told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mailfix.apply.store import Store
from mailfix.apply.transaction import End, carry_out
from mailfix.changes import Present
from mailfix.mail_records.proposal import ProposedSet
from tests.publish import rig
from tests.publish.changing import SPF, begin, change_to, everywhere, quiet
from tests.publish.rig import Served


@pytest.fixture(params=["bind", "knot"])
def signed(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Served]:
    with rig.served(request.param, tmp_path / "zone", signed=True) as found:
        yield found


def test_a_record_is_published_changed_and_taken_back(
    signed: Served, store: Store, name: str
) -> None:
    first = change_to(signed, ProposedSet(name, "TXT", ("v=spf1 mx -all",)))
    assert carry_out(begin(store, first), quiet).end is End.MADE
    second = change_to(signed, ProposedSet(name, "TXT", (SPF,), ("v=spf1 mx -all",)))
    assert carry_out(begin(store, second), quiet).end is End.MADE
    assert everywhere(signed, name) == [[(3600, f'"{SPF}"')]] * 2
    assert carry_out(begin(store, second.inverse), quiet).end is End.MADE
    assert everywhere(signed, name) == [[(3600, '"v=spf1 mx -all"')]] * 2
    assert carry_out(begin(store, first.inverse), quiet).end is End.MADE
    assert everywhere(signed, name) == [[], []]


def test_what_was_made_this_moment_is_seen_to_be_made(signed: Served, name: str) -> None:
    change = change_to(signed, ProposedSet(name, "TXT", (SPF,)))
    for _ in range(5):
        change.make()
        assert change.look().present is Present.AFTER
        change.inverse.make()
        assert change.look().present is Present.BEFORE
