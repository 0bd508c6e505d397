"""Servers of a zone that do not follow its primary, are down, or die at a bad moment."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mailfix.apply.store import Store
from mailfix.apply.transaction import End, carry_out
from mailfix.changes import Failed
from mailfix.changes.record_set import planned
from mailfix.mail_records.proposal import ProposedSet
from tests.publish import rig
from tests.publish.changing import SPF, begin, change_to, everywhere, new_set, quiet
from tests.publish.rig import ONE, TWO, ZONE, Served


@pytest.fixture(params=["bind", "knot"])
def stale(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Served]:
    """A zone whose second server never hears of a change."""
    with rig.served(request.param, tmp_path / "zone", follows=False) as found:
        yield found


def test_a_server_that_never_follows_is_named_and_the_change_taken_back(
    stale: Served, store: Store, name: str
) -> None:
    change = change_to(stale, ProposedSet(name, "TXT", (SPF,)), patience_s=1)
    outcome = carry_out(begin(store, change), quiet)
    assert (outcome.end, outcome.reason) == (
        End.TAKEN_BACK,
        f"after 1 s ns2.{ZONE} ({TWO}) still has the old TXT records of {name}",
    )
    assert everywhere(stale, name) == [[], []]


def test_servers_that_disagree_are_told_before_anything_is_changed(
    stale: Served, name: str
) -> None:
    stale.change(name, '"v=spf1 mx -all"')
    wanted = ProposedSet(name, "TXT", (SPF,), ("v=spf1 mx -all",))
    with pytest.raises(Failed, match=rf"^ns2.{ZONE} \({TWO}\) and the primary, {ONE}, disagree"):
        change_to(stale, wanted)
    assert stale.primary.texts(name) == [(600, '"v=spf1 mx -all"')]


def test_a_server_that_is_down_already_does_not_stand_in_the_way(
    stale: Served, store: Store, name: str
) -> None:
    stale.secondary.stop()
    change, silent = planned(new_set(stale.account, name))
    assert [each.address for each in change.authorities] == [ONE]
    assert len(silent) == 1
    assert silent[0].startswith(f"ns2.{ZONE} ({TWO}) ")
    assert carry_out(begin(store, change), quiet).end is End.MADE
    assert stale.primary.texts(name) == [(600, f'"{SPF}"')]


def test_a_server_that_dies_meanwhile_fails_the_change_and_not_the_way_back(
    stale: Served, store: Store, name: str
) -> None:
    change = change_to(stale, ProposedSet(name, "TXT", (SPF,)), patience_s=1)
    stale.secondary.stop()
    outcome = carry_out(begin(store, change), quiet)
    assert outcome.end is End.TAKEN_BACK
    assert outcome.reason.startswith(f"after 1 s ns2.{ZONE} ({TWO}) ")
    assert stale.primary.texts(name) == []


def test_a_primary_that_dies_meanwhile_leaves_the_transaction_stuck_with_an_account(
    stale: Served, store: Store, name: str
) -> None:
    change = change_to(stale, ProposedSet(name, "TXT", (SPF,)))
    stale.primary.stop()
    outcome = carry_out(begin(store, change), quiet)
    assert outcome.end is End.STUCK
    assert outcome.reason == f"{ONE} cannot be reached: Connection refused"
    assert outcome.problems == (f"publish TXT of {name} at {ONE}: {outcome.reason}",)
